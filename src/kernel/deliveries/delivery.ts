// What a delivery is, who prepares it, and what may be asked of the room that carries it.

import type { RowChange } from '../catalog/working-rows.ts'

/** How requests of one owner are made up; found again by its name after a restart. */
export interface Sender {
  /** `webhooks`, `callbacks`: the first part of the ids of its deliveries, and the area whose outbox it reads. */
  readonly name: string
  /**
   * Signs and addresses one attempt: called for each, because keys rotate. undefined: nobody wants it any more.
   * What it throws is a failed attempt.
   */
  prepare(delivery: Delivery, nowMs: number): Promise<PreparedDelivery | undefined>
  /** The receiver has answered 410: wants nothing any more. At least once. */
  gone?(delivery: Delivery): Promise<void>
  /** An attempt failed, and there will be another one. At least once. */
  failed?(delivery: Delivery): Promise<void>
  /** It arrived, the last attempt failed, or nobody wanted it. At least once. */
  settled?(delivery: Delivery): Promise<void>
}

export interface PreparedDelivery {
  readonly url: string
  readonly method: 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  /** Of one attempt; default ATTEMPT_TIMEOUT_MS. */
  readonly timeoutMs?: number
}

export interface Attempt {
  /** RFC 3339. */
  readonly at: string
  readonly durationMs: number
  readonly status?: number
  /** Code and sentence, where there was no answer. */
  readonly error?: string
}

export interface Delivery {
  /** `sender/key`. */
  readonly id: string
  /** What is listed together, and slowed down together. */
  readonly lane: string
  /** What `prepare` works from: JSON, at most 64 KiB; private content as references. */
  readonly content: unknown
  readonly state: 'due' | 'delivered' | 'failed' | 'dropped'
  /** The newest ones, oldest first. */
  readonly attempts: readonly Attempt[]
  readonly nextAtMs?: number
  /** RFC 3339. */
  readonly createdAt: string
}

export interface NewDelivery {
  /** Makes the id; one that is known already is not made again. At most 400 bytes. */
  readonly key: string
  /** At most 200 bytes, without control characters. */
  readonly lane: string
  readonly content: unknown
  /** Default: at once. */
  readonly notBeforeMs?: number
  /** Waits until every ordered delivery before it in its lane is settled. */
  readonly isOrdered?: boolean
}

export interface Deliveries {
  /** Registers who prepares the deliveries of this name; attempts begin once it is known. */
  register(sender: Sender): void
  /** The row that makes a delivery due, to be committed with what causes it. Throws `payload.too-large`, `input.invalid`. */
  draft(sender: string, delivery: NewDelivery): RowChange
  /** The same in a commit of its own; false when it was known. Throws `limit` when too many are due. */
  add(sender: string, delivery: NewDelivery): Promise<boolean>
  get(id: string): Promise<Delivery | undefined>
  /** Oldest first; of one lane. `after`: the id of the last one of the page before. */
  list(lane: string, range: { readonly after?: string; readonly limit: number }): Promise<readonly Delivery[]>
  /** Makes settled deliveries due again, from the first attempt and under the same id. Answers how many. */
  replay(ids: readonly string[]): Promise<number>
  close(): Promise<void>
}
