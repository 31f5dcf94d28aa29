// Subscriptions: many followers of the log at the price of one reader. Each has a cursor, a filter, an order, and items set aside.

import type { Entry } from '../log/entry.ts'
import type { RetryPolicy } from '../targets/retry.ts'

export interface SubscriptionOptions {
  /** Names the cursor; another hub of the same log goes on from it. */
  readonly name: string
  /** Patterns of event types, token-wise: `health.*`, `mirror.**`, `state.document-written@1`; matched by an index. */
  readonly types: readonly string[]
  /**
   * Under which type an entry is looked up, where it carries an event of its own; default: the entry's type. Pure; give
   * the same function to all subscriptions that look at it this way: it is asked once per entry.
   */
  readonly typeOf?: (entry: Entry) => string
  /** What is of these types and not wanted all the same. Pure; what it throws parks the item. */
  readonly filter?: (entry: Entry) => boolean
  /** Items of one key are handled in order, one at a time; undefined: no order. Default: all in order (one key). */
  readonly key?: (entry: Entry) => string | undefined
  /** Items under way at a time; default 1, at most 256. */
  readonly inFlightMax?: number
  /** An item that is not done by then is tried again; default 30,000. */
  readonly ackWaitMs?: number
  /** Attempts before an item is dead; default 5. */
  readonly deliverMax?: number
  /** Between attempts; default 1 s, doubled up to 5 min, with full jitter. */
  readonly retry?: Pick<RetryPolicy, 'baseMs' | 'capMs'>
  /** Where a new subscription begins: the end of the log (default), its first entry, or a position. */
  readonly from?: 'now' | 'start' | number
  /** `urgent` subscriptions are served before `normal` ones, which get at least one turn in eight. */
  readonly lane?: 'urgent' | 'normal'
  /** At least once, so it must be idempotent. What it throws sets the item aside and tries it again; later items of its key wait behind it. */
  handle(entry: Entry, delivery: { readonly attempt: number; readonly signal: AbortSignal }): Promise<void>
  /** An item was given up: after `deliverMax` attempts, or because the handler threw an error with `isFinal`. */
  dead?(entry: Entry, reason: string): Promise<void>
}

/** An item that could not be handled yet, or ever. */
export interface ParkedItem {
  readonly seq: number
  readonly key?: string
  readonly state: 'waiting' | 'behind' | 'dead'
  readonly attempts: number
  readonly reason: string
  readonly nextAtMs?: number
  /** RFC 3339. */
  readonly parkedAt: string
}

export interface SubscriptionState {
  readonly name: string
  /** Everything below is handled or set aside. */
  readonly position: number
  /** Published entries that it has not looked at. */
  readonly lag: number
  readonly underWay: number
  readonly parked: number
  readonly dead: number
  readonly isPaused: boolean
}

export interface Subscription {
  state(): Promise<SubscriptionState>
  parked(range: { readonly after?: number; readonly limit: number }): Promise<readonly ParkedItem[]>
  /** Tries set-aside or dead items again now; all when none are named. Answers how many. */
  retry(seqs?: readonly number[]): Promise<number>
  /** Forgets dead items. Answers how many. */
  drop(seqs: readonly number[]): Promise<number>
  /** Goes on from another position; what is set aside stays. */
  seek(position: number): Promise<void>
  pause(): Promise<void>
  resume(): Promise<void>
  close(): Promise<void>
}

/** Items set aside per subscription; at the bound it stands still, and says so. */
export const PARKED_MAX = 10_000

export interface Subscriptions {
  /** Begins, or goes on where a subscription of this name stopped. */
  open(options: SubscriptionOptions): Promise<Subscription>
  /** Ends it for good: cursor and items are forgotten. */
  forget(name: string): Promise<void>
}
