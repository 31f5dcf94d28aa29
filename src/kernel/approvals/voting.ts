// What people answer: votes, opinions, broken glass and reviews, each as facts of one commit.

import type { CommandContext } from '../catalog/context.ts'
import type { CommandHandler } from '../catalog/definition.ts'
import { PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import * as contract from './contract.ts'
import {
  ApprovalAdvised,
  ApprovalDenied,
  ApprovalGranted,
  ApprovalReviewed,
  ApprovalVoteDropped,
  ApprovalVoted,
  ApprovalWithdrawn,
  type Ballot,
  delegationKey,
  delegations,
  GlassBroken,
  isReviewOwed,
  type RequestRow,
  voterKeys,
} from './contract.ts'
import { rolesFor, tally, voiceOf } from './counting.ts'
import { lapsedVoters } from './lapsed.ts'
import { owedBy } from './obligations.ts'
import { anyRequest, type OpenPorts, openRequest, type Person, requirePerson } from './requests.ts'
import {
  type Choice,
  type GivenSignature,
  GLASS_PEOPLE,
  GLASS_ROLES,
  principalName,
  REVIEW_ROLES,
} from './shapes.ts'
import { type Verified, verifySigned, voteStatement } from './statement.ts'

const VOTERS_MAX = 256
const OPINIONS_MAX = 64
/** What a request that went on behind broken glass carries beside what it owed: rules can tell. */
export const GLASS_APPROVAL = `break-glass:${GLASS_PEOPLE}`

export interface VotingPorts extends OpenPorts {
  isSolo(): Promise<boolean>
}

export function votingHandlers(ports: VotingPorts): CommandHandler[] {
  return [
    contract.approve.handle((ctx, input) => castVote(ctx, ports, 'approve', input)),
    contract.deny.handle((ctx, input) => castVote(ctx, ports, 'deny', input)),
    contract.abstain.handle((ctx, input) => castVote(ctx, ports, 'abstain', input)),
    contract.withdraw.handle((ctx, input) => takeBack(ctx, ports, input)),
    contract.advise.handle((ctx, input) => giveOpinion(ctx, ports, input)),
    contract.breakGlass.handle((ctx, input) => breakTheGlass(ctx, ports, input)),
    contract.review.handle((ctx, input) => closeReview(ctx, input)),
  ]
}

interface VoteInput {
  readonly approval: string
  readonly reason?: string | undefined
  readonly signature?: GivenSignature | undefined
  readonly delegator?: string | undefined
}

interface Answered {
  readonly approval: string
  readonly status: RequestRow['status']
  readonly owed: string[]
}

async function castVote(
  ctx: CommandContext,
  ports: VotingPorts,
  vote: Choice,
  { approval, reason, signature, delegator }: VoteInput,
): Promise<Answered> {
  const row = await openRequest(ctx, ports, approval)
  const person = requirePerson(ctx)
  const before = row.ballots[person.name]
  if (before !== undefined && (await isSaid(ctx, before, { vote, delegator, signature })))
    return settleVotes(ctx, ports, row)
  const ballot = await ballotOf(ctx, ports, row, person, { vote, reason, delegator })
  requireVoice(row, ballot, ctx.now)
  if (before === undefined && Object.keys(row.ballots).length >= VOTERS_MAX)
    throw new PolityError('limit', `one request takes the votes of ${VOTERS_MAX} people at most`)
  const verified = await signedBy(
    ctx,
    person,
    voteStatement(row, person.name, { vote, reason, delegator }),
    signature,
  )
  const { at: _, assurance: __, ...cast } = ballot
  ctx.record(
    ApprovalVoted(
      { approval, ...cast, ...withSignature(verified, signature) } as Parameters<typeof ApprovalVoted>[0],
      about(approval),
    ),
  )
  return settleVotes(ctx, ports, { ...row, ballots: { ...row.ballots, [person.name]: ballot } })
}

/** Whether it says nothing that does not stand already: a vote that has lapsed is cast anew, and one without a signature is signed. */
async function isSaid(
  ctx: Pick<CommandContext, 'get' | 'now'>,
  before: Ballot,
  { vote, delegator, signature }: Pick<VoteInput, 'delegator' | 'signature'> & { readonly vote: Choice },
): Promise<boolean> {
  if (before.vote !== vote || before.delegator !== delegator) return false
  if (signature !== undefined && before.key === undefined) return false
  return (await lapsedVoters(ctx, [before], ctx.now)).length === 0
}

async function ballotOf(
  ctx: CommandContext,
  { isSolo }: VotingPorts,
  row: RequestRow,
  { name, roles, token }: Person,
  { vote, reason, delegator }: Pick<VoteInput, 'reason' | 'delegator'> & { readonly vote: Choice },
): Promise<Ballot> {
  const isOwnRequest = row.requester.includes(name)
  const isAlone = isOwnRequest && roles.includes('owner') && (await isSolo())
  if (isOwnRequest && !isAlone)
    throw new PolityError(
      'approvals.self',
      `you are among those who ask (${row.requester.join(' > ')}), so somebody else answers`,
    )
  return {
    voter: name,
    vote,
    roles: [...roles],
    ...(delegator === undefined
      ? {}
      : { delegator, delegated: await delegatedBy(ctx, row, delegator, name) }),
    ...(token === undefined ? {} : { token }),
    isSolo: isAlone,
    assurance: 'attributed, unsigned',
    ...(reason === undefined ? {} : { reason }),
    at: ctx.now,
  }
}

/** Of the roles that are asked for, those that the delegator has lent to the voter and that are lent still. */
async function delegatedBy(
  ctx: CommandContext,
  { obligations, escalated }: RequestRow,
  delegator: string,
  voter: string,
): Promise<string[]> {
  const roles = new Set(obligations.flatMap((obligation) => rolesFor(obligation, escalated)))
  const lent: string[] = []
  for (const role of roles) {
    const delegation = (await ctx.get(delegations, delegationKey(delegator, role)))?.value
    if (delegation?.to === voter && delegation.until > ctx.now) lent.push(role)
  }
  return lent
}

/** Throws `approvals.not-yours` for a vote that could count for nothing. */
function requireVoice(row: RequestRow, ballot: Ballot, now: string): void {
  const others = Object.fromEntries(Object.entries(row.ballots).filter(([name]) => name !== ballot.voter))
  const request = { requester: row.requester, ballots: others }
  const hasVoice = row.obligations.some((obligation) => {
    const owed = owedBy(obligation)
    if (owed.kind === 'role')
      return voiceOf(ballot, rolesFor(obligation, row.escalated), request) !== undefined
    return row.committees.some(
      ({ name, members, closesAt }) =>
        owed.kind === 'committee' &&
        name === owed.name &&
        closesAt > now &&
        members.some(({ principal }) => principal === ballot.voter),
    )
  })
  if (!hasVoice)
    throw new PolityError(
      'approvals.not-yours',
      `this needs ${row.obligations.join(' and ')}: you hold no such role, sit in no such committee, and nobody who could vote still has delegated it to you`,
    )
}

/** Drops votes that count no more, and closes the request if nothing is open about it. */
async function settleVotes(ctx: CommandContext, ports: VotingPorts, row: RequestRow): Promise<Answered> {
  const { approval } = row
  const lapsed = await lapsedVoters(ctx, Object.values(row.ballots), ctx.now)
  for (const voter of lapsed)
    ctx.record(ApprovalVoteDropped({ approval, voter, cause: 'revoked' }, about(approval)))
  const ballots = Object.fromEntries(Object.entries(row.ballots).filter(([name]) => !lapsed.includes(name)))
  const { met, owed, refused } = tally({ ...row, ballots }, Date.parse(ctx.now))
  if (refused) {
    const reason = refused.by === undefined ? undefined : ballots[refused.by]?.reason
    ctx.record(
      ApprovalDenied(
        { approval, decision: approval, ...refused, ...(reason === undefined ? {} : { reason }) },
        about(approval),
      ),
    )
    ctx.onCommitted(() => ports.settle(approval))
    return { approval, status: 'denied', owed: [...owed] }
  }
  if (owed.length > 0) return { approval, status: 'pending', owed: [...owed] }
  const shown = met.map(({ obligation, voters }) => ({ obligation, voters: [...voters] }))
  ctx.record(ApprovalGranted({ approval, by: 'votes', met: shown }, about(approval)))
  ctx.onCommitted(() => ports.settle(approval))
  return { approval, status: 'approved', owed: [] }
}

/** The request by those who asked, the vote by whoever cast it. */
async function takeBack(
  ctx: CommandContext,
  ports: VotingPorts,
  { approval, reason }: Pick<VoteInput, 'approval' | 'reason'>,
): Promise<Answered> {
  const row = await openRequest(ctx, ports, approval, 'approved')
  const names = ctx.chain.map(principalName)
  const by = names.at(-1) ?? ''
  if (names.every((name) => row.requester.includes(name))) {
    ctx.record(
      ApprovalWithdrawn({ approval, by, ...(reason === undefined ? {} : { reason }) }, about(approval)),
    )
    ctx.onCommitted(() => ports.settle(approval))
    return { approval, status: 'withdrawn', owed: [] }
  }
  const { name } = requirePerson(ctx)
  if (!Object.hasOwn(row.ballots, name) && !row.glass.some((each) => each.by === name))
    throw new PolityError('approvals.not-yours', 'you have neither asked for this nor voted on it')
  ctx.record(ApprovalVoteDropped({ approval, voter: name, cause: 'withdrawn' }, about(approval)))
  const ballots = Object.fromEntries(Object.entries(row.ballots).filter(([voter]) => voter !== name))
  return settleVotes(ctx, ports, { ...row, ballots })
}

async function giveOpinion(
  ctx: CommandContext,
  ports: VotingPorts,
  { approval, opinion, reason }: { approval: string; opinion: Choice; reason: string },
): Promise<Answered> {
  const row = await openRequest(ctx, ports, approval)
  const by = ctx.chain.map(principalName).at(-1) ?? ''
  if (row.opinions.length >= OPINIONS_MAX && !row.opinions.some((each) => each.by === by))
    throw new PolityError('limit', `one request takes ${OPINIONS_MAX} opinions at most`)
  ctx.record(ApprovalAdvised({ approval, by, opinion, reason }, about(approval)))
  return { approval, status: row.status, owed: [...tally(row, Date.parse(ctx.now)).owed] }
}

/** Both have said why, both are no party to it, and the second one opens it. */
async function breakTheGlass(
  ctx: CommandContext,
  ports: VotingPorts,
  input: { approval: string; reason: string; signature?: GivenSignature | undefined },
): Promise<Answered> {
  const { approval, reason, signature } = input
  const row = await openRequest(ctx, ports, approval)
  const { name, roles, token } = requirePerson(ctx)
  if (row.requester.includes(name))
    throw new PolityError('approvals.self', 'whoever asks does not break the glass for it')
  if (!GLASS_ROLES.some((role) => roles.includes(role)))
    throw new PolityError('approvals.not-yours', `it takes the role ${GLASS_ROLES.join(' or ')}`)
  const verified = await signedBy(
    ctx,
    { name },
    voteStatement(row, name, { vote: 'break-glass', reason }),
    signature,
  )
  const others = row.glass.filter(({ by }) => by !== name)
  const lapsed = await lapsedVoters(ctx, glassVotes({ glass: others }), ctx.now)
  for (const voter of lapsed)
    ctx.record(ApprovalVoteDropped({ approval, voter, cause: 'revoked' }, about(approval)))
  const own = { by: name, reason, ...(token === undefined ? {} : { token }) }
  ctx.record(GlassBroken({ approval, ...own, ...withSignature(verified, signature) }, about(approval)))
  const people = [...others.map(({ by }) => by).filter((by) => !lapsed.includes(by)), name]
  const { owed } = tally(row, Date.parse(ctx.now))
  if (people.length < GLASS_PEOPLE) return { approval, status: 'pending', owed: [...owed] }
  ctx.record(grantedByGlass(row, people))
  ctx.onCommitted(() => ports.settle(approval))
  return { approval, status: 'approved', owed: [] }
}

/** Of those who broke the glass, as votes that may lapse. */
export const glassVotes = ({ glass }: Pick<RequestRow, 'glass'>) =>
  glass.map(({ by, ...each }) => ({ ...each, voter: by }))

export function grantedByGlass(
  { approval, obligations }: Pick<RequestRow, 'approval' | 'obligations'>,
  people: readonly string[],
): Draft {
  const met = obligations.map((obligation) => ({ obligation, voters: [...people] }))
  return ApprovalGranted({ approval, by: 'break-glass', met }, about(approval))
}

async function closeReview(
  ctx: CommandContext,
  { approval, finding, note }: { approval: string; finding: 'justified' | 'unjustified'; note: string },
): Promise<Answered> {
  const row = await anyRequest(ctx, approval)
  if (!isReviewOwed(row))
    throw new PolityError(
      'approvals.closed',
      `no review of ${approval} is owed: see approvals.list --status review`,
    )
  const { name, roles } = requirePerson(ctx)
  if (row.requester.includes(name) || row.glass.some(({ by }) => by === name))
    throw new PolityError('approvals.self', 'whoever asked for it or broke the glass does not review it')
  if (!REVIEW_ROLES.some((role) => roles.includes(role)))
    throw new PolityError('approvals.not-yours', `a review takes the role ${REVIEW_ROLES.join(' or ')}`)
  ctx.record(ApprovalReviewed({ approval, by: name, finding, note }, about(approval)))
  return { approval, status: row.status, owed: [] }
}

async function signedBy(
  ctx: CommandContext,
  { name }: Pick<Person, 'name'>,
  statement: string,
  signature: GivenSignature | undefined,
): Promise<Verified> {
  const keys = (await ctx.get(voterKeys, name))?.value.keys ?? []
  return verifySigned(statement, signature, keys)
}

const withSignature = ({ assurance, counter }: Verified, signature: GivenSignature | undefined) => ({
  assurance,
  ...(signature === undefined ? {} : { signature }),
  ...(counter === undefined ? {} : { counter }),
})

const about = (approval: string) => ({ subject: `approval/${approval}` })
