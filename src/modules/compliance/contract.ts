// What others may know of compliance: the report of a period, its publication, and how changes were delivered.

import { command, noun, query } from '../../kernel/catalog/definition.ts'
import { entryType } from '../../kernel/log/entry.ts'
import { Closed, Integer, Sha256, type Static, Timestamp, Type } from '../../kernel/schema/schema.ts'

const Text = Type.String()
const Count = Integer
const period = { from: Timestamp, to: Timestamp }

/** Actions that count as changes unless others are named: areas, or names of actions. */
export const CHANGES: readonly string[] = [
  'config.propose',
  'config.roll-back',
  'gate.load',
  'gate.mode',
  'gate.roll-back',
  'mesh.propose-routes',
  'mesh.roll-back-routes',
  'procedures.start',
]
const CHANGES_MAX = 64

const Tally = Type.Array(Closed({ name: Text, count: Count }))
export const Severity = Type.Union([
  Type.Literal('critical'),
  Type.Literal('binding'),
  Type.Literal('advisory'),
  Type.Literal('unrated'),
])
export type Severity = Static<typeof Severity>

/** Counts are requests: an entry that stands for several equal denials counts as often. */
export const ComplianceReport = noun('ComplianceReport', {
  period: Closed(period),
  log: Closed({ origin: Text, size: Integer }),
  /** Entries of the period that were looked at. */
  entries: Count,
  decisions: Closed({
    total: Count,
    allowed: Count,
    suspended: Count,
    denied: Count,
    /** Let be by a lenient mode, against what the rules say. */
    letPass: Count,
    /** Passed only because there is a single approver. */
    solo: Count,
    byRisk: Tally,
    byMode: Tally,
  }),
  /** Entries by type: what was asked, answered and used up. */
  approvals: Tally,
  outcomes: Closed({ done: Count, failed: Count, unknown: Count, cancelled: Count }),
  /** Requests that a rule stopped or would have stopped, each under the gravest of its rules. */
  violations: Type.Array(Closed({ severity: Severity, count: Count, policies: Tally })),
  /** Who was stopped most often, gravest first. */
  topViolators: Type.Array(Closed({ actor: Text, count: Count, critical: Count, binding: Count })),
  /** Which part of this answers which paragraph, and what it does not answer. */
  mapping: Type.Array(
    Closed({
      article: Text,
      asks: Text,
      answeredBy: Type.Array(Text),
      evidence: Count,
      notCovered: Type.Array(Text),
    }),
  ),
})
export type ComplianceReport = Static<typeof ComplianceReport>

export const report = query('compliance.report@1', {
  summary: 'What was decided, approved and done in a period, and who broke which rules.',
  input: { from: Type.Optional(Timestamp), to: Type.Optional(Timestamp) },
  output: ComplianceReport,
  errors: ['limit'],
  risk: 'high',
})

/** The report itself is a scroll in the archive. */
export const ReportPublished = entryType('compliance.report-published@1', {
  ...period,
  /** Of the report's canonical JSON (RFC 8785). */
  digest: Sha256,
  scroll: Text,
  version: Integer,
})

export const publish = command('compliance.publish@1', {
  summary: 'Keeps the report of the last days as a scroll in the archive, and its digest in the log.',
  input: {
    days: Type.Integer({ minimum: 1, maximum: 366, description: 'how many days up to now' }),
  },
  output: Closed({ ...period, digest: Sha256, scroll: Text, version: Integer }),
  errors: ['limit'],
  risk: 'medium',
  effect: 'idempotent',
  facts: ['days'],
  cli: { positional: ['days'] },
})

/** A figure, and from how many cases it comes; without any it is not there. */
const Duration = Closed({ cases: Count, medianMs: Type.Optional(Integer), p90Ms: Type.Optional(Integer) })

export const Delivery = noun('Delivery', {
  period: Closed(period),
  /** What counted as a change. */
  changes: Type.Array(Text),
  /** Changes that came to an end. */
  ended: Count,
  succeeded: Count,
  /** `failed`, of unknown outcome, or rolled back afterwards. */
  failed: Count,
  /** Failed of ended, in thousandths; absent where no change ended. */
  failureRate: Type.Optional(Integer),
  /** From the first asking (waiting for approval included) to success. */
  leadTime: Duration,
  /** From a failure to the next success on the same resource. */
  timeToRestore: Duration,
  /** Failures after which nothing succeeded on their resource yet. */
  unrestored: Count,
})
export type Delivery = Static<typeof Delivery>

export const delivery = query('compliance.delivery@1', {
  summary: 'Lead time, change-failure rate and time to restore, from the log.',
  input: {
    from: Type.Optional(Timestamp),
    to: Type.Optional(Timestamp),
    changes: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
        maxItems: CHANGES_MAX,
        description: `actions or areas that count as changes; default: ${CHANGES.join(', ')}`,
      }),
    ),
  },
  output: Delivery,
  errors: ['limit'],
  cli: { as: 'report' },
})
