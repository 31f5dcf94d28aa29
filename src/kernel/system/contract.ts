// The kernel's own actions and queries: what the hub is doing, and erasing private payloads.

import { command, query } from '../catalog/definition.ts'
import { entryType } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Closed, Integer, Json, Sha256, Timestamp, Type } from '../schema/schema.ts'
import { StageReport } from './stage-report.ts'

const Subject = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'whose private payloads, such as state/NAMESPACE/KEY: the subject of their entries',
})

export const SubjectErased = entryType('vault.subject-erased@1', {
  subject: Subject,
  /** Stored for the subject when it was decided; absent in entries of the first releases. */
  payloads: Type.Optional(Integer),
})

export interface Erasure {
  readonly seq: number
  readonly at: string
  /** The principal chain. */
  readonly by: string
  readonly decision?: string
  readonly payloads?: number
}

/** A subject may be written to again after it was erased, and be erased again. */
const ERASURES_REMEMBERED = 16

/** The last erasures of each subject, oldest first. */
export const erasures = view<{ readonly last: readonly Erasure[] }, typeof SubjectErased>(
  'vault.erasures',
  1,
  {
    from: [SubjectErased],
    keys: ({ data }) => [data.subject],
    fold: (row, { seq, time, actor = '', causationid, data: { payloads } }) => {
      const erasure: Erasure = {
        seq,
        at: time,
        by: actor,
        ...(causationid === undefined ? {} : { decision: causationid }),
        ...(payloads === undefined ? {} : { payloads }),
      }
      return { last: [...(row?.value.last ?? []), erasure].slice(-ERASURES_REMEMBERED) }
    },
  },
)

/** A start of a hub, and what it started with. */
export const Booted = entryType('system.booted@1', {
  release: Type.String(),
  stages: Type.Array(StageReport),
  digests: Closed({
    /** Names, schemas and flags of every action and query. */
    catalog: Sha256,
    /** Of every key that is set, in public form. */
    configuration: Sha256,
    /** Of modules that work by declarations, such as routes; empty where nothing is declared. */
    modules: Type.Record(Type.String({ maxLength: 128 }), Type.String({ maxLength: 256 })),
  }),
  startedAt: Timestamp,
  durationMs: Integer,
})

export const erase = command('vault.erase@1', {
  summary: 'Destroys the private payloads of a subject for ever; the log and its proofs stay valid.',
  input: { subject: Subject },
  /** How many payloads were stored for the subject, and are destroyed. */
  output: Closed({ subject: Subject, payloads: Integer }),
  errors: ['hold.active'],
  recordedErrors: ['hold.active'],
  risk: 'critical',
  conduct: { changes: ['data'], destructive: true, reversible: false },
  isReserved: true,
  effect: 'atomic',
  resource: () => 'vault',
  facts: ['subject'],
  cli: { as: 'erase', positional: ['subject'] },
})

export const status = query('hub.status@1', {
  summary: 'The hub at a glance.',
  input: {},
  output: Closed({
    release: Type.String(),
    realm: Type.String(),
    origin: Type.String(),
    vkey: Type.String(),
    size: Integer,
    checkpoint: Type.String(),
    mode: Type.String(),
    bundle: Sha256,
    startedAt: Timestamp,
    /** On a shared log one hub is the `writer`, and a `follower` hands over to it. */
    role: Type.Union([Type.Literal('alone'), Type.Literal('writer'), Type.Literal('follower')]),
    memoryRssBytes: Integer,
    /** How it started. */
    stages: Type.Array(StageReport),
    actions: Type.Array(Type.String()),
    queries: Type.Array(Type.String()),
  }),
  cli: { as: 'status' },
  http: { path: 'status' },
})

/**
 * Entries carry no audience labels yet, and what has no label is for the owner only: therefore `high`.
 * Whoever may ask this may also follow the live stream and fetch entry bundles and proofs.
 */
export const readLog = query('log.read@1', {
  summary: 'Published entries as they are; private values stay references.',
  input: {
    after: Type.Optional(Type.String({ maxLength: 128, description: 'go on after this cursor' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'how many at most' })),
    type: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'only entries of this type' }),
    ),
    order: Type.Optional(
      Type.Union([Type.Literal('oldest'), Type.Literal('newest')], { description: 'which come first' }),
    ),
  },
  output: Closed({ entries: Type.Array(Json), cursor: Type.Optional(Type.String()) }),
  errors: ['cursor.invalid', 'cursor.ahead'],
  risk: 'high',
  cli: { isHidden: true },
})
