// What a group of consumers asks of the log, and what it is handed.

import { PolityError } from '../errors.ts'
import type { Entry } from '../log/entry.ts'
import type { RetryPolicy } from '../targets/retry.ts'

/** What a group of consumers takes from the log; given with every call, because any hub may serve it. */
export interface PullOptions {
  /** Names cursor and items; at most 256 characters. */
  readonly name: string
  /** Pure; an entry on which it throws is a dead item. */
  readonly wants: (entry: Entry) => boolean
  /** Pure; what was handed out and is over by the time it comes again is let go, as if nobody had seen it. */
  readonly isOver?: (entry: Entry) => boolean
  /** Items of one key are leased in order, one at a time over all consumers; undefined: no order. Default: all in order (one key). */
  readonly key?: (entry: Entry) => string | undefined
  /** Items leased at a time, over all consumers; default 1, at most 256. */
  readonly inFlightMax?: number
  /** How long a lease lasts; default 30,000. */
  readonly ackWaitMs?: number
  /** Attempts before an item is dead; default 5. */
  readonly deliverMax?: number
  /** Before an item is handed out again that was refused without a delay; default 1 s, doubled up to 5 min, with full jitter. */
  readonly retry?: Pick<RetryPolicy, 'baseMs' | 'capMs'>
}

/** One item, leased to the consumer who took it. */
export interface PulledItem {
  /** Names this attempt in `ack`, `nack`, `extend`. */
  readonly delivery: string
  /** 1 for the first. */
  readonly attempt: number
  /** Wall clock, milliseconds: until then nobody else gets it. */
  readonly untilMs: number
  readonly entry: Entry
}

/** What has to happen before there can be more to take; nothing in it: somebody has to settle an item. */
export interface NextTake {
  /** An entry at this position or above is published. */
  readonly position?: number
  /** Wall clock, milliseconds. */
  readonly atMs?: number
}

export interface Taken {
  readonly items: readonly PulledItem[]
  /** For `news.wait`. */
  readonly next: NextTake
  /** No room for more items set aside (OPEN_ITEMS_MAX) or dead ones (DEAD_MAX): new entries wait in the log. */
  readonly isFull: boolean
}

/** Deliveries that counted, and those that came too late: settled before, or another attempt has begun. */
export interface Settled {
  readonly done: readonly string[]
  readonly late: readonly string[]
}

export const IN_FLIGHT_MAX = 256
const ACK_WAIT_MS = 30_000
const ACK_WAIT_MAX_MS = 12 * 3600_000
const DELIVER_MAX = 5
const DELIVER_MAX_MAX = 1000
const RETRY: Pick<RetryPolicy, 'baseMs' | 'capMs'> = { baseMs: 1000, capMs: 300_000 }

export interface Limits {
  readonly inFlightMax: number
  readonly ackWaitMs: number
  readonly deliverMax: number
  readonly retry: Pick<RetryPolicy, 'baseMs' | 'capMs'>
}

/** Defaults and bounds, of push and pull alike. Throws `input.invalid`. */
export function limitsOf({
  inFlightMax = 1,
  ackWaitMs = ACK_WAIT_MS,
  deliverMax = DELIVER_MAX,
  retry = RETRY,
}: Partial<Limits>): Limits {
  requireWhole('inFlightMax', inFlightMax, IN_FLIGHT_MAX)
  requireWhole('ackWaitMs', ackWaitMs, ACK_WAIT_MAX_MS)
  requireWhole('deliverMax', deliverMax, DELIVER_MAX_MAX)
  return { inFlightMax, ackWaitMs, deliverMax, retry }
}

export function requireWhole(what: string, value: number, max: number, min = 1): void {
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new PolityError('input.invalid', `${what} must be a whole number from ${min} to ${max}`, {
      what,
      min,
      max,
    })
}
