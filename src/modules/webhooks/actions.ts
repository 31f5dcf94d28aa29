// What may be asked of webhooks.

import { command, Page, query } from '../../kernel/catalog/definition.ts'
import { Closed, Described, Integer, Private, Timestamp, Type } from '../../kernel/schema/schema.ts'
import {
  DeliveryShape,
  Description,
  EndpointId,
  EndpointShape,
  Filter,
  Flag,
  Mode,
  Patterns,
  SecretReference,
  SecretText,
  SourceName,
  SourceSettings,
  SourceShape,
  Url,
} from './schemas.ts'

/** Deliveries of one `webhooks.replay` that are named; more by `since`. */
export const REPLAY_NAMED_MAX = 256
const Endpoint = { endpoint: EndpointId }
const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'how many at most' }))
const ofEndpoint = ({ endpoint }: { readonly endpoint: string }) => `webhooks/${endpoint}`

const Shown = Closed({
  endpoint: EndpointId,
  /** `whsec_...`, shown once; absent where a reference or a text of the caller is used. */
  secret: Type.Optional(Private(Type.String())),
  publicKey: Type.Optional(Type.String()),
  /** Whether the receiver has consented in the handshake of CloudEvents HTTP 1.1 Web Hooks, section 4. */
  hasConsented: Type.Boolean(),
})

export const register = command('webhooks.register@1', {
  summary: 'Sends events of the log to a URL, signed, until they arrive. A new secret is shown once.',
  input: {
    url: Private(Url),
    types: Patterns,
    filter: Type.Optional(Filter),
    secret: Type.Optional(SecretReference),
    secretText: Type.Optional(
      Described(Private(SecretText), 'the secret itself, of 24 to 64 bytes; it is kept in the vault'),
    ),
    mode: Type.Optional(Mode),
    description: Type.Optional(Description),
    isOrdered: Type.Optional(Flag('each event waits until the one before it has arrived; default false')),
    isAsymmetric: Type.Optional(Flag('also signed with a key pair of the endpoint (v1a); default false')),
    mustConsent: Type.Optional(Flag('only if the receiver consents in a handshake; default false')),
  },
  output: Shown,
  errors: [
    'input.invalid',
    'egress.invalid',
    'egress.refused',
    'secret.missing',
    'webhooks.no-consent',
    'limit',
  ],
  risk: 'medium',
  conduct: { changes: ['network'], reversible: true },
  effect: 'idempotent',
  facts: ['types', 'mode'],
  cli: { positional: ['url', 'types'] },
})

export const update = command('webhooks.update@1', {
  summary: 'Changes what is sent to an endpoint, or where.',
  input: {
    ...Endpoint,
    url: Type.Optional(Private(Url)),
    types: Type.Optional(Patterns),
    filter: Type.Optional(
      Type.Union([Filter, Type.Literal('')], { description: 'a CESQL expression; empty: none' }),
    ),
    mode: Type.Optional(Mode),
    description: Type.Optional(Description),
    isOrdered: Type.Optional(Flag('each event waits until the one before it has arrived')),
  },
  output: EndpointShape,
  errors: ['input.invalid', 'egress.invalid', 'egress.refused', 'not-found'],
  risk: 'medium',
  conduct: { changes: ['network'], reversible: true },
  effect: 'idempotent',
  resource: ofEndpoint,
  facts: ['endpoint', 'types', 'mode'],
  cli: { positional: ['endpoint'] },
})

const Changed = Closed({ ...Endpoint, isEnabled: Type.Boolean() })

export const remove = command('webhooks.remove@1', {
  summary: 'Ends an endpoint; what is due for it is dropped.',
  input: Endpoint,
  output: Closed(Endpoint),
  errors: ['not-found'],
  risk: 'low',
  effect: 'atomic',
  isReserved: true,
  resource: ofEndpoint,
  facts: ['endpoint'],
  cli: { positional: ['endpoint'] },
})

export const enable = command('webhooks.enable@1', {
  summary: 'Feeds a disabled endpoint again, from where it stopped.',
  input: Endpoint,
  output: Changed,
  errors: ['not-found'],
  risk: 'medium',
  effect: 'atomic',
  resource: ofEndpoint,
  facts: ['endpoint'],
  cli: { positional: ['endpoint'] },
})

export const disable = command('webhooks.disable@1', {
  summary: 'Stops feeding an endpoint; what is due for it is dropped, and can be replayed.',
  input: Endpoint,
  output: Changed,
  errors: ['not-found'],
  risk: 'low',
  effect: 'atomic',
  isReserved: true,
  resource: ofEndpoint,
  facts: ['endpoint'],
  cli: { positional: ['endpoint'] },
})

export const rotate = command('webhooks.rotate@1', {
  summary: 'Makes a new secret for an endpoint; the old one signs along for a while.',
  input: {
    ...Endpoint,
    secret: Type.Optional(SecretReference),
    overlapSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 30 * 86_400,
        description: 'for how long the old secret signs along; default a day',
      }),
    ),
  },
  output: Closed({ ...Endpoint, secret: Type.Optional(Private(Type.String())), overlapUntil: Timestamp }),
  errors: ['not-found', 'secret.missing', 'webhooks.overlap'],
  risk: 'medium',
  effect: 'atomic',
  resource: ofEndpoint,
  facts: ['endpoint'],
  cli: { positional: ['endpoint'] },
})

export const test = command('webhooks.test@1', {
  summary: 'Sends a test event to an endpoint, once, and answers what the receiver said.',
  input: Endpoint,
  output: Closed({
    ...Endpoint,
    isDelivered: Type.Boolean(),
    durationMs: Integer,
    status: Type.Optional(Integer),
    error: Type.Optional(Type.String()),
    /** The beginning of what it answered, as text. */
    body: Type.Optional(Private(Type.String())),
  }),
  errors: ['not-found'],
  risk: 'medium',
  conduct: { isExternal: true },
  effect: 'idempotent',
  resource: ofEndpoint,
  facts: ['endpoint'],
  cli: { positional: ['endpoint'] },
})

export const replay = command('webhooks.replay@1', {
  summary: 'Sends settled deliveries again, under the same ids: those named, or all since a time.',
  input: {
    ...Endpoint,
    deliveries: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 512 }), {
        minItems: 1,
        maxItems: REPLAY_NAMED_MAX,
        description: 'ids of deliveries',
      }),
    ),
    since: Type.Optional(Timestamp),
    isAll: Type.Optional(Flag('also those that have arrived; default only those that have not')),
  },
  output: Closed({ ...Endpoint, count: Integer }),
  errors: ['input.invalid', 'not-found', 'limit'],
  risk: 'medium',
  conduct: { isExternal: true },
  effect: 'idempotent',
  resource: ofEndpoint,
  facts: ['endpoint'],
  cli: { positional: ['endpoint', 'deliveries'] },
})

export const get = query('webhooks.get@1', {
  summary: 'One endpoint of the caller.',
  input: Endpoint,
  output: EndpointShape,
  errors: ['not-found'],
  resource: ofEndpoint,
  facts: ['endpoint'],
  cli: { positional: ['endpoint'] },
  http: { path: 'webhooks/{endpoint}' },
})

export const list = query('webhooks.list@1', {
  summary: 'The endpoints of the caller; all of them for owners.',
  input: { after: Type.Optional(EndpointId), limit },
  output: Page(EndpointShape),
  http: { path: 'webhooks' },
})

export const deliveries = query('webhooks.deliveries@1', {
  summary: 'What was sent to an endpoint within the last seven days, attempt by attempt; oldest first.',
  input: {
    ...Endpoint,
    after: Type.Optional(
      Type.String({ maxLength: 512, description: 'go on after this attempt, as the answer says' }),
    ),
    limit,
  },
  output: Page(DeliveryShape),
  errors: ['not-found'],
  resource: ofEndpoint,
  facts: ['endpoint'],
  cli: { positional: ['endpoint'] },
  http: { path: 'webhooks/{endpoint}/deliveries' },
})

export const putSource = command('webhooks.source-put@1', {
  summary: 'Takes events from outside at /v1/hooks/NAME, if they are signed as it says.',
  input: SourceSettings,
  output: SourceShape,
  errors: ['input.invalid', 'limit', 'secret.missing'],
  risk: 'high',
  conduct: { changes: ['network'], reversible: true },
  effect: 'atomic',
  resource: ({ name }) => `webhooks/sources/${name}`,
  facts: ['name', 'scheme', 'prefix', 'principal'],
  cli: { positional: ['name', 'scheme', 'prefix', 'principal'] },
})

export const removeSource = command('webhooks.source-remove@1', {
  summary: 'Takes no more events from a source.',
  input: { name: SourceName },
  output: Closed({ name: SourceName }),
  errors: ['not-found'],
  risk: 'medium',
  effect: 'atomic',
  isReserved: true,
  resource: ({ name }) => `webhooks/sources/${name}`,
  facts: ['name'],
  cli: { positional: ['name'] },
})

export const listSources = query('webhooks.sources@1', {
  summary: 'Sources from which events are taken.',
  input: { after: Type.Optional(SourceName), limit },
  output: Page(SourceShape),
  risk: 'medium',
})
