// The words of webhooks: what an endpoint is to be sent and how, and how a source proves who it is.

import { Closed, Described, Integer, Private, Secret, Timestamp, Type } from '../../kernel/schema/schema.ts'
import { Audience, PrincipalLabel, TypePattern } from '../mesh/contract.ts'

const PATTERNS_MAX = 32
const FILTER_MAX_CHARS = 4096

export const EndpointId = Type.String({ pattern: '^[0-9a-f-]{36}$', description: 'the id of an endpoint' })
export const Url = Type.String({
  pattern: '^https?://',
  maxLength: 2048,
  description: 'an http or https URL',
})
export const Patterns = Type.Array(TypePattern, {
  minItems: 1,
  maxItems: PATTERNS_MAX,
  description: 'patterns of event types such as order.* or health.**',
})
export const Filter = Type.String({
  minLength: 1,
  maxLength: FILTER_MAX_CHARS,
  description: 'a CESQL expression over the attributes of the event',
})
/** Standard Webhooks' own payload, or a CloudEvent in one piece, or with its attributes as headers. Signed alike. */
export const Mode = Described(
  Type.Union([Type.Literal('standard'), Type.Literal('structured'), Type.Literal('binary')]),
  'standard, structured or binary',
)
export const Description = Type.String({ maxLength: 256, description: 'what it is for' })
export const Flag = (description: string) => Type.Boolean({ description })

/** What is sent to an endpoint, and how; everything but its secrets. */
export const EndpointSettings = {
  types: Patterns,
  filter: Type.Optional(Filter),
  mode: Mode,
  description: Type.Optional(Description),
  isOrdered: Type.Boolean(),
}

export const Reason = Type.Union([
  Type.Literal('asked'),
  /** It answered 410. */
  Type.Literal('gone'),
  /** Nothing has arrived for days. */
  Type.Literal('failing'),
])

export const EndpointShape = Closed({
  endpoint: EndpointId,
  url: Private(Url),
  ...EndpointSettings,
  /** `whpk_...`: with it, anybody can check the `v1a` signatures of this endpoint. */
  publicKey: Type.Optional(Type.String()),
  owner: Type.String(),
  isEnabled: Type.Boolean(),
  reason: Type.Optional(Reason),
  registeredAt: Timestamp,
  /** Until then a secret of before signs along. */
  overlapUntil: Type.Optional(Timestamp),
})

export const SecretReference = Described(Secret(), 'a reference to a secret: env:NAME or file:/path')
/** Plaintext, which older clients send. */
export const SecretText = Type.String({ minLength: 1, maxLength: 256 })

export const SourceName = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]*$',
  maxLength: 64,
  description: 'small letters, digits and -',
})
/**
 * `standard`: Standard Webhooks. `cloudevents`: a bearer token (CloudEvents HTTP 1.1 Web Hooks, section 3). `github`:
 * X-Hub-Signature-256. `hmac`: HMAC-SHA256 of the body in a header of any name, hexadecimal or base64.
 */
const Scheme = Described(
  Type.Union([
    Type.Literal('standard'),
    Type.Literal('cloudevents'),
    Type.Literal('github'),
    Type.Literal('hmac'),
  ]),
  'standard, cloudevents, github or hmac',
)
const TypePrefix = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]*(\\.[a-z0-9][a-z0-9-]*)*$',
  maxLength: 64,
  description: 'words joined by dots, with which every type of its events begins',
})
const HeaderName = Type.String({
  pattern: '^[a-z0-9-]+$',
  maxLength: 64,
  description: 'the name of a header in small letters',
})

export const SourceSettings = {
  name: SourceName,
  scheme: Scheme,
  secret: Type.Optional(SecretReference),
  publicKey: Type.Optional(
    Type.String({ pattern: '^whpk_[A-Za-z0-9+/]{43}=$', description: 'whpk_ and a base64 Ed25519 key' }),
  ),
  prefix: TypePrefix,
  principal: PrincipalLabel,
  header: Type.Optional(HeaderName),
  audience: Type.Optional(Described(Audience, 'who may see its events, beside its principal')),
}
export const SourceShape = Closed({ ...SourceSettings, putAt: Timestamp })

const AttemptShape = Closed({
  at: Timestamp,
  durationMs: Integer,
  status: Type.Optional(Integer),
  error: Type.Optional(Type.String()),
})
export const DeliveryShape = Closed({
  id: Type.String(),
  seq: Integer,
  state: Type.Union([
    Type.Literal('due'),
    Type.Literal('delivered'),
    Type.Literal('failed'),
    Type.Literal('dropped'),
  ]),
  createdAt: Timestamp,
  nextAt: Type.Optional(Timestamp),
  attempts: Type.Array(AttemptShape),
})
