// The words of brokers: what is sent where, what is taken from where, and what a broker says of itself.

import { Closed, Described, Integer, Timestamp, Type } from '../../kernel/schema/schema.ts'
import { Audience, PrincipalLabel, TypePattern } from '../mesh/contract.ts'

const PATTERNS_MAX = 32
const FILTER_MAX_CHARS = 4096

export const FlowName = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]*$',
  maxLength: 64,
  description: 'small letters, digits and -',
})
export const BrokerName = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]*$',
  maxLength: 64,
  description: 'the name of a broker in the configuration',
})
const From = Described(
  Type.Union([Type.Literal('now'), Type.Literal('start')]),
  'where it begins, now or start; default now',
)
const Text = Type.String()

export const SinkSettings = {
  name: FlowName,
  broker: BrokerName,
  to: Type.String({
    minLength: 1,
    maxLength: 256,
    description: 'a subject or stream; may hold {type}, {family}, {major}, {source}, {subject}, {lane}',
  }),
  types: Type.Array(TypePattern, {
    minItems: 1,
    maxItems: PATTERNS_MAX,
    description: 'patterns of event types such as order.* or health.**',
  }),
  filter: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: FILTER_MAX_CHARS,
      description: 'a CESQL expression over the attributes of the event',
    }),
  ),
  from: Type.Optional(From),
}

export const SourceSettings = {
  name: FlowName,
  broker: BrokerName,
  stream: Type.String({ minLength: 1, maxLength: 256, description: 'the stream to take from' }),
  prefix: Type.String({
    pattern: '^[a-z0-9][a-z0-9-]*(\\.[a-z0-9][a-z0-9-]*)*$',
    maxLength: 64,
    description: 'words joined by dots, with which every type of its events begins',
  }),
  principal: PrincipalLabel,
  subject: Type.Optional(
    Type.String({ minLength: 1, maxLength: 256, description: 'of the stream only this subject (NATS)' }),
  ),
  group: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_-]+$',
      maxLength: 64,
      description: 'the group or durable consumer; default one of this hub and source',
    }),
  ),
  audience: Type.Optional(Described(Audience, 'who may see its events, beside its principal')),
  from: Type.Optional(From),
}

/** In whose name it runs: principals first to last, and the token that it all rests on. */
export const Owner = {
  id: Text,
  owner: Text,
  chain: Type.Array(Closed({ kind: Text, id: Text, roles: Type.Array(Text, { maxItems: 64 }) }), {
    maxItems: 64,
  }),
  token: Type.Optional(Text),
}

const Kind = Type.Union([Type.Literal('sink'), Type.Literal('source')])

/** A sink or source, and how it goes on the hub that answers. */
export const FlowShape = Closed({
  name: FlowName,
  kind: Kind,
  broker: BrokerName,
  /** Where to, or where from. */
  place: Text,
  owner: Text,
  putAt: Timestamp,
  /** Sink: published entries that it has not looked at. Source: messages that the broker has not handed over. */
  lag: Type.Optional(Integer),
  underWay: Type.Optional(Integer),
  /** Tried again later. */
  waiting: Type.Optional(Integer),
  /** Given up, or set aside for good: `brokers set-aside` lists them. */
  setAside: Integer,
  error: Type.Optional(Text),
})

const FindingShape = Closed({
  setting: Text,
  value: Text,
  verdict: Type.Union([
    Type.Literal('safe'),
    Type.Literal('can-lose'),
    Type.Literal('can-double'),
    Type.Literal('unknown'),
  ]),
  consequence: Text,
  advice: Text,
})

export const BrokerShape = Closed({
  name: BrokerName,
  isReachable: Type.Boolean(),
  kind: Type.Optional(Text),
  version: Type.Optional(Text),
  error: Type.Optional(Text),
  findings: Type.Array(FindingShape),
})

export const SetAsideShape = Closed({
  /** Seq of an entry (sink), or position of a message (source). */
  position: Text,
  state: Type.Union([Type.Literal('waiting'), Type.Literal('behind'), Type.Literal('dead')]),
  reason: Text,
  at: Timestamp,
  /** The beginning of its body in base64; sources only. */
  body: Type.Optional(Text),
})
