// Who could answer a request now, and with what: what a page offers to whoever looks at it.

import type { QueryContext } from '../catalog/context.ts'
import type { Principal } from '../gate/types.ts'
import { ALONE, rolesFor, tally } from './counting.ts'
import { owedBy } from './obligations.ts'
import { type Ballot, isReviewOwed, type RequestRow } from './request.ts'
import { type Answer, GLASS_ROLES, principalName, REVIEW_ROLES } from './shapes.ts'

type Chain = QueryContext['chain']
export type Moment = Pick<QueryContext, 'chain' | 'now'> & {
  /** Whether the caller is the only owner: then he may agree to what he asks for. */
  readonly isSolo: boolean
}

/** By a role or a seat of his own; who stands in for somebody finds it by its id. */
export function couldMeet(
  person: Principal,
  obligation: string,
  { escalated, committees: seats }: Pick<RequestRow, 'escalated' | 'committees'>,
): boolean {
  const owed = owedBy(obligation)
  if (owed.kind === 'role') return rolesFor(obligation, escalated).some((role) => person.roles.includes(role))
  return seats.some((seat) => owed.kind === 'committee' && seat.name === owed.name && sitsIn(seat, person))
}

export function isYours(row: RequestRow, { chain, now, isSolo }: Moment): boolean {
  const person = personOf(chain)
  if (person === undefined || row.status !== 'pending') return false
  const name = principalName(person)
  const { owed } = tally(row, Date.parse(now))
  const his = row.requester.includes(name)
    ? owed.filter((each) => isSolo && rolesFor(each, row.escalated).includes(ALONE))
    : owed
  return his.some((each) => couldMeet(person, each, row)) && !Object.hasOwn(row.ballots, name)
}

/** Each answer of the caller that could change something about the request now. */
export function answersOf(row: RequestRow, moment: Moment): Answer[] {
  if (mayReview(row, personOf(moment.chain))) return ['review']
  const isAsked = isYours(row, moment)
  return [
    ...(isAsked ? (['approve', 'deny'] as const) : []),
    ...(isAsked && sitsInOpen(row, moment) ? (['abstain'] as const) : []),
    ...(mayBreakGlass(row, moment) ? (['break-glass'] as const) : []),
  ]
}

export const personOf = ([person, ...others]: Chain): Principal | undefined =>
  person?.kind === 'user' && others.length === 0 ? person : undefined

export const holdsGlass = ({ roles }: Pick<Principal, 'roles'>): boolean =>
  GLASS_ROLES.some((role) => roles.includes(role))

/** An abstention counts for the quorum of a committee, and for nothing else. */
function sitsInOpen({ obligations, committees }: RequestRow, { chain, now }: Moment): boolean {
  const person = personOf(chain)
  return committees.some(
    (seat) =>
      seat.closesAt > now &&
      obligations.includes(`committee.${seat.name}`) &&
      person !== undefined &&
      sitsIn(seat, person),
  )
}

const sitsIn = ({ members }: RequestRow['committees'][number], person: Principal): boolean =>
  members.some(({ principal }) => principal === principalName(person))

/** Once, by somebody who is no party to it, and only where his own yes would not do. */
function mayBreakGlass(row: RequestRow, { chain, now }: Moment): boolean {
  const person = personOf(chain)
  if (person === undefined || row.status !== 'pending' || row.expiresAt <= now) return false
  const name = principalName(person)
  if (!holdsGlass(person) || row.requester.includes(name) || row.glass.some(({ by }) => by === name))
    return false
  const yes: Ballot = {
    voter: name,
    vote: 'approve',
    roles: person.roles,
    isSolo: false,
    assurance: 'attributed, unsigned',
    at: now,
  }
  return tally({ ...row, ballots: { ...row.ballots, [name]: yes } }, Date.parse(now)).owed.length > 0
}

/** A third one, while it is owed: neither who asked for it nor who broke the glass. */
export function mayReview(row: RequestRow, person: Principal | undefined): boolean {
  if (person === undefined || !isReviewOwed(row)) return false
  const name = principalName(person)
  const isParty = row.requester.includes(name) || row.glass.some(({ by }) => by === name)
  return !isParty && REVIEW_ROLES.some((role) => person.roles.includes(role))
}
