// What others may know of counterparts: services outside that a repository analysis is carried to, each with a fallback.

import { command, noun, Page, paging, query } from '../../kernel/catalog/definition.ts'
import { face } from '../../kernel/catalog/face.ts'
import { entryType } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import {
  Closed,
  Integer,
  Json,
  Private,
  Sha256,
  type Static,
  Timestamp,
  Type,
} from '../../kernel/schema/schema.ts'
import type { DegradationLevel } from '../../kit/degradation.ts'

export const REPOSITORIES_MAX = 256

const Service = Type.Union(
  [
    Type.Literal('shadowscrolls'),
    Type.Literal('legio_cognito'),
    Type.Literal('swarm_engine'),
    Type.Literal('triumvirate_monitor'),
  ],
  { description: 'a service outside' },
)
export type ServiceName = Static<typeof Service>

const Level = Type.Union([
  Type.Literal('none'),
  Type.Literal('partial'),
  Type.Literal('severe'),
  Type.Literal('critical'),
])
const Code = Type.String({ maxLength: 64 })
const Operation = Type.String({ maxLength: 64 })
const Key = Type.String({ maxLength: 200 })

/**
 * `remote`: the service has it. `fallback`: it did not answer, and the work was done here. `local`: no such service is
 * configured, and the work was done here. `lost`: it was not done.
 */
const Outcome = Type.Union([
  Type.Literal('remote'),
  Type.Literal('fallback'),
  Type.Literal('local'),
  Type.Literal('lost'),
])
const Part = Closed({
  outcome: Outcome,
  /** What the work is called where it was done: an attestation, a scroll, a file. */
  reference: Type.Optional(Type.String({ maxLength: 512 })),
  /** Why the service was not the one that did it. */
  code: Type.Optional(Code),
  /** Kept, and delivered when the service answers again. */
  isKept: Type.Boolean(),
})

const parts = { attestation: Part, archive: Part, dashboard: Part, swarm: Part }
const degradation = {
  degradationLevel: Level,
  degradationFormula: Type.String({ maxLength: 64 }),
  degradationReason: Type.String({ maxLength: 512 }),
}
const Average = Type.Union([Type.Number(), Type.Null()])

/** The end of the flow from analysis to attestation, archive, dashboard and swarm. */
export const MirrorAnalysisCompleted = entryType('mirror.analysis.completed@1', {
  analysis: Closed({
    analysisId: Type.String(),
    /** SHA-256 of the canonical JSON of the whole analysis document. */
    digest: Sha256,
    analyzed: Integer,
    failed: Integer,
    averageHealth: Average,
    statements: Type.Array(Type.String()),
  }),
  ...parts,
  ...degradation,
})

export const RequestKept = entryType('counterparts.request-kept@1', {
  service: Service,
  operation: Operation,
  key: Key,
  code: Code,
})
export const RequestsForwarded = entryType('counterparts.requests-forwarded@1', {
  service: Service,
  /** In the order in which they arrived. */
  keys: Type.Array(Key),
})
export const RequestRefused = entryType('counterparts.request-refused@1', {
  service: Service,
  operation: Operation,
  key: Key,
  status: Integer,
})

/** By somebody who has looked at what was set aside. */
export const RequestsRetried = entryType('counterparts.requests-retried@1', {
  service: Service,
  keys: Type.Array(Key),
})
export const RequestsDropped = entryType('counterparts.requests-dropped@1', {
  service: Service,
  keys: Type.Array(Key),
})

export interface ServiceCounts {
  readonly kept: number
  readonly forwarded: number
  readonly refused: number
}

const NONE: ServiceCounts = { kept: 0, forwarded: 0, refused: 0 }

/** What was kept for each service, and what became of it. */
export const serviceCounts = view<
  ServiceCounts,
  typeof RequestKept | typeof RequestsForwarded | typeof RequestRefused
>('counterparts.service-counts', 1, {
  from: [RequestKept, RequestsForwarded, RequestRefused],
  keys: ({ data }) => [data.service],
  fold: (row, { type, data }) => {
    const { kept, forwarded, refused } = row?.value ?? NONE
    switch (type) {
      case RequestKept.name:
        return { kept: kept + 1, forwarded, refused }
      case RequestRefused.name:
        return { kept, forwarded, refused: refused + 1 }
      default:
        return { kept, forwarded: forwarded + ('keys' in data ? data.keys.length : 0), refused }
    }
  },
})

export interface AsideCounts {
  readonly retried: number
  readonly dropped: number
}

/** What people did with what was set aside. Of its own, as a log that was pruned folds no new version of the other. */
export const asideCounts = view<AsideCounts, typeof RequestsRetried | typeof RequestsDropped>(
  'counterparts.aside-counts',
  1,
  {
    from: [RequestsRetried, RequestsDropped],
    keys: ({ data }) => [data.service],
    fold(row, { type, data }) {
      const { retried, dropped } = row?.value ?? { retried: 0, dropped: 0 }
      const count = data.keys.length
      return type === RequestsRetried.name
        ? { retried: retried + count, dropped }
        : { retried, dropped: dropped + count }
    },
  },
)

/** The five parts that a full analysis consists of, and how much of them was lost. */
export const FlowResult = noun('counterparts.flow', {
  analysis: Private(Json),
  ...parts,
  ...degradation,
})

export const analyze = command('counterparts.analyze@1', {
  summary: 'Analyses git repositories and carries the result to attestation, archive, dashboard and swarm.',
  input: {
    paths: Private(
      Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
        minItems: 1,
        maxItems: REPOSITORIES_MAX,
        description: 'git repositories on the machine of the hub, or folders in them',
      }),
    ),
    asOf: Type.Optional(Timestamp),
  },
  output: FlowResult,
  errors: ['mirror.too-many', 'mirror.git-missing'],
  risk: 'medium',
  conduct: { data: ['internal'], isExternal: true },
  effect: 'idempotent',
  cli: { positional: ['paths'] },
})

export const sync = command('counterparts.sync@1', {
  summary: 'Delivers now what is kept for a service.',
  input: { service: Service },
  output: Closed({ service: Type.String(), forwarded: Integer, waiting: Integer }),
  errors: ['not-found'],
  risk: 'medium',
  conduct: { data: ['internal'], isExternal: true },
  effect: 'idempotent',
  facts: [],
  cli: { positional: ['service'] },
})

/** Named at a time: so many fit into the entry of the decision, and into one that tells of them. */
const ASIDE_NAMED_MAX = 100
/** Fewer than elsewhere: each stands in a row with its body. */
export const ASIDE_PAGE_SIZE = 50

const AsideKey = Type.String({ pattern: '^[A-Za-z0-9_./:-]{1,200}$', description: 'key of a request' })
const AsideKeys = Type.Array(AsideKey, {
  minItems: 1,
  maxItems: ASIDE_NAMED_MAX,
  description: 'keys of requests',
})
const Settled = Closed({
  service: Type.String(),
  count: Integer,
  /** Where none was named: whether that were all. Otherwise there was no room for more in one commit, or what it would deliver waits already. */
  isAll: Type.Optional(Type.Boolean()),
})

export const aside = query('counterparts.aside@1', {
  summary: 'What a service did not take and was set aside for a person, without its content; for 30 days.',
  input: {
    service: Service,
    ...paging(AsideKey, { size: ASIDE_PAGE_SIZE, sizeMax: ASIDE_NAMED_MAX }),
  },
  output: Page(
    Closed({
      service: Type.String(),
      key: Type.String(),
      operation: Type.String(),
      /** Of its last answer: in the 2xx it was one that nobody could read. */
      status: Integer,
      keptAt: Type.String(),
      /** Why it was kept. */
      code: Type.String(),
      asideAt: Type.Optional(Timestamp),
      /** When it was last let be delivered again. */
      retriedAt: Type.Optional(Timestamp),
      /** Of its body. */
      sizeBytes: Integer,
    }),
  ),
  risk: 'medium',
  facts: [],
  cli: { positional: ['service'] },
  http: { path: 'counterparts/{service}/aside' },
})

export const retry = command('counterparts.retry@1', {
  summary: 'Puts back what a service did not take, to be delivered under its key; all when none is named.',
  input: { service: Service, keys: Type.Optional(AsideKeys) },
  output: Settled,
  errors: ['not-found', 'counterpart.waiting', 'limit'],
  risk: 'medium',
  conduct: { data: ['internal'], isExternal: true },
  effect: 'atomic',
  facts: [],
  cli: { positional: ['service', 'keys'] },
})

export const drop = command('counterparts.drop@1', {
  summary: 'Forgets what a service did not take.',
  input: {
    service: Service,
    keys: Type.Optional(AsideKeys),
    isAll: Type.Optional(
      Type.Boolean({ description: 'everything of it that is set aside; no key is named' }),
    ),
  },
  output: Settled,
  errors: ['not-found', 'input.invalid'],
  risk: 'medium',
  conduct: { changes: ['data'], destructive: true, reversible: false },
  effect: 'atomic',
  facts: [],
  cli: { positional: ['service', 'keys'] },
})

const ServiceStatus = Closed({
  service: Type.String(),
  priority: Type.Union([
    Type.Literal('critical'),
    Type.Literal('high'),
    Type.Literal('medium'),
    Type.Literal('low'),
  ]),
  /** `unhealthy`: it does not answer, and its fallback did not work either. */
  status: Type.Union([Type.Literal('healthy'), Type.Literal('degraded'), Type.Literal('unhealthy')]),
  breaker: Type.Union([Type.Literal('closed'), Type.Literal('open'), Type.Literal('half-open')]),
  probe: Type.Union([Type.Literal('healthy'), Type.Literal('unhealthy'), Type.Literal('unknown')]),
  probedAt: Type.Optional(Timestamp),
  lastSuccessAt: Type.Optional(Timestamp),
  /** Code of the last failure. */
  lastError: Type.Optional(Code),
  isFallbackInUse: Type.Boolean(),
  waiting: Integer,
  /** What stands aside for a person now; 1000: so many, or more. */
  aside: Integer,
  /** Ever. */
  kept: Integer,
  forwarded: Integer,
  refused: Integer,
  retried: Integer,
  dropped: Integer,
})

export const status = query('counterparts.status@1', {
  summary: 'How the services outside are, what is kept for them, and how much is degraded.',
  input: {},
  output: Closed({ ...degradation, services: Type.Array(ServiceStatus) }),
  http: { path: 'counterparts' },
})

/** What `/health/integrations` shows; whoever shows it decides to whom. */
export interface Integrations {
  report(): Promise<IntegrationReport>
}

export interface IntegrationReport {
  readonly degradationLevel: DegradationLevel
  readonly services: readonly {
    readonly service: string
    readonly status: 'healthy' | 'degraded' | 'unhealthy'
    readonly priority: string
    readonly lastError?: string
    readonly lastSuccessAt?: string
    readonly waiting: number
  }[]
}

export const integrations = face<Integrations>('counterparts.integrations')
