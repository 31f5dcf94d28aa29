// What the log holds of the mesh: events, messages, subscriptions, types, routes, and what was refused.

import { entryType } from '../../kernel/log/entry.ts'
import { Integer, Json, Private, Sha256, Timestamp, Type } from '../../kernel/schema/schema.ts'
import {
  Audience,
  BareTypeName,
  EventId,
  EventKey,
  EventTypeName,
  Lane,
  Major,
  MemberNames,
  PrincipalLabel,
  ROUTES_TEXT_MAX_CHARS,
  SchemaKeywords,
  Subject,
  SubscriptionFields,
  SubscriptionName,
  Upcast,
} from './schemas.ts'

const Text = Type.String()
const Code = Type.String({ maxLength: 64 })

/** One event. The entry's own type says that it is one; what it is about stands in its data. */
export const EventPublished = entryType('mesh.event-published@1', {
  id: EventId,
  /** Whoever published it, `kind:id`: never what a caller says of itself. */
  source: Text,
  type: EventTypeName,
  subject: Type.Optional(Subject),
  key: Type.Optional(EventKey),
  lane: Lane,
  data: Type.Optional(Json),
  privateData: Type.Optional(Private(Json)),
  expiresAt: Type.Optional(Timestamp),
  /** Routes that made it out of another event, oldest first; none for what was published as it is. */
  path: Type.Optional(Type.Array(Type.String())),
  hops: Integer,
  /** Who a caller of the older bus said it was. Nobody has checked it. */
  claimedSource: Type.Optional(Text),
})

/** A message to one principal: an event of its own kind, so that an inbox reads nothing else. */
export const MessageSent = entryType('mesh.message-sent@1', {
  id: EventId,
  source: Text,
  to: PrincipalLabel,
  type: EventTypeName,
  data: Type.Optional(Private(Json)),
  expiresAt: Type.Optional(Timestamp),
  /** The run that waits for a reply to it, until `expiresAt`; absent: nobody does. */
  run: Type.Optional(Text),
})

export const ReplySent = entryType('mesh.reply-sent@1', {
  request: EventId,
  source: Text,
  to: Text,
  data: Type.Optional(Private(Json)),
  error: Type.Optional(Private(Text)),
})

export const TypeDefined = entryType('mesh.type-defined@1', {
  type: BareTypeName,
  major: Major,
  schema: SchemaKeywords,
  audience: Type.Optional(Audience),
  privateFields: Type.Optional(MemberNames),
  upcast: Type.Optional(Upcast),
})

export const SubscriptionOpened = entryType('mesh.subscription-opened@1', {
  name: SubscriptionName,
  /** The principal chain it belongs to, as in `actor`. */
  owner: Text,
  /** Names its cursor and items: a subscription that was closed and opened again starts with none. */
  group: Text,
  ...SubscriptionFields,
})

export const SubscriptionPaused = entryType('mesh.subscription-paused@1', {
  name: SubscriptionName,
  owner: Text,
  isPaused: Type.Boolean(),
})

export const SubscriptionClosed = entryType('mesh.subscription-closed@1', {
  name: SubscriptionName,
  owner: Text,
  group: Text,
})

/** The routing table that is in force from here on; without text: none. */
export const RoutesActivated = entryType('mesh.routes-activated@1', {
  digest: Type.Optional(Sha256),
  yaml: Type.Optional(Type.String({ maxLength: ROUTES_TEXT_MAX_CHARS })),
  /** The one that rolling back leads to. */
  previous: Type.Optional(Sha256),
  /** The one that it takes the place of. */
  replaced: Type.Optional(Sha256),
  isRollback: Type.Boolean(),
  reason: Type.Optional(Text),
})

/** Publishing that was refused; `count` refusals of the same publisher for the same reason within a minute. */
export const EventBlocked = entryType('mesh.event-blocked@1', {
  publisher: Text,
  /** The type of the first of them, as far as it could be one. */
  type: Text,
  code: Code,
  sentence: Text,
  count: Integer,
  /** `log-only`: it was published all the same. */
  mode: Type.Union([Type.Literal('enforce'), Type.Literal('log-only')]),
})

/** An event came whose type the routes name among `alert_events`. */
export const MeshAlertRaised = entryType('mesh.alert-raised@1', {
  event: Text,
  type: Text,
  source: Text,
  subject: Type.Optional(Text),
})
