// Shows what waits and what came of it: to those whom it concerns, to owners and to auditors.

import type { QueryContext } from '../catalog/context.ts'
import { PAGE_SIZE, type QueryHandler } from '../catalog/definition.ts'
import type { RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import type { Principal } from '../gate/types.ts'
import type { ViewRow } from '../log/views.ts'
import type { Static } from '../schema/schema.ts'
import {
  approvalRequests,
  COMMITTEES,
  committees,
  delegations,
  escalations,
  getApproval,
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
import { rolesFor, tally } from './counting.ts'
import { findHeld } from './held.ts'
import { owedBy } from './obligations.ts'
import { anyRequest } from './requests.ts'
import { principalName } from './shapes.ts'
import type { ApprovalSummary } from './shown.ts'
import { voteStatement } from './statement.ts'

const RECORDS_MAX = 1000
/** Rows that one answer looks at: whom little concerns asks again for more. */
const LOOKED_AT_MAX = 5000

export const showingHandlers = ({ realm }: Pick<RoomHost, 'realm'>): QueryHandler[] => [
  listApprovals.handle(pageOfApprovals),
  getApproval.handle((ctx, { approval }) => showApproval(ctx, realm, approval)),
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
  listDelegations.handle(async (ctx) => {
    const rows = await valuesOf(ctx.list(delegations, ALL))
    return {
      items: rows
        .filter(({ until }) => until > ctx.now)
        .map(({ role, from, to, until }) => ({ role, from, to, until })),
    }
  }),
  listVoterKeys.handle(async (ctx, { principal }) => ({
    items: ((await ctx.get(voterKeys, principal))?.value.keys ?? []).map(({ counter: _, ...key }) => key),
  })),
  listStanding.handle(async (ctx) => ({
    items: (await valuesOf(ctx.list(standingApprovals, { ...ALL, isReverse: true }))).map((row) => row),
  })),
]

const ALL = { limit: RECORDS_MAX }
const valuesOf = async <V>(rows: Promise<readonly ViewRow<V>[]>): Promise<V[]> =>
  (await rows).map(({ value }) => value)

async function pageOfApprovals(
  ctx: QueryContext,
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
      if (!isWanted(value, status, ctx) || !mayKnow(ctx.chain, value)) continue
      items.push(summaryOf(value, ctx))
      if (items.length === limit) return { items, after: key }
    }
    lookedAt += rows.length
    if (rows.length < PAGE_SIZE) return { items }
  }
  return { items, ...(last === undefined ? {} : { after: last }) }
}

type Filter = NonNullable<Static<typeof listApprovals.schema>['status']>

function isWanted(row: RequestRow, status: Filter, ctx: Pick<QueryContext, 'chain' | 'now'>): boolean {
  switch (status) {
    case 'all':
      return true
    case 'review':
      return isReviewOwed(row)
    case 'mine':
      return isYours(ctx.chain, row, ctx.now)
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
  const [person, ...others] = chain
  if (person?.kind !== 'user' || others.length > 0) return false
  const name = principalName(person)
  return Object.hasOwn(row.ballots, name) || row.obligations.some((each) => couldMeet(person, each, row))
}

/** By a role or a seat of his own; who stands in for somebody finds it by its id. */
function couldMeet(
  person: Principal,
  obligation: string,
  { escalated, committees: seats }: RequestRow,
): boolean {
  const owed = owedBy(obligation)
  if (owed.kind === 'role') return rolesFor(obligation, escalated).some((role) => person.roles.includes(role))
  const name = principalName(person)
  return seats.some(
    (each) =>
      owed.kind === 'committee' &&
      each.name === owed.name &&
      each.members.some(({ principal }) => principal === name),
  )
}

function isYours([person, ...others]: QueryContext['chain'], row: RequestRow, now: string): boolean {
  if (person?.kind !== 'user' || others.length > 0 || row.status !== 'pending') return false
  const { owed } = tally(row, Date.parse(now))
  return (
    owed.some((each) => couldMeet(person, each, row)) && !Object.hasOwn(row.ballots, principalName(person))
  )
}

function summaryOf(row: RequestRow, { chain, now }: Pick<QueryContext, 'chain' | 'now'>) {
  const { met, owed } = tally(row, Date.parse(now))
  const { approval, status, action, resource, risk, requester, sentence, reasons, obligations } = row
  return {
    approval,
    status,
    action,
    resource,
    risk,
    requester: [...requester],
    sentence,
    reasons: [...reasons],
    obligations: [...obligations],
    met: (row.granted?.met ?? met).map(({ obligation, voters }) => ({ obligation, voters: [...voters] })),
    progress: obligations.map((each) => progressOf(each, row, owed)),
    requestedAt: row.requestedAt,
    expiresAt: row.expiresAt,
    isYours: isYours(chain, row, now),
    isReviewOwed: isReviewOwed(row),
    ...(row.closed === undefined ? {} : { closed: row.closed }),
    ...(row.carriedOut === undefined ? {} : { carriedOut: row.carriedOut }),
  }
}

/** `security:2 (1 of 2)`, `committee.meta (2 voted, quorum 3)`. */
function progressOf(obligation: string, row: RequestRow, stillOwed: readonly string[]): string {
  const owed = owedBy(obligation)
  if (row.granted !== undefined || !stillOwed.includes(obligation)) return `${obligation} (met)`
  const ballots = Object.values(row.ballots)
  if (owed.kind === 'role') {
    const accepted = rolesFor(obligation, row.escalated)
    const agreeing = ballots.filter(
      ({ vote, roles, delegated = [] }) =>
        vote === 'approve' && [...roles, ...delegated].some((role) => accepted.includes(role)),
    )
    return `${obligation} (${agreeing.length} of ${owed.count})`
  }
  if (owed.kind === 'unknown') return `${obligation} (nobody can meet it)`
  const committee = row.committees.find(({ name }) => name === owed.name)
  const voted = ballots.filter(({ voter }) => committee?.members.some(({ principal }) => principal === voter))
  return `${obligation} (${voted.length} voted, quorum ${committee?.quorum ?? 'unknown'})`
}

async function showApproval(
  ctx: QueryContext,
  realm: RoomHost['realm'],
  approval: string,
): Promise<Static<typeof getApproval.output>> {
  const row = await anyRequest(ctx, approval)
  // Whom it does not concern learns no more than of one that never was.
  if (!mayKnow(ctx.chain, row) && !(await isStandIn(ctx, row)))
    throw new PolityError('not-found', `there is no approval ${approval}`, { approval })
  const name = ctx.chain.map(principalName).at(-1) ?? ''
  const held = await findHeld(approval, realm.reader, realm.vault)
  const { inputDigest, bundle, ballots, committees: seats, escalated, opinions, glass, review } = row
  return {
    ...summaryOf(row, ctx),
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
      approve: voteStatement(row, name, 'approve'),
      deny: voteStatement(row, name, 'deny'),
      abstain: voteStatement(row, name, 'abstain'),
    },
  }
}

/** Whoever was lent a role that is asked for. */
async function isStandIn(ctx: QueryContext, { obligations, escalated }: RequestRow): Promise<boolean> {
  const [person, ...others] = ctx.chain
  if (person === undefined || others.length > 0) return false
  const roles = new Set(obligations.flatMap((each) => rolesFor(each, escalated)))
  const lent = await valuesOf(ctx.list(delegations, ALL))
  return lent.some(
    ({ to, role, until }) => to === principalName(person) && roles.has(role) && until > ctx.now,
  )
}
