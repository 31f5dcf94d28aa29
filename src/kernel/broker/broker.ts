// The Broker port: messages to and from a message broker. A broker carries events; what happened stands in the log.

import type { PolityError } from '../errors.ts'

export type BrokerKind = 'memory' | 'nats' | 'redis'

export interface BrokerMessage {
  /** Names in small letters, values of printable ASCII (CloudEvents attributes as `ce-...`, percent-encoded). */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface OutgoingMessage extends BrokerMessage {
  /** By which the broker, and whoever receives, recognises a repetition: 1 to 256 printable ASCII characters. */
  readonly id: string
  /** A subject (NATS) or the key of a stream (Redis). */
  readonly place: string
}

/**
 * `stored`: acknowledged by the broker. `known`: it had a message of this id within its window already. An error is
 * about this message alone: `broker.too-large`, `broker.refused`.
 */
export type SendOutcome = 'stored' | 'known' | PolityError

export interface ReceivedMessage extends BrokerMessage {
  /** As its sender gave it; nothing says that it is one of ours. */
  readonly id?: string
  readonly place: string
  /** Where it stands in its stream; no other message of the stream has the same. */
  readonly position: string
  /** 1 for the first time. */
  readonly deliveries: number
  /** Names this delivery in `ack` and `nack`. */
  readonly token: string
}

export interface ReceiverOptions {
  readonly stream: string
  /** Of the messages of the stream only those of a subject; NATS only. */
  readonly subject?: string
  /** Receivers of one group share what comes. It is made where it is missing, and stays. */
  readonly group: string
  /** A message that is neither acknowledged nor refused within this time comes again. */
  readonly ackWaitMs: number
  /** Where a group begins that is made now. */
  readonly from: 'start' | 'now'
}

export interface Backlog {
  /** Messages that the group has not been handed yet; undefined where the broker does not know. */
  readonly waiting: number | undefined
  /** Handed over, and not acknowledged. */
  readonly underWay: number
}

/** One consumer of a group. */
export interface Receiver {
  /**
   * What is there, at most `max` (1 to RECEIVE_MAX), in the order of the stream; waits up to `waitMs` where there is
   * nothing. Throws `broker.unreachable`, `broker.refused`.
   */
  receive(wanted: {
    readonly max: number
    readonly waitMs: number
    readonly signal: AbortSignal
  }): Promise<readonly ReceivedMessage[]>
  /** Resolves when the broker knows it. One that has come again meanwhile is acknowledged with it. */
  ack(tokens: readonly string[]): Promise<void>
  /** It comes again after `delayMs`, or after `ackWaitMs` where that is sooner. */
  nack(token: string, delayMs: number): Promise<void>
  backlog(): Promise<Backlog>
  close(): Promise<void>
}

/** `can-double`: nothing is lost, but a repetition may not be recognised. */
export type Verdict = 'safe' | 'can-lose' | 'can-double' | 'unknown'

/** One setting of a broker, and what follows from it. */
export interface Finding {
  /** With the stream that it belongs to, where it belongs to one. */
  readonly setting: string
  readonly value: string
  readonly verdict: Verdict
  readonly consequence: string
  /** Empty where there is nothing to do. */
  readonly advice: string
}

export interface BrokerReport {
  readonly kind: BrokerKind
  /** Of the server; `unknown` where it does not say. */
  readonly version: string
  readonly findings: readonly Finding[]
}

/**
 * Whatever connects may throw `broker.unreachable`, `broker.untrusted` (its certificate is not believed),
 * `broker.denied` (it does not take our credentials), `secret.missing`.
 */
export interface Broker {
  readonly kind: BrokerKind
  /** Looks at what can lose messages. `places`: streams, or subjects with `*` and `>`, to look at. Throws `broker.unreachable`. */
  probe(places: readonly string[]): Promise<BrokerReport>
  /**
   * Resolves when the broker has answered for all of them (at most SEND_MAX), in order. Rejects with
   * `broker.unreachable`, `broker.untrusted` or `broker.denied` when it has not: then some may have arrived, and all
   * are sent again under the same ids.
   */
  send(messages: readonly OutgoingMessage[]): Promise<readonly SendOutcome[]>
  /** Throws `broker.unreachable`, `broker.refused` (no such stream, no right to read it). */
  follow(options: ReceiverOptions): Promise<Receiver>
  close(): Promise<void>
}

export const SEND_MAX = 256
export const RECEIVE_MAX = 256
/** Of the body; brokers have bounds of their own beside it. */
export const MESSAGE_SIZE_MAX_BYTES = 1024 * 1024
/** For how long an id is remembered, where we say so: the default of NATS JetStream. */
export const REPEAT_WINDOW_MS = 120_000
