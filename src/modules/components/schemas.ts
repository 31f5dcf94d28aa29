// The shapes of the registry: what a component says of itself, how it is checked, and how it is.

import { Closed, Described, Integer, Timestamp, Type } from '../../kernel/schema/schema.ts'

export const TTL_MS = 60_000
export const CHECK_INTERVAL_MS = 30_000
export const CHECK_TIMEOUT_MS = 10_000
export const FAILURES_BEFORE_CRITICAL = 3
export const SUCCESSES_BEFORE_PASSING = 2

/** Lower case, so that no two ids look alike; it stands in paths of the gateway. */
export const ComponentId = Type.String({
  pattern: '^[a-z0-9][a-z0-9._-]*$',
  maxLength: 128,
  description: 'the id of a component: small letters, digits and ._-, starting with a letter or digit',
})
const ComponentName = Type.String({
  pattern: '^[^\\u0000-\\u001f\\u007f]+$',
  maxLength: 128,
  description: 'a name without control characters',
})
export const Kind = Type.String({
  pattern: '^[a-z][a-z0-9-]*$',
  maxLength: 64,
  description: 'a kind such as service: small letters, digits and -, starting with a letter',
})
/** Semantic Versioning 2.0.0. */
export const Semver = Type.String({
  pattern:
    '^(0|[1-9]\\d{0,9})\\.(0|[1-9]\\d{0,9})\\.(0|[1-9]\\d{0,9})(-[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?(\\+[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)*)?$',
  maxLength: 64,
  description: 'a version such as 1.2.3 (semver.org)',
})
export const Capability = Type.String({
  pattern: '^[a-z0-9][a-z0-9._-]*$',
  maxLength: 64,
  description: 'a capability: small letters, digits and ._-, starting with a letter or digit',
})
const ServiceUrl = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'a URL such as http://127.0.0.1:8006/api',
})

const Protocol = Type.Union([Type.Literal('http'), Type.Literal('tcp'), Type.Literal('ws')])
const Endpoint = Closed({ protocol: Protocol, url: ServiceUrl })

const CheckName = Type.String({
  pattern: '^[a-z0-9][a-z0-9._-]*$',
  maxLength: 64,
  description: 'the name of a check: small letters, digits and ._-, starting with a letter or digit',
})
export const Check = Closed({
  name: CheckName,
  kind: Type.Union([Type.Literal('http'), Type.Literal('tcp')]),
  /** `http:` or `https:`; `tcp://host:port` for a connection that only has to come about. */
  url: ServiceUrl,
  intervalMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: 3_600_000 })),
  timeoutMs: Type.Optional(Type.Integer({ minimum: 100, maximum: 60_000 })),
  failuresBeforeCritical: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  successesBeforePassing: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  /** The status that an http check must answer; default: any of 200 to 299. */
  status: Type.Optional(Type.Integer({ minimum: 100, maximum: 599 })),
  /** What the first 64 KiB of the body must contain. */
  contains: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
  /** A certificate that ends sooner is a warning. */
  certificateDaysMin: Type.Optional(Type.Integer({ minimum: 1, maximum: 365 })),
})

const Metadata = Type.Record(
  Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' }),
  Type.String({ maxLength: 512 }),
  { maxProperties: 32, description: 'names and texts' },
)

/** What a component says of itself. All of it is public: no secrets, no personal data. */
export const described = {
  id: ComponentId,
  name: ComponentName,
  kind: Kind,
  version: Semver,
  endpoints: Type.Array(Endpoint, { maxItems: 16 }),
  capabilities: Type.Array(Capability, { maxItems: 32 }),
  metadata: Metadata,
  ttlMs: Type.Integer({ minimum: 5000, maximum: 24 * 3600_000, description: 'how long a lease lasts' }),
  checks: Type.Array(Check, { maxItems: 8 }),
} as const

/** Counts the registrations of one id, whoever made them: a renewal under an older one is refused. */
export const Epoch = Described(Integer, 'the number that the registration answered')

export const HealthWord = Type.Union([
  Type.Literal('passing'),
  Type.Literal('warning'),
  Type.Literal('critical'),
  Type.Literal('lost'),
])

export const CheckState = Type.Union([
  Type.Literal('unknown'),
  Type.Literal('passing'),
  Type.Literal('warning'),
  Type.Literal('critical'),
])

export const CheckReport = Closed({
  name: CheckName,
  state: CheckState,
  note: Type.String(),
  since: Type.Optional(Timestamp),
})

/** Other principals whose components may serve the capabilities of this one beside it. */
export const SharedWith = Type.Array(
  Type.String({
    pattern: '^(user|agent|service|component):[A-Za-z0-9][A-Za-z0-9._@-]*$',
    maxLength: 140,
    description: 'a principal such as component:worker-2',
  }),
  { maxItems: 32, description: 'principals whose components get requests for its capabilities, too' },
)

/** A principal as `kind:id`. */
export const OwnerText = Type.String({ maxLength: 256 })
