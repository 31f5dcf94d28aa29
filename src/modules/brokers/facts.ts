// The facts of brokers: sinks and sources come and go, what a source has received, and what it could not use.

import { entryType } from '../../kernel/log/entry.ts'
import { Integer, Json, Private, Type } from '../../kernel/schema/schema.ts'
import { Lane } from '../mesh/contract.ts'
import { BrokerName, FlowName, Owner, SinkSettings, SourceSettings } from './schemas.ts'

const Text = Type.String()

export const SinkPut = entryType('brokers.sink-put@1', { ...SinkSettings, ...Owner })
export const SourcePut = entryType('brokers.source-put@1', { ...SourceSettings, ...Owner })
export const FlowRemoved = entryType('brokers.removed@1', { name: FlowName })

/** An event that came through a broker; of the shape of `mesh.event-published@1`, so that it is followed like one. */
export const EventReceived = entryType('brokers.event-received@1', {
  id: Text,
  /** The principal of the source, `kind:id`. */
  source: Text,
  type: Text,
  subject: Type.Optional(Text),
  lane: Lane,
  privateData: Type.Optional(Private(Json)),
  hops: Integer,
  /** Which source of this hub, and from where. */
  through: FlowName,
  broker: BrokerName,
  place: Text,
  /** Hubs that it came through, oldest first. */
  hubs: Type.Optional(Type.Array(Text, { maxItems: 16 })),
  /** What the sender calls itself, and when it says that it happened. Nobody has checked it. */
  claimedSource: Type.Optional(Text),
  claimedTime: Type.Optional(Text),
})

/** Messages of one reception that are no events, or must not come in; they are acknowledged all the same. */
export const MessagesSetAside = entryType('brokers.messages-set-aside@1', {
  name: FlowName,
  count: Integer,
  /** Of the first of them. */
  position: Text,
  code: Text,
  reason: Text,
})
