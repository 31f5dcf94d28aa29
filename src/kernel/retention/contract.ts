// Retention: for how long entries stay, what may not go, and what erasing a subject did or would do.

import { command, noun, Page, paging, query } from '../catalog/definition.ts'
import { type Entry, entryType } from '../log/entry.ts'
import { LogPruned } from '../log/pruning.ts'
import { view } from '../log/view.ts'
import { Closed, Integer, Name, Sha256, type Static, Timestamp, Type } from '../schema/schema.ts'

export { LogPruned } from '../log/pruning.ts'

/** Less is refused: six months are what auditors and regulators of logs ask for at least. */
export const RETENTION_DAYS_MIN = 183
const RETENTION_DAYS_MAX = 36_525
/** Holds that stand at a time. */
export const HOLDS_MAX = 1000
/** Holds that stand on one subject at a time. */
export const HOLDS_PER_SUBJECT_MAX = 16

const Subject = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'the subject of entries, such as state/NAMESPACE/KEY',
})
const Reason = Type.String({
  minLength: 1,
  maxLength: 1000,
  description: 'why, in words that everybody may read: it is recorded as it is',
})

export const RetentionSet = entryType('log.retention-set@1', { days: Integer })
export const HoldPlaced = entryType('log.hold-placed@1', {
  name: Name,
  reason: Reason,
  subject: Type.Optional(Subject),
  from: Type.Optional(Integer),
  to: Type.Optional(Integer),
})
export const HoldReleased = entryType('log.hold-released@1', {
  name: Name,
  reason: Reason,
  subject: Type.Optional(Subject),
})

/** `subject`: its entries stay and it cannot be erased. `from` (and `to`, both inclusive): these entries stay. */
export const Hold = noun('Hold', {
  name: Name,
  reason: Reason,
  subject: Type.Optional(Subject),
  from: Type.Optional(Integer),
  to: Type.Optional(Integer),
  placedAt: Timestamp,
  placedBy: Type.String(),
})
export type Hold = Static<typeof Hold>

/** Holds that stand, by name. */
export const holds = view<Hold, typeof HoldPlaced | typeof HoldReleased>('retention.holds', 1, {
  from: [HoldPlaced, HoldReleased],
  keys: ({ data }) => [data.name],
  fold: (_, entry) =>
    entry.type === HoldReleased.name
      ? null
      : {
          ...(entry.data as Static<typeof HoldPlaced.schema>),
          placedAt: entry.time,
          placedBy: entry.actor ?? '',
        },
})

/**
 * Names of the holds on a subject. A row of its own, so that an erasure which read it and a hold that is placed at
 * the same time cannot both go through.
 */
export const heldSubjects = view<
  { readonly holds: readonly string[] },
  typeof HoldPlaced | typeof HoldReleased
>('retention.held-subjects', 1, {
  from: [HoldPlaced, HoldReleased],
  keys: ({ data }) => (data.subject === undefined ? [] : [data.subject]),
  fold: (row, { type, data }) => {
    const others = (row?.value.holds ?? []).filter((name) => name !== data.name)
    if (type === HoldPlaced.name) return { holds: [...others, data.name] }
    return others.length === 0 ? null : { holds: others }
  },
})

export interface RetentionState {
  readonly days: number
  /** Holds that stand. */
  readonly holds: number
  /** As announced; entries below it are gone or on their way. */
  readonly minimumIndex: number
}

export const RETENTION_KEY = 'log'
export const UNSET: RetentionState = { days: RETENTION_DAYS_MIN, holds: 0, minimumIndex: 0 }

type RetentionFact = typeof RetentionSet | typeof HoldPlaced | typeof HoldReleased | typeof LogPruned

/** One row that every change of policy, hold and minimum index moves: an announcement expects it as it was planned with. */
export const retentionState = view<RetentionState, RetentionFact>('retention.state', 1, {
  from: [RetentionSet, HoldPlaced, HoldReleased, LogPruned],
  keys: () => [RETENTION_KEY],
  fold: (row, entry) => nextState(row?.value ?? UNSET, entry),
})

function nextState(state: RetentionState, { type, data }: Entry<object>): RetentionState {
  if (type === RetentionSet.name) return { ...state, ...(data as Static<typeof RetentionSet.schema>) }
  if (type === HoldPlaced.name) return { ...state, holds: state.holds + 1 }
  if (type === HoldReleased.name) return { ...state, holds: state.holds - 1 }
  return { ...state, minimumIndex: (data as Static<typeof LogPruned.schema>).minimumIndex }
}

export const setRetention = command('retention.set@1', {
  summary: 'Sets for how many days entries stay in the log at least.',
  input: {
    days: Type.Integer({
      minimum: 1,
      maximum: RETENTION_DAYS_MAX,
      description: `how many days, at least ${RETENTION_DAYS_MIN}`,
    }),
  },
  output: Closed({ days: Integer }),
  errors: ['retention.too-short'],
  risk: 'critical',
  conduct: { changes: ['policy'], resourceClass: 'log', reversible: true },
  effect: 'atomic',
  resource: () => 'log',
  facts: ['days'],
  cli: { positional: ['days'] },
})

const Span = Closed({
  view: Type.String(),
  digest: Sha256,
  rows: Integer,
})

/** What is published at `/log/retention`. */
export const RetentionNotice = noun('Retention', {
  /** Entries stay at least this long. */
  days: Integer,
  /** C2SP tlog-tiles: entries below it are not served any more. */
  minimumIndex: Integer,
  /** Of the log, as published. */
  size: Integer,
  /** The first entry that is still there. */
  oldest: Type.Optional(Closed({ seq: Integer, time: Timestamp })),
  /** How many legal holds stand; what they hold is for the owner to read. */
  holds: Integer,
  /** The entry that signs the views as the pruned entries left them. */
  snapshot: Type.Optional(Closed({ entry: Integer, minimumIndex: Integer, views: Type.Array(Span) })),
})
export type RetentionNotice = Static<typeof RetentionNotice>

export const showRetention = query('retention.show@1', {
  summary: 'For how long entries stay, and from which one on the log still holds them.',
  input: {},
  output: RetentionNotice,
  http: { path: 'retention' },
})

export const placeHold = command('hold.place@1', {
  summary: 'Places a legal hold: entries stay, and a held subject cannot be erased, until it is released.',
  input: {
    name: Name,
    reason: Reason,
    subject: Type.Optional(Subject),
    from: Type.Optional(Type.Integer({ minimum: 0, description: 'the first entry that stays' })),
    to: Type.Optional(Type.Integer({ minimum: 0, description: 'the last one; default: all that follow' })),
  },
  output: Hold,
  errors: ['hold.exists', 'log.pruned', 'limit'],
  risk: 'critical',
  conduct: { changes: ['policy'], resourceClass: 'log', reversible: true },
  isReserved: true,
  effect: 'atomic',
  resource: () => 'log',
  facts: ['name', 'subject'],
  cli: { positional: ['name'] },
})

export const releaseHold = command('hold.release@1', {
  summary: 'Releases a legal hold.',
  input: { name: Name, reason: Reason },
  output: Hold,
  errors: ['not-found'],
  risk: 'critical',
  conduct: { changes: ['policy'], resourceClass: 'log' },
  effect: 'atomic',
  resource: () => 'log',
  facts: ['name'],
  cli: { positional: ['name'] },
})

export const listHolds = query('hold.list@1', {
  summary: 'The legal holds that stand.',
  input: {
    ...paging(Type.String({ maxLength: 128, description: 'go on after this hold' })),
  },
  output: Page(Hold),
  risk: 'high',
  http: { path: 'holds' },
})

const StoppedBy = Type.Union([
  Type.Literal('age'),
  Type.Literal('hold'),
  Type.Literal('end'),
  Type.Literal('limit'),
])

export const prune = command('log.prune@1', {
  summary: 'Removes entries that are older than the policy and under no hold.',
  input: {},
  output: Closed({
    minimumIndex: Integer,
    /** Entries that went. */
    removed: Integer,
    policyDays: Integer,
    /** Why nothing above went: its age, a hold, the end of the log, or the limit of one run. */
    stoppedBy: StoppedBy,
    /** The entry that must stay because of it. */
    stoppedAt: Integer,
  }),
  errors: ['retention.changed'],
  risk: 'critical',
  conduct: { changes: ['log'], destructive: true, resourceClass: 'log', reversible: false },
  effect: 'idempotent',
  resource: () => 'log',
  cli: { as: 'prune' },
})

const Effect = Type.Union([Type.Literal('allow'), Type.Literal('suspended'), Type.Literal('denied')])
const Verdict = Closed({ effect: Effect, reasons: Type.Array(Type.String()) })

export const replay = query('decision.replay@1', {
  summary: 'Decides again what an entry says was decided, from what was stored and nothing else.',
  input: { seq: Type.Integer({ minimum: 0, description: 'the entry of the decision' }) },
  output: Closed({
    decision: Type.String(),
    action: Type.String(),
    /** As the rules in force would have it if they were enforced. */
    recorded: Verdict,
    replayed: Verdict,
    isSame: Type.Boolean(),
    /** The first thing in which they differ: one of those that `gate.replay` compares. */
    difference: Type.Optional(
      Closed({ what: Type.String(), recorded: Type.String(), replayed: Type.String() }),
    ),
  }),
  errors: ['inputs-erased', 'log.pruned', 'not-found', 'verify.failed'],
  risk: 'high',
  cli: { positional: ['seq'] },
})

const Decision = Type.String({ description: 'id of the decision' })

export const ErasureReport = noun('ErasureReport', {
  subject: Subject,
  /** `erased`: nothing is left to open. `stored`: erasing it would destroy what `payloads` counts. */
  state: Type.Union([Type.Literal('stored'), Type.Literal('erased'), Type.Literal('unknown')]),
  /** Payloads stored now: what erasing the subject would destroy. */
  payloads: Integer,
  /** The last erasures; a subject may be written to again after one. */
  erasures: Type.Array(
    Closed({
      seq: Integer,
      at: Timestamp,
      by: Type.String(),
      decision: Type.Optional(Decision),
      /** Absent in entries of the first releases. */
      payloads: Type.Optional(Integer),
    }),
  ),
  /** They stand now, and refuse an erasure. */
  holds: Type.Array(Hold),
  /** Entries of the subject on this page; what they hold privately reads as erased after an erasure. */
  entries: Type.Array(
    Closed({
      seq: Integer,
      type: Type.String(),
      time: Timestamp,
      decision: Type.Optional(Decision),
      /** Private values it refers to. */
      references: Integer,
    }),
  ),
  /** Decisions whose recorded input holds private values of the subject, on this page. */
  decisions: Type.Array(Closed({ seq: Integer, decision: Decision, action: Type.String() })),
  /** Entries below it were pruned and cannot be named any more. */
  minimumIndex: Integer,
  /** Go on from here; absent on the last page. */
  after: Type.Optional(Integer),
  /** A C2SP tlog-proof of the first entry named here (else of the last erasure): erasing leaves it valid. */
  proof: Type.Optional(Closed({ seq: Integer, text: Type.String() })),
  at: Timestamp,
})
export type ErasureReport = Static<typeof ErasureReport>

export const reportErasure = query('erasure.report@1', {
  summary: 'What erasing a subject destroyed, or would destroy, and what in the log refers to it.',
  input: {
    subject: Subject,
    after: Type.Optional(Type.Integer({ minimum: 0, description: 'go on from this entry' })),
  },
  output: Closed({
    report: ErasureReport,
    /** DSSE over the canonical JSON of the report, by the key of statements that the log's first entry names. */
    envelope: Closed({
      payload: Type.String(),
      payloadType: Type.String(),
      signatures: Type.Array(Closed({ keyid: Type.String(), sig: Type.String() })),
    }),
  }),
  risk: 'high',
  facts: ['subject'],
  cli: { positional: ['subject'] },
})
