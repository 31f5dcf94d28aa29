// The words of the mesh: event types, labels, places, and what an event looks like to whoever takes it.

import { noun } from '../../kernel/catalog/definition.ts'
import { IN_FLIGHT_MAX } from '../../kernel/feed/pull-options.ts'
import { AUDIENCE_MAX } from '../../kernel/log/audience.ts'
import { Closed, Described, Integer, Json, Private, Timestamp, Type } from '../../kernel/schema/schema.ts'

/** Events of one `mesh.publish-many`. */
export const PUBLISH_MAX = 256
/** Items of one `mesh.take`, `mesh.ack`, `mesh.nack`, `mesh.extend`. */
export const TAKE_MAX = 256
/** How long one `mesh.take` waits for news. */
export const TAKE_WAIT_MAX_MS = 30_000
export const PATTERNS_MAX = 32
export const FILTER_MAX_CHARS = 4096
export const ROUTES_TEXT_MAX_CHARS = 49_152
/** A route that forwards, forwards no event that came this far. */
export const HOPS_MAX = 8

const TOKEN = '[A-Za-z0-9][A-Za-z0-9_-]*'

export const EventTypeName = Type.String({
  pattern: `^${TOKEN}(\\.${TOKEN})*(@[1-9][0-9]{0,3})?$`,
  maxLength: 200,
  description:
    'an event type: words joined by dots, such as order.created, with or without a major such as @2',
})

export const BareTypeName = Type.String({
  pattern: `^${TOKEN}(\\.${TOKEN})*$`,
  maxLength: 200,
  description: 'an event type without a major, such as order.created',
})

export const Major = Type.Integer({ minimum: 1, maximum: 9999, description: 'a major: 1 to 9999' })

export const TypePattern = Type.String({
  pattern: `^(${TOKEN}|\\*{1,2})(\\.(${TOKEN}|\\*{1,2}))*(@[1-9][0-9]{0,3})?$`,
  maxLength: 256,
  description: 'a pattern of event types: * stands for one word, ** for any number',
})

/** Text that can be an attribute of a CloudEvent: no control characters, no lone surrogates (CloudEvents 1.0, 3.1.1). */
const attribute = (maxLength: number, description: string) =>
  Type.String({ minLength: 1, maxLength, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$', description })

export const Subject = attribute(256, 'what the event is about: text without control characters')
export const EventKey = attribute(256, 'what orders the events: text without control characters')
export const EventId = attribute(128, 'an id of the event: text without control characters')
const Correlation = attribute(256, 'what belongs together: an id that all its events carry')
const Causation = attribute(256, 'the id of the event that led to this one')
export const FailureReason = attribute(512, 'why: text without control characters')

export const Label = Type.String({
  pattern: '^([a-z][a-z0-9-]*|(user|agent|service|component|hub):[A-Za-z0-9][A-Za-z0-9._@-]*)$',
  maxLength: 140,
  description: 'who may see it: kind:id, a role, or public',
})
export const Audience = Type.Array(Label, { maxItems: AUDIENCE_MAX })

export const PrincipalLabel = Type.String({
  pattern: '^(user|agent|service|component|hub):[A-Za-z0-9][A-Za-z0-9._@-]*$',
  maxLength: 140,
  description: 'a principal such as component:billing',
})

export const Lane = Type.Union([Type.Literal('urgent'), Type.Literal('normal')])
export type Lane = 'urgent' | 'normal'

export const SubscriptionName = Type.String({
  pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
  maxLength: 64,
  description: 'the name of a subscription: letters, digits and ._-',
})

/** Names one delivery of one item to one consumer. */
export const DeliveryId = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'the id of a delivery, as mesh.take answered it',
})

/** What a publisher may say of an event. Its source is not among it: that is who publishes. */
export const EventFields = {
  type: EventTypeName,
  subject: Type.Optional(Subject),
  data: Type.Optional(Described(Json, 'what everybody may read who sees the entry')),
  privateData: Type.Optional(
    Described(Private(Json), 'what the log holds only as a commitment, and can erase'),
  ),
  key: Type.Optional(EventKey),
  lane: Type.Optional(
    Described(Lane, 'subscriptions may ask for one lane; default normal, or what its route says'),
  ),
  audience: Type.Optional(Described(Audience, 'who may see the event; default: what its type or route says')),
  id: Type.Optional(EventId),
  expiresAt: Type.Optional(Described(Timestamp, 'after this time, in UTC, nobody takes it any more')),
  correlationId: Type.Optional(Correlation),
  causationId: Type.Optional(Causation),
}

export const Published = noun('mesh.published', {
  id: Type.String(),
  source: Type.String(),
  /** The same source had published this id before: nothing was recorded. */
  isDuplicate: Type.Boolean(),
  /** How many events routes made of it. */
  forwarded: Integer,
})

/** The CloudEvent that a subscriber sees: JSON event format, extensions beside the attributes. */
export const MeshEvent = Type.Object(
  {
    specversion: Type.Literal('1.0'),
    id: Type.String(),
    source: Type.String(),
    type: Type.String(),
    subject: Type.Optional(Type.String()),
    time: Type.String(),
    data: Type.Optional(Private(Json)),
    /** Cursor behind the entry that carries it. */
    cursor: Type.Optional(Type.String()),
  },
  { additionalProperties: true, title: 'mesh.event' },
)

export const SchemaKeywords = Type.Record(Type.String({ maxLength: 64 }), Type.Unknown(), {
  maxProperties: 64,
})

const Pointer = Type.String({
  pattern: '^(/([^~/]|~[01])*)+$',
  maxLength: 512,
  description: 'an RFC 6901 pointer to a member, such as /customer/name',
})

/** How an event of the major before becomes one of this: applied in order, no code. */
const UpcastStep = Type.Union([
  Closed({ op: Type.Literal('rename'), from: Pointer, to: Pointer }),
  Closed({ op: Type.Literal('move'), from: Pointer, to: Pointer }),
  Closed({ op: Type.Literal('default'), path: Pointer, value: Json }),
  Closed({ op: Type.Literal('drop'), path: Pointer }),
])
export const Upcast = Type.Array(UpcastStep, { maxItems: 64 })

export const MemberNames = Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 64 })

/** What is written down of a subscription. */
export const SubscriptionFields = {
  types: Type.Array(TypePattern, { minItems: 1, maxItems: PATTERNS_MAX }),
  filter: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: FILTER_MAX_CHARS,
      description: 'a CESQL expression over attributes',
    }),
  ),
  orderBy: Type.Union([Type.Literal('key'), Type.Literal('subject'), Type.Literal('none')]),
  inFlightMax: Type.Integer({ minimum: 1, maximum: IN_FLIGHT_MAX }),
  ackWaitMs: Type.Integer({ minimum: 1000, maximum: 3_600_000 }),
  deliverMax: Type.Integer({ minimum: 1, maximum: 100 }),
  lane: Type.Optional(Lane),
  major: Type.Optional(Major),
}

export const ShownSubscription = {
  name: SubscriptionName,
  owner: Type.String(),
  ...SubscriptionFields,
  createdAt: Timestamp,
  isPaused: Type.Boolean(),
}

export const SubscriptionShape = noun('mesh.subscription', ShownSubscription)
