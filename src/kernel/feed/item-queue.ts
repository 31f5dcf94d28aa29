// Items of one subscription that were read and are not handled yet: which may start, which wait for their key, and the low watermark.

import type { Entry } from '../log/entry.ts'
import { Fifo } from './fifo.ts'

/** Items in memory per subscription; one that is slower falls behind and reads for itself later. */
const QUEUE_MAX = 1024
/** The same in bytes of their entries; one entry may go beyond. */
const QUEUE_SIZE_MAX_BYTES = 4 * 1024 * 1024

export interface QueuedItem {
  readonly seq: number
  readonly entry: Entry
  readonly sizeBytes: number
  /** undefined: no order. */
  readonly key: string | undefined
  /** Handled or set aside: the watermark may pass it. */
  isSettled: boolean
}

/** Owned by the subscriber. */
export class ItemQueue {
  /** In the order in which they were read. */
  readonly #window = new Fifo<QueuedItem>()
  readonly #ready = new Fifo<QueuedItem>()
  /** Keys of which an item is ready, under way or set aside, and what waits for each. */
  readonly #keys = new Map<string, Fifo<QueuedItem>>()
  #count = 0
  #sizeBytes = 0

  /** Items that are not settled. */
  get count(): number {
    return this.#count
  }

  get isReady(): boolean {
    return this.#ready.length > 0
  }

  hasRoom(): boolean {
    return this.#count < QUEUE_MAX && this.#sizeBytes < QUEUE_SIZE_MAX_BYTES
  }

  isHalfEmpty(): boolean {
    return this.#count * 2 <= QUEUE_MAX && this.#sizeBytes * 2 <= QUEUE_SIZE_MAX_BYTES
  }

  isBusy(key: string): boolean {
    return this.#keys.has(key)
  }

  /** Nothing of the key becomes ready until `free`. */
  block(key: string): void {
    if (!this.#keys.has(key)) this.#keys.set(key, new Fifo())
  }

  add(item: QueuedItem): void {
    this.#window.push(item)
    this.#count += 1
    this.#sizeBytes += item.sizeBytes
    const waiting = item.key === undefined ? undefined : this.#keys.get(item.key)
    if (waiting) {
      waiting.push(item)
      return
    }
    if (item.key !== undefined) this.block(item.key)
    this.#ready.push(item)
  }

  next(): QueuedItem | undefined {
    return this.#ready.shift()
  }

  settle(item: QueuedItem): void {
    if (item.isSettled) return
    item.isSettled = true
    this.#count -= 1
    this.#sizeBytes -= item.sizeBytes
    while (this.#window.peek()?.isSettled) this.#window.shift()
  }

  /** The key's item is done: the next one that waits for it is ready. */
  free(key: string): void {
    const next = this.#keys.get(key)?.shift()
    if (next) this.#ready.push(next)
    else this.#keys.delete(key)
  }

  /** Everything that waits for a key, in order; the key stays blocked. */
  takeWaiting(key: string): readonly QueuedItem[] {
    const taken: QueuedItem[] = []
    const waiting = this.#keys.get(key)
    for (let item = waiting?.shift(); item; item = waiting?.shift()) taken.push(item)
    return taken
  }

  /** The oldest seq that is not settled. */
  lowest(): number | undefined {
    return this.#window.peek()?.seq
  }
}
