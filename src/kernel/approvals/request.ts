// One request for approval as a view: everything that was said about it, folded from its entries.

import type { Entry, PublicData } from '../log/entry.ts'
import { view } from '../log/view.ts'
import {
  ApprovalAdvised,
  ApprovalConsumed,
  ApprovalDenied,
  ApprovalEscalated,
  ApprovalExpired,
  ApprovalGranted,
  ApprovalReminded,
  ApprovalRequested,
  ApprovalReviewed,
  ApprovalSuperseded,
  ApprovalVoided,
  ApprovalVoteDropped,
  ApprovalVoted,
  ApprovalWithdrawn,
  GlassBroken,
} from './entries.ts'
import type { Choice } from './shapes.ts'

/** `pending` and `approved` are open; every other one is final. */
export type RequestStatus =
  | 'pending'
  | 'approved'
  | 'carried-out'
  | 'denied'
  | 'expired'
  | 'withdrawn'
  | 'superseded'
  | 'void'

export interface Ballot {
  readonly voter: string
  readonly vote: Choice
  readonly roles: readonly string[]
  readonly delegator?: string
  readonly delegated?: readonly string[]
  readonly token?: string
  /** Id of the key that signed it. */
  readonly key?: string
  readonly isSolo: boolean
  readonly assurance: PublicData<typeof ApprovalVoted>['assurance']
  readonly reason?: string
  /** RFC 3339. */
  readonly at: string
}

interface Remark {
  readonly by: string
  readonly at: string
}

/** How it ended, in the order in which people ask: which rule, who, why. */
export interface Closing {
  readonly at: string
  readonly rule: string
  readonly by?: string
  readonly reason?: string
  readonly obligation?: string
}

export interface RequestRow extends PublicData<typeof ApprovalRequested> {
  readonly status: RequestStatus
  readonly requestedAt: string
  /** By voter: the vote that counts. */
  readonly ballots: Readonly<Record<string, Ballot>>
  /** By voter: how often he has voted or broken the glass, so that no signature serves twice. */
  readonly cast: Readonly<Record<string, number>>
  readonly escalated: readonly { readonly obligation: string; readonly role: string }[]
  /** By obligation. */
  readonly reminders: Readonly<Record<string, number>>
  readonly opinions: readonly (Remark & { readonly opinion: Choice; readonly reason: string })[]
  readonly glass: readonly (Remark & {
    readonly reason: string
    readonly token?: string
    readonly key?: string
  })[]
  readonly review?: Remark & { readonly finding: string; readonly note: string }
  readonly granted?: Omit<PublicData<typeof ApprovalGranted>, 'approval'> & { readonly at: string }
  readonly closed?: Closing
  readonly carriedOut?: { readonly at: string; readonly decision: string; readonly run?: string }
}

const ABOUT_ONE = [
  ApprovalRequested,
  ApprovalVoted,
  ApprovalVoteDropped,
  ApprovalGranted,
  ApprovalDenied,
  ApprovalExpired,
  ApprovalWithdrawn,
  ApprovalSuperseded,
  ApprovalConsumed,
  ApprovalVoided,
  ApprovalReminded,
  ApprovalEscalated,
  ApprovalAdvised,
  GlassBroken,
  ApprovalReviewed,
] as const

type AboutOne = (typeof ABOUT_ONE)[number]
type Told = Omit<Entry<PublicData<AboutOne>>, 'seq'>

/** A consumed standing approval is about no request. */
const keysOf = ({ data: { approval } }: Pick<Told, 'data'>): string[] =>
  approval === undefined ? [] : [approval]

export const approvalRequests = view<RequestRow, AboutOne>('approvals.requests', 2, {
  from: ABOUT_ONE,
  keys: keysOf,
  fold: (row, entry) => foldRequest(row?.value, entry),
})

/** Those that still wait, so that nobody has to look at all the others; and those whose review does. */
export const openApprovals = view<RequestRow, AboutOne>('approvals.open', 2, {
  from: ABOUT_ONE,
  keys: keysOf,
  fold(row, entry) {
    const next = foldRequest(row?.value, entry)
    return next !== null && (isOpen(next) || isReviewOwed(next)) ? next : null
  },
})

export const isOpen = ({ status }: Pick<RequestRow, 'status'>): boolean =>
  status === 'pending' || status === 'approved'

const ACTED_ON: readonly RequestStatus[] = ['approved', 'carried-out', 'void']

export const isReviewOwed = ({ granted, review, status }: RequestRow): boolean =>
  granted?.by === 'break-glass' && review === undefined && ACTED_ON.includes(status)

function foldRequest(row: RequestRow | undefined, entry: Told): RequestRow | null {
  if (entry.type === ApprovalRequested.name)
    return requested(entry.data as PublicData<typeof ApprovalRequested>, entry.time)
  // What is about a request whose beginning was never seen is about none that counts.
  return row === undefined ? null : { ...row, ...changeOf(row, entry) }
}

const requested = (data: PublicData<typeof ApprovalRequested>, time: string): RequestRow => ({
  ...data,
  status: 'pending',
  requestedAt: time,
  ballots: {},
  cast: {},
  escalated: [],
  reminders: {},
  opinions: [],
  glass: [],
})

type ChangeOf<E extends AboutOne> = (
  row: RequestRow,
  data: PublicData<E>,
  time: string,
) => Partial<RequestRow>

const on = <E extends AboutOne>(type: E, change: ChangeOf<E>): [string, ChangeOf<AboutOne>] => [
  type.name,
  change as ChangeOf<AboutOne>,
]

const CHANGES: ReadonlyMap<string, ChangeOf<AboutOne>> = new Map([
  on(ApprovalVoted, (row, { approval: _, signature, counter: __, ...ballot }, at) => ({
    ballots: { ...row.ballots, [ballot.voter]: { ...ballot, ...signedWith(signature), at } },
    cast: { ...row.cast, [ballot.voter]: (row.cast[ballot.voter] ?? 0) + 1 },
  })),
  on(ApprovalVoteDropped, (row, { voter }) => ({
    ...pendingAgain(row),
    ballots: Object.fromEntries(Object.entries(row.ballots).filter(([name]) => name !== voter)),
    glass: row.glass.filter(({ by }) => by !== voter),
  })),
  on(ApprovalGranted, (_, { approval: __, ...granted }, at) => ({
    status: 'approved',
    granted: { ...granted, at },
  })),
  on(ApprovalDenied, (_, { rule, obligation, by, reason }, at) =>
    closed('denied', { at, rule, obligation, ...told({ by, reason }) }),
  ),
  on(ApprovalExpired, (_, __, at) => closed('expired', { at, rule: 'expired' })),
  on(ApprovalWithdrawn, (_, { by, reason }, at) =>
    closed('withdrawn', { at, rule: 'withdrawn', ...told({ by, reason }) }),
  ),
  on(ApprovalSuperseded, (_, { inForce }, at) =>
    closed('superseded', { at, rule: 'superseded', reason: `other rules are in force: ${inForce}` }),
  ),
  on(ApprovalConsumed, (_, { decision, run }, at) => ({
    status: 'carried-out',
    carriedOut: { at, decision, ...(run === undefined ? {} : { run }) },
  })),
  on(ApprovalVoided, (_, { code, message }, at) => closed('void', { at, rule: code, reason: message })),
  on(ApprovalReminded, ({ reminders }, { obligation }) => ({
    reminders: { ...reminders, [obligation]: (reminders[obligation] ?? 0) + 1 },
  })),
  on(ApprovalEscalated, ({ escalated }, { obligation, to }) => ({
    escalated: [...escalated, { obligation, role: to }],
  })),
  on(ApprovalAdvised, ({ opinions }, { by, opinion, reason }, at) => ({
    opinions: [...opinions.filter((each) => each.by !== by), { by, opinion, reason, at }],
  })),
  on(GlassBroken, ({ glass, cast }, { by, reason, token, signature }, at) => ({
    cast: { ...cast, [by]: (cast[by] ?? 0) + 1 },
    glass: [
      ...glass.filter((each) => each.by !== by),
      { by, reason, at, ...(token === undefined ? {} : { token }), ...signedWith(signature) },
    ],
  })),
  on(ApprovalReviewed, (_, { by, finding, note }, at) => ({ review: { by, finding, note, at } })),
])

const changeOf = (row: RequestRow, { type, data, time }: Told): Partial<RequestRow> =>
  CHANGES.get(type)?.(row, data as never, time) ?? {}

const closed = (status: RequestStatus, closing: Closing): Partial<RequestRow> => ({ status, closed: closing })

const signedWith = (signature: { readonly key: string } | undefined): { readonly key?: string } =>
  signature === undefined ? {} : { key: signature.key }

/** A vote that no longer counts takes back what rested on it. */
function pendingAgain(row: RequestRow): Partial<RequestRow> {
  return row.status === 'approved' ? { status: 'pending' } : {}
}

const told = (texts: Readonly<Record<'by' | 'reason', string | undefined>>): Pick<Closing, 'by' | 'reason'> =>
  Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined))
