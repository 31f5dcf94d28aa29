// Shows what waits and what came of it: to those whom it concerns, to owners and to auditors.

import type { QueryContext } from '../catalog/context.ts'
import { PAGE_SIZE, type QueryHandler } from '../catalog/definition.ts'
import { pageOf } from '../catalog/page-of.ts'
import type { RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import type { ViewRow } from '../log/views.ts'
import type { Static } from '../schema/schema.ts'
import { answersOf, couldMeet, holdsGlass, isYours, type Moment, mayReview, personOf } from './answerable.ts'
import {
  approvalRequests,
  COMMITTEES,
  committees,
  delegations,
  delegationsTo,
  enrolment,
  escalations,
  getApproval,
  isOpen,
  isReviewOwed,
  listApprovals,
  listCommittees,
  listDelegations,
  listEscalations,
  listStanding,
  listVoterKeys,
  openApprovals,
  type RequestRow,
  standingApprovals,
  voterKeys,
} from './contract.ts'
import { ALONE, rolesFor, tally, voicesFor } from './counting.ts'
import { findHeld } from './held.ts'
import { owedBy } from './obligations.ts'
import { anyRequest, requirePerson } from './requests.ts'
import { GLASS_PEOPLE, principalName } from './shapes.ts'
import type { ApprovalSummary } from './shown.ts'
import type { KeyRow } from './standing-records.ts'
import { keyStatement, offerStatement, voteStatement } from './statement.ts'

const RECORDS_MAX = 1000
/** Rows that one answer looks at: whom little concerns asks again for more. */
const LOOKED_AT_MAX = 5000

export const showingHandlers = (host: Pick<RoomHost, 'realm' | 'isSolo'>): QueryHandler[] => [
  listApprovals.handle(async (ctx, asked) => pageOfApprovals(ctx, await momentOf(ctx, host), asked)),
  getApproval.handle(async (ctx, asked) => showApproval(ctx, await momentOf(ctx, host), host.realm, asked)),
  listCommittees.handle(async (ctx) => {
    const set = (await ctx.list(committees, { limit: RECORDS_MAX })).map(({ value }) => value)
    const preset = COMMITTEES.filter(({ name }) => !set.some((each) => each.name === name))
    return {
      items: [
        ...set.map((each) => ({ ...each, isPreset: false })),
        ...preset.map((each) => ({ ...each, isPreset: true })),
      ].sort((a, b) => (a.name < b.name ? -1 : 1)),
    }
  }),
  listEscalations.handle(async (ctx) => ({ items: await valuesOf(ctx.list(escalations, ALL)) })),
  listDelegations.handle(async (ctx, asked) => {
    const { items, after } = await pageOf(ctx, delegations, asked, ({ value }) => value)
    const inForce = items.filter(({ until }) => until > ctx.now)
    return {
      items: inForce.map(({ role, from, to, until }) => ({ role, from, to, until })),
      ...(after === undefined ? {} : { after }),
    }
  }),
  listVoterKeys.handle(async (ctx, { principal }) => ({
    items: ((await ctx.get(voterKeys, principal))?.value.keys ?? []).map(shownKey),
  })),
  enrolment.handle(async (ctx, { publicKey }) => {
    const { name } = requirePerson(ctx)
    const { version = 0, value } = (await ctx.get(voterKeys, name)) ?? {}
    return {
      principal: name,
      keys: (value?.keys ?? []).map(shownKey),
      offer: offerStatement(name, version),
      ...(publicKey === undefined ? {} : { vouch: keyStatement(name, publicKey, version) }),
    }
  }),
  listStanding.handle((ctx, asked) =>
    pageOf(ctx, standingApprovals, { ...asked, isReverse: true }, ({ value }) => value),
  ),
]

/** Whether he is alone matters to owners only, who may agree to what they ask for then. */
async function momentOf({ chain, now }: QueryContext, { isSolo }: Pick<RoomHost, 'isSolo'>): Promise<Moment> {
  const isOwner = personOf(chain)?.roles.includes(ALONE) ?? false
  return { chain, now, isSolo: isOwner && (await isSolo()) }
}

const shownKey = ({ counter: _, ...key }: KeyRow['keys'][number]) => key

const ALL = { limit: RECORDS_MAX }
const valuesOf = async <V>(rows: Promise<readonly ViewRow<V>[]>): Promise<V[]> =>
  (await rows).map(({ value }) => value)

async function pageOfApprovals(
  ctx: QueryContext,
  moment: Moment,
  { status = 'open', after, limit = PAGE_SIZE }: Static<typeof listApprovals.schema>,
): Promise<Static<typeof listApprovals.output>> {
  const items: Static<typeof ApprovalSummary>[] = []
  const view = status === 'all' ? approvalRequests : openApprovals
  const isReverse = status === 'all'
  let last = after
  for (let lookedAt = 0; lookedAt < LOOKED_AT_MAX; ) {
    const rows = await ctx.list(view, {
      limit: PAGE_SIZE,
      isReverse,
      ...(last === undefined ? {} : { after: last }),
    })
    for (const { key, value } of rows) {
      last = key
      if (!isWanted(value, status, moment) || !mayKnow(ctx.chain, value)) continue
      items.push(summaryOf(value, moment))
      if (items.length === limit) return { items, after: key }
    }
    lookedAt += rows.length
    if (rows.length < PAGE_SIZE) return { items }
  }
  return { items, ...(last === undefined ? {} : { after: last }) }
}

type Filter = NonNullable<Static<typeof listApprovals.schema>['status']>

function isWanted(row: RequestRow, status: Filter, moment: Moment): boolean {
  switch (status) {
    case 'all':
      return true
    case 'review':
      return isReviewOwed(row)
    case 'mine':
      return isYours(row, moment)
    case 'open':
      return row.status === 'pending' || row.status === 'approved'
  }
}

const SEEING_ROLES = ['owner', 'auditor']

/** Everybody sees what he asked for, answers or could answer. */
const mayKnow = (chain: QueryContext['chain'], row: RequestRow): boolean =>
  isHub(chain) ||
  chain.every((link) => SEEING_ROLES.some((role) => link.roles.includes(role))) ||
  chain.every((link) => row.requester.includes(principalName(link))) ||
  isParty(chain, row)

const isHub = (chain: QueryContext['chain']) => chain.every(({ kind }) => kind === 'hub')

function isParty(chain: QueryContext['chain'], row: RequestRow): boolean {
  const person = personOf(chain)
  if (person === undefined) return false
  const name = principalName(person)
  return (
    Object.hasOwn(row.ballots, name) ||
    row.glass.some(({ by }) => by === name) ||
    row.review?.by === name ||
    // Whoever is to judge what was done sees what it was.
    mayReview(row, person) ||
    // Whoever may go on without those who are asked sees what it is.
    (isOpen(row) && holdsGlass(person)) ||
    row.obligations.some((each) => couldMeet(person, each, row))
  )
}

/** A vote that was dropped takes back what was granted on it. */
const grantOf = ({ status, granted }: RequestRow) => (status === 'pending' ? undefined : granted)

function summaryOf(row: RequestRow, moment: Moment) {
  const { met, owed } = tally(row, Date.parse(moment.now))
  const { approval, status, action, resource, risk, requester, sentence, reasons, obligations } = row
  return {
    approval,
    status,
    action,
    resource,
    risk,
    requester: [...requester],
    ...(row.run === undefined ? {} : { run: row.run }),
    sentence,
    reasons: [...reasons],
    obligations: [...obligations],
    met: (grantOf(row)?.met ?? met).map(({ obligation, voters }) => ({ obligation, voters: [...voters] })),
    progress: [...obligations.map((each) => progressOf(each, row, owed)), ...glassOf(row)],
    requestedAt: row.requestedAt,
    expiresAt: row.expiresAt,
    isYours: isYours(row, moment),
    answers: answersOf(row, moment),
    isReviewOwed: isReviewOwed(row),
    ...(row.closed === undefined ? {} : { closed: row.closed }),
    ...(row.carriedOut === undefined ? {} : { carriedOut: row.carriedOut }),
  }
}

/** Who wants to go on without those who are asked; once they may, who broke it is what the request was granted by. */
const glassOf = ({ status, glass }: RequestRow): string[] =>
  status === 'pending' && glass.length > 0 ? [`break-glass (${glass.length} of ${GLASS_PEOPLE})`] : []

/** `security:2 (1 of 2)`, `committee.meta (2 voted, quorum 3)`. */
function progressOf(obligation: string, row: RequestRow, stillOwed: readonly string[]): string {
  const owed = owedBy(obligation)
  if (!stillOwed.includes(obligation)) return `${obligation} (met)`
  const granted = grantOf(row)
  if (granted !== undefined) return `${obligation} (${granted.by === 'break-glass' ? 'glass broken' : 'met'})`
  const ballots = Object.values(row.ballots)
  if (owed.kind === 'role') return `${obligation} (${voicesFor(obligation, row).size} of ${owed.count})`
  if (owed.kind === 'unknown') return `${obligation} (nobody can meet it)`
  const committee = row.committees.find(({ name }) => name === owed.name)
  const voted = ballots.filter(({ voter }) => committee?.members.some(({ principal }) => principal === voter))
  return `${obligation} (${voted.length} voted, quorum ${committee?.quorum ?? 'unknown'})`
}

async function showApproval(
  ctx: QueryContext,
  moment: Moment,
  realm: RoomHost['realm'],
  { approval, ...said }: Static<typeof getApproval.schema>,
): Promise<Static<typeof getApproval.output>> {
  const row = await anyRequest(ctx, approval)
  // Whom it does not concern learns no more than of one that never was.
  if (!mayKnow(ctx.chain, row) && !(await isStandIn(ctx, row)))
    throw new PolityError('not-found', `there is no approval ${approval}`, { approval })
  const name = ctx.chain.map(principalName).at(-1) ?? ''
  // A legal hold keeps what was asked for longer than that, and shows it to nobody.
  const held = isOpen(row) ? await findHeld(approval, realm.reader, realm.vault) : undefined
  const { inputDigest, bundle, ballots, committees: seats, escalated, opinions, glass, review } = row
  return {
    ...summaryOf(row, moment),
    inputDigest,
    bundle,
    ...(held === undefined ? {} : { input: held.input }),
    votes: Object.values(ballots).map(({ voter, vote, delegator, isSolo, assurance, reason, at }) => ({
      voter,
      vote,
      ...(delegator === undefined ? {} : { delegator }),
      isSolo,
      assurance,
      ...(reason === undefined ? {} : { reason }),
      at,
    })),
    committees: seats.map((each) => ({ ...each })),
    escalated: escalated.map((each) => ({ ...each })),
    opinions: opinions.map((each) => ({ ...each })),
    glass: glass.map(({ by, reason, at }) => ({ by, reason, at })),
    ...(review === undefined ? {} : { review }),
    statements: {
      approve: voteStatement(row, name, { vote: 'approve', ...said }),
      deny: voteStatement(row, name, { vote: 'deny', ...said }),
      abstain: voteStatement(row, name, { vote: 'abstain', ...said }),
      // Nobody breaks the glass in somebody's place.
      breakGlass: voteStatement(row, name, { vote: 'break-glass', reason: said.reason }),
    },
  }
}

/** Whoever was lent a role that is asked for. */
async function isStandIn(ctx: QueryContext, { obligations, escalated }: RequestRow): Promise<boolean> {
  const [person, ...others] = ctx.chain
  if (person === undefined || others.length > 0) return false
  const roles = new Set(obligations.flatMap((each) => rolesFor(each, escalated)))
  const name = principalName(person)
  const { lent = {} } = (await ctx.get(delegationsTo, name))?.value ?? {}
  for (const [key, { role, until }] of Object.entries(lent)) {
    if (!roles.has(role) || until <= ctx.now) continue
    // The one who lent it may have lent it to somebody else since.
    if ((await ctx.get(delegations, key))?.value.to === name) return true
  }
  return false
}
