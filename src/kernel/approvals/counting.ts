// Counts votes: how many people of a role agreed, and how a committee's vote stands. Pure, and blind to the order of votes.

import { owedBy } from './obligations.ts'
import type { Ballot, RequestRow } from './request.ts'
import type { FrozenElectorate } from './shapes.ts'

export type Countable = Pick<RequestRow, 'obligations' | 'requester' | 'committees' | 'escalated' | 'ballots'>

export interface Refusal {
  readonly rule: 'veto' | 'decided' | 'impossible' | 'expired'
  readonly obligation: string
  readonly by?: string
}

export interface Tally {
  readonly met: readonly { readonly obligation: string; readonly voters: readonly string[] }[]
  readonly owed: readonly string[]
  /** No vote that may still come can help any more. */
  readonly refused?: Refusal
}

type Count =
  | { readonly state: 'met'; readonly voters: readonly string[] }
  | { readonly state: 'open' }
  | ({ readonly state: 'refused' } & Omit<Refusal, 'obligation'>)

/** @param nowMs closes the votes of committees whose time is up */
export function tally(request: Countable, nowMs: number): Tally {
  const counted = request.obligations.map((obligation) => ({
    obligation,
    count: countOf(obligation, request, nowMs),
  }))
  const met = counted.flatMap(({ obligation, count }) =>
    count.state === 'met' ? [{ obligation, voters: count.voters }] : [],
  )
  const owed = counted.filter(({ count }) => count.state !== 'met').map(({ obligation }) => obligation)
  const [refused] = counted.flatMap(({ obligation, count }) => {
    if (count.state !== 'refused') return []
    const { state: _, ...refusal } = count
    return [{ ...refusal, obligation }]
  })
  return { met, owed, ...(refused === undefined ? {} : { refused }) }
}

function countOf(obligation: string, request: Countable, nowMs: number): Count {
  const owed = owedBy(obligation)
  if (owed.kind === 'role') return countRole(obligation, owed.count, request)
  const electorate =
    owed.kind === 'committee' ? request.committees.find(({ name }) => name === owed.name) : undefined
  if (electorate === undefined) return { state: 'refused', rule: 'impossible' }
  return countCommittee(electorate, Object.values(request.ballots), nowMs)
}

/** The roles that may meet an obligation: its own, and those to which it was escalated. */
export function rolesFor(obligation: string, escalated: Countable['escalated']): string[] {
  const owed = owedBy(obligation)
  if (owed.kind !== 'role') return []
  return [owed.role, ...escalated.filter((each) => each.obligation === obligation).map(({ role }) => role)]
}

/**
 * Whose voice a ballot is for an obligation of some roles: the voter's own, or that of the one in whose place he votes;
 * undefined where it is nobody's. One voice counts once, and nobody's counts for his own request unless he is alone.
 */
export function voiceOf(
  { voter, roles, delegator, delegated = [], isSolo }: Ballot,
  accepted: readonly string[],
  { requester, ballots }: Pick<Countable, 'requester' | 'ballots'>,
): string | undefined {
  const isOwn = (name: string) => requester.includes(name) && !(isSolo && accepted.includes(ALONE))
  if (isOwn(voter)) return undefined
  if (roles.some((role) => accepted.includes(role))) return voter
  if (delegator === undefined || isOwn(delegator) || Object.hasOwn(ballots, delegator)) return undefined
  return delegated.some((role) => accepted.includes(role)) ? delegator : undefined
}

/** The role whose only holder may agree to his own request. */
export const ALONE = 'owner'

/** Who agrees to an obligation of a role, each in his own name or by whoever votes in his place. */
export const voicesFor = (obligation: string, request: Countable): ReadonlySet<string> =>
  new Set(
    ballotsFor(obligation, request)
      .filter(({ ballot }) => ballot.vote === 'approve')
      .map(({ voice }) => voice),
  )

function ballotsFor(obligation: string, request: Countable) {
  const accepted = rolesFor(obligation, request.escalated)
  return Object.values(request.ballots).flatMap((ballot) => {
    const voice = voiceOf(ballot, accepted, request)
    return voice === undefined ? [] : [{ voice, ballot }]
  })
}

function countRole(obligation: string, count: number, request: Countable): Count {
  const voices = ballotsFor(obligation, request)
  const [against] = voices.filter(({ ballot }) => ballot.vote === 'deny')
  if (against) return { state: 'refused', rule: 'veto', by: against.ballot.voter }
  const agreeing = voices.filter(({ ballot }) => ballot.vote === 'approve')
  if (new Set(agreeing.map(({ voice }) => voice)).size < count) return { state: 'open' }
  return { state: 'met', voters: agreeing.map(({ ballot }) => ballot.voter).sort() }
}

/**
 * A committee agrees when a quorum has voted and, of the weight cast for or against, the threshold and more than half
 * is for it; an abstention counts for the quorum alone. It is closed before its time only when no ballot that is still
 * out could change the result, so that the order of the ballots never does.
 */
export function countCommittee(electorate: FrozenElectorate, all: readonly Ballot[], nowMs: number): Count {
  const { members, quorum, thresholdPercent, veto, closesAt } = electorate
  const ballots = new Map(
    all.filter(({ at }) => Date.parse(at) < Date.parse(closesAt)).map((ballot) => [ballot.voter, ballot]),
  )
  const seated = members.map((member) => ({ ...member, vote: ballots.get(member.principal)?.vote }))
  const against = seated.find(({ principal, vote }) => vote === 'deny' && veto.includes(principal))
  if (against) return { state: 'refused', rule: 'veto', by: against.principal }

  const weightOf = (choice: Ballot['vote'] | undefined) =>
    seated.filter(({ vote }) => vote === choice).reduce((sum, { weight }) => sum + weight, 0)
  const passes = (approving: number, denying: number) =>
    approving > denying && approving * 100 >= thresholdPercent * (approving + denying)
  const [approving, denying, outstanding] = [weightOf('approve'), weightOf('deny'), weightOf(undefined)]
  const isQuorate = seated.filter(({ vote }) => vote !== undefined).length >= quorum
  const voters = seated.filter(({ vote }) => vote === 'approve').map(({ principal }) => principal)
  if (nowMs >= Date.parse(closesAt))
    return isQuorate && passes(approving, denying)
      ? { state: 'met', voters: voters.sort() }
      : { state: 'refused', rule: 'expired' }
  if (members.length < quorum || !passes(approving + outstanding, denying))
    return { state: 'refused', rule: isQuorate ? 'decided' : 'impossible' }
  const isVetoOut = seated.some(({ principal, vote }) => vote === undefined && veto.includes(principal))
  if (isQuorate && !isVetoOut && passes(approving, denying + outstanding))
    return { state: 'met', voters: voters.sort() }
  return { state: 'open' }
}
