// The facts of webhooks: endpoints and sources come, change and go, and what a source has sent.

import { entryType } from '../../kernel/log/entry.ts'
import { Integer, Json, Private, Timestamp, Type } from '../../kernel/schema/schema.ts'
import { Lane } from '../mesh/contract.ts'
import {
  EndpointId,
  EndpointSettings,
  Reason,
  SecretReference,
  SourceName,
  SourceSettings,
  Url,
} from './schemas.ts'

const Text = Type.String()

/** In whose name the endpoint is fed: principals first to last, and the token that it all rests on. */
const Owner = {
  owner: Text,
  chain: Type.Array(
    Type.Object(
      { kind: Text, id: Text, roles: Type.Array(Text, { maxItems: 64 }) },
      { additionalProperties: false },
    ),
    { maxItems: 64 },
  ),
  token: Type.Optional(Text),
}

export const EndpointRegistered = entryType('webhooks.endpoint-registered@1', {
  endpoint: EndpointId,
  url: Private(Url),
  ...EndpointSettings,
  ...Owner,
  secret: Type.Optional(Private(Text)),
  secretReference: Type.Optional(SecretReference),
  /** `whsk_...` of a key pair that is of this endpoint only. */
  signingKey: Type.Optional(Private(Text)),
  publicKey: Type.Optional(Text),
})
/** Settings as they are from here on. */
export const EndpointUpdated = entryType('webhooks.endpoint-updated@1', {
  endpoint: EndpointId,
  url: Private(Url),
  ...EndpointSettings,
})
/** The secret of before signs along until then; those of before that one go on to their own end. */
export const SecretRotated = entryType('webhooks.secret-rotated@1', {
  endpoint: EndpointId,
  secret: Type.Optional(Private(Text)),
  secretReference: Type.Optional(SecretReference),
  overlapUntil: Timestamp,
})
export const EndpointEnabled = entryType('webhooks.endpoint-enabled@1', { endpoint: EndpointId })
export const EndpointDisabled = entryType('webhooks.endpoint-disabled@1', {
  endpoint: EndpointId,
  reason: Reason,
})
export const EndpointRemoved = entryType('webhooks.endpoint-removed@1', { endpoint: EndpointId })

export const SourcePut = entryType('webhooks.source-put@1', SourceSettings)
export const SourceRemoved = entryType('webhooks.source-removed@1', { name: SourceName })

/** An event that a source has sent; of the shape of `mesh.event-published@1`, so that it is followed like one. */
export const EventReceived = entryType('webhooks.event-received@1', {
  id: Text,
  /** The principal of the source, `kind:id`. */
  source: Text,
  type: Text,
  subject: Type.Optional(Text),
  lane: Lane,
  privateData: Type.Optional(Private(Json)),
  hops: Integer,
  /** Which source of this hub. */
  hook: SourceName,
  /** What the sender calls itself, and when it says that it happened. Nobody has checked it. */
  claimedSource: Type.Optional(Text),
  claimedTime: Type.Optional(Text),
})
