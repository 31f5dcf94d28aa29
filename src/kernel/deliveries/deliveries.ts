// Deliveries: HTTP requests that are kept until they arrive, on the schedule of Standard Webhooks.

import type { RowChange } from '../catalog/working-rows.ts'

/** Delays before each attempt: Standard Webhooks, "Delivery and retries". Each gets up to 20 % of chance. */
export const SCHEDULE_MS: readonly number[] = [
  0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
]

/** How requests of one owner are made up; found again by its name after a restart. */
export interface Sender {
  /** `webhooks`, `callbacks`: the first part of the ids of its deliveries. */
  readonly name: string
  /** Signs and addresses one attempt: called for each, because keys rotate. undefined: nobody wants it any more. */
  prepare(delivery: Delivery, nowMs: number): Promise<PreparedDelivery | undefined>
  /** The receiver has answered 410: wants nothing any more. */
  gone?(delivery: Delivery): Promise<void>
  /** The last attempt failed, or it arrived. */
  settled?(delivery: Delivery): Promise<void>
}

export interface PreparedDelivery {
  readonly url: string
  readonly method: 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
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
  /** Deliveries of one lane are tried one after the other where `isOrdered`; also what is listed together. */
  readonly lane: string
  /** What `prepare` works from: JSON, at most 64 KiB; private content as references. */
  readonly content: unknown
  readonly state: 'due' | 'delivered' | 'failed' | 'dropped'
  readonly attempts: readonly Attempt[]
  readonly nextAtMs?: number
  /** RFC 3339. */
  readonly createdAt: string
}

export interface NewDelivery {
  /** Makes the id; one that is known already is not made again. */
  readonly key: string
  readonly lane: string
  readonly content: unknown
  /** Default: at once. */
  readonly notBeforeMs?: number
}

export interface Deliveries {
  /** Registers who prepares the deliveries of this name; attempts begin once it is known. */
  register(sender: Sender): void
  /** The rows that make a delivery due, to be committed with what causes it. */
  draft(sender: string, delivery: NewDelivery): RowChange
  /** The same in a commit of its own; false when it was known. Throws `limit` when too many are due. */
  add(sender: string, delivery: NewDelivery): Promise<boolean>
  get(id: string): Promise<Delivery | undefined>
  /** Newest last; of one lane. */
  list(lane: string, range: { readonly after?: string; readonly limit: number }): Promise<readonly Delivery[]>
  /** Makes settled deliveries due again, from the first attempt. Answers how many. */
  replay(ids: readonly string[]): Promise<number>
  close(): Promise<void>
}

export function openDeliveries(_ports: unknown): Deliveries {
  const refuse = () => {
    throw new Error('to be built')
  }
  return {
    register: refuse,
    draft: refuse,
    add: refuse,
    get: refuse,
    list: refuse,
    replay: refuse,
    close: async () => undefined,
  }
}
