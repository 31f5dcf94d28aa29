// How people read what waits for them: what is asked, by whom, what is still needed, and how to answer.

import { type ListColumn, listPresent } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { bare } from './runs.ts'

interface ShownApproval {
  readonly approval: string
  readonly status: string
  readonly action: string
  readonly resource: string
  readonly risk: string
  readonly requester: readonly string[]
  readonly run?: string
  readonly sentence: string
  readonly progress: readonly string[]
  readonly requestedAt: string
  readonly expiresAt: string
  readonly isYours: boolean
  readonly isReviewOwed: boolean
  readonly closed?: { readonly rule: string; readonly by?: string; readonly reason?: string }
  readonly carriedOut?: { readonly decision: string; readonly run?: string }
}

interface WholeApproval extends ShownApproval {
  readonly inputDigest: string
  readonly input?: unknown
  readonly votes: readonly {
    readonly voter: string
    readonly vote: string
    readonly delegator?: string
    readonly assurance: string
    readonly isSolo: boolean
    readonly reason?: string
  }[]
  readonly opinions: readonly { readonly by: string; readonly opinion: string; readonly reason: string }[]
  readonly glass: readonly { readonly by: string; readonly reason: string }[]
  readonly review?: { readonly by: string; readonly finding: string; readonly note: string }
  readonly statements: Readonly<Record<string, string>>
}

const COLUMNS: readonly ListColumn<ShownApproval>[] = [
  { title: 'approval', isWhole: true, cell: ({ approval }) => approval },
  { title: 'status', isWhole: true, cell: ({ status }) => status },
  { title: 'action', isWrapped: true, cell: ({ action }) => bare(action) },
  { title: 'needs', isWrapped: true, cell: ({ progress }) => progress.join(', ') },
  { title: 'who asks', isWrapped: true, cell: ({ requester }) => requester.join(' > ') },
  { title: 'ends', isWhole: true, isTime: true, cell: ({ expiresAt }) => expiresAt },
]

export const approvalLines: Present = listPresent(COLUMNS)

const APPROVE = (approval: string) => `to agree: polity approvals approve ${approval}`
const DENY = (approval: string) => `to refuse: polity approvals deny ${approval} --reason "..."`

export function approvalRemarks(page: unknown): string[] {
  const { items } = page as { readonly items: readonly ShownApproval[] }
  const [first] = items.filter(({ isYours }) => isYours)
  const reviews = items.filter(({ isReviewOwed }) => isReviewOwed)
  return [
    ...(first === undefined ? [] : [APPROVE(first.approval), DENY(first.approval)]),
    ...reviews.map(
      ({ approval }) => `a review is owed: polity approvals review ${approval} justified --note "..."`,
    ),
  ]
}

export const approvalReport: Present = (output, { width }) => {
  const shown = output as WholeApproval
  const { approval, status, action, resource, risk, requester, sentence, progress } = shown
  const { closed, carriedOut, input, votes, opinions, glass, review, run } = shown
  return recordLines(
    {
      approval,
      status,
      action,
      resource,
      risk,
      'who asks': requester.join(' > '),
      ...(run === undefined ? {} : { 'for the run': run }),
      why: sentence,
      needs: progress.join(', '),
      ...(input === undefined ? {} : { input }),
      'input digest': shown.inputDigest,
      asked: shown.requestedAt,
      ends: shown.expiresAt,
      ...(votes.length === 0 ? {} : { votes: votes.map(voteText) }),
      ...(opinions.length === 0
        ? {}
        : { opinions: opinions.map(({ by, opinion, reason }) => `${by}: ${opinion}, ${reason}`) }),
      ...(glass.length === 0 ? {} : { 'glass broken': glass.map(({ by, reason }) => `${by}: ${reason}`) }),
      ...(closed === undefined ? {} : { ended: closingText(closed) }),
      ...(carriedOut === undefined ? {} : { 'carried out': carriedOut.run ?? carriedOut.decision }),
      ...(review === undefined ? {} : { review: `${review.finding}, by ${review.by}: ${review.note}` }),
    },
    width,
  )
}

const voteText = ({ voter, vote, delegator, assurance, isSolo, reason }: WholeApproval['votes'][number]) =>
  [
    `${voter}: ${vote}`,
    ...(delegator === undefined ? [] : [`in the place of ${delegator}`]),
    ...(isSolo ? ['solo'] : []),
    ...(isSolo && assurance !== 'signed' ? [] : [assurance]),
    ...(reason === undefined ? [] : [reason]),
  ].join(', ')

const closingText = ({ rule, by, reason }: NonNullable<ShownApproval['closed']>) =>
  [rule, ...(by === undefined ? [] : [`by ${by}`]), ...(reason === undefined ? [] : [reason])].join(', ')

export function approvalReportRemarks(output: unknown): string[] {
  const { approval, isYours, isReviewOwed } = output as WholeApproval
  if (isReviewOwed) return approvalRemarks({ items: [output] })
  return isYours ? [APPROVE(approval), DENY(approval)] : []
}

export function answeredRemarks(output: unknown): string[] {
  const { approval, status, owed } = output as {
    readonly approval: string
    readonly status: string
    readonly owed: readonly string[]
  }
  if (status === 'approved') return [`the hub carries it out: polity approvals show ${approval}`]
  return owed.length === 0 ? [] : [`it still needs ${owed.join(' and ')}`]
}

/** One of two has done so. */
export function brokenRemarks(output: unknown): string[] {
  const { approval, status } = output as { readonly approval: string; readonly status: string }
  if (status !== 'pending') return answeredRemarks(output)
  return [`it takes a second person: polity approvals break-glass ${approval} --reason "..."`]
}

interface ShownCommittee {
  readonly name: string
  readonly members: readonly { readonly principal: string; readonly weight: number }[]
  readonly quorum: number
  readonly thresholdPercent: number
  readonly veto: readonly string[]
  readonly votingHours: number
}

export const committeeLines: Present = listPresent<ShownCommittee>([
  { title: 'committee', isWhole: true, cell: ({ name }) => name },
  { title: 'quorum', isNumeric: true, cell: ({ quorum }) => quorum },
  { title: 'threshold', isNumeric: true, cell: ({ thresholdPercent }) => `${thresholdPercent} %` },
  { title: 'hours', isNumeric: true, cell: ({ votingHours }) => votingHours },
  {
    title: 'members',
    isWrapped: true,
    cell: ({ members }) => members.map(({ principal, weight }) => `${principal} (${weight})`).join(', '),
  },
  { title: 'veto', isOptional: true, cell: ({ veto }) => veto.join(', ') },
])

export const delegationLines: Present = listPresent<
  Readonly<Record<'role' | 'from' | 'to' | 'until', string>>
>([
  { title: 'role', isWhole: true, cell: ({ role }) => role },
  { title: 'of', cell: ({ from }) => from },
  { title: 'to', cell: ({ to }) => to },
  { title: 'until', isWhole: true, isTime: true, cell: ({ until }) => until },
])

interface ShownEscalation {
  readonly of: string
  readonly remindAfterMinutes?: number
  readonly escalateAfterMinutes?: number
  readonly escalateTo?: string
}

export const escalationLines: Present = listPresent<ShownEscalation>([
  { title: 'of', isWhole: true, cell: ({ of }) => of },
  { title: 'reminded after', isNumeric: true, cell: ({ remindAfterMinutes: each }) => each && `${each} min` },
  {
    title: 'passed on after',
    isNumeric: true,
    cell: ({ escalateAfterMinutes: each }) => each && `${each} min`,
  },
  { title: 'to', cell: ({ escalateTo }) => escalateTo },
])

interface ShownKey {
  readonly key: string
  readonly kind: string
  readonly registeredAt: string
}

export const voterKeyLines: Present = listPresent<ShownKey>([
  { title: 'key', isWhole: true, cell: ({ key }) => key },
  { title: 'kind', isWhole: true, cell: ({ kind }) => kind },
  { title: 'registered', isTime: true, cell: ({ registeredAt }) => registeredAt },
])

interface ShownStanding {
  readonly standing: string
  readonly action: string
  readonly resource: string
  readonly requester: string
  readonly obligations: readonly string[]
  readonly expiresAt: string
  readonly uses: number
  readonly usesMax?: number
  readonly revokedAt?: string
}

export const standingLines: Present = listPresent<ShownStanding>([
  { title: 'standing', isWhole: true, cell: ({ standing }) => standing },
  { title: 'action', isWrapped: true, cell: ({ action }) => action },
  { title: 'resource', isWrapped: true, cell: ({ resource }) => resource },
  { title: 'requester', isWrapped: true, cell: ({ requester }) => requester },
  { title: 'meets', isWrapped: true, cell: ({ obligations }) => obligations.join(', ') },
  {
    title: 'uses',
    isNumeric: true,
    cell: ({ uses, usesMax }) => (usesMax === undefined ? uses : `${uses} of ${usesMax}`),
  },
  {
    title: 'until',
    isWhole: true,
    isTime: true,
    cell: ({ expiresAt, revokedAt }) => revokedAt ?? expiresAt,
  },
])
