// What one subscription has in hand: items fresh from the log, items set aside, and the order of a key between the two.

import type { Env } from '../env.ts'
import type { Entry } from '../log/entry.ts'
import { ItemQueue, type QueuedItem } from './item-queue.ts'
import { SetAside } from './set-aside.ts'
import type { ParkedItem, SubscriptionOptions } from './subscription.ts'
import { boundedReason } from './subscription-rows.ts'

/** One of the two: fresh from the log, or set aside before. */
export interface Picked {
  readonly item: QueuedItem | undefined
  readonly parked: ParkedItem | undefined
}

/** What is said of an item that is set aside. */
export type Parking = Pick<ParkedItem, 'state' | 'attempts' | 'reason' | 'nextAtMs'>

/** In order and undivided: the key of everything, where no key is given. */
const ONE_KEY = ''
const BEHIND: Parking = { state: 'behind', attempts: 0, reason: '' }

/** Owned by the subscriber, who says what becomes of each. */
export class Items {
  readonly #options: SubscriptionOptions
  readonly #env: Env
  #queue = new ItemQueue()
  #setAside = new SetAside([])
  #isDueNext = false

  constructor(options: SubscriptionOptions, env: Env) {
    this.#options = options
    this.#env = env
  }

  get setAside(): SetAside {
    return this.#setAside
  }

  /** Begins from what is saved. */
  begin(parked: readonly ParkedItem[]): void {
    this.#setAside = new SetAside(parked)
    this.forgetFresh()
  }

  /** What is set aside stays. */
  forgetFresh(): void {
    this.#queue = new ItemQueue()
    for (const key of this.#setAside.keys()) this.#queue.block(key)
  }

  /** The oldest fresh seq that is neither handled nor set aside. */
  lowest(): number | undefined {
    return this.#queue.lowest()
  }

  hasRoom(): boolean {
    return this.#queue.hasRoom() && this.#queue.count < this.#setAside.room
  }

  /** How many entries it can take now. */
  room(): number {
    return Math.max(0, this.#setAside.room - this.#queue.count)
  }

  isHalfEmpty(): boolean {
    return this.#queue.isHalfEmpty()
  }

  /** Takes an entry, which it has room for. Answers whether it is set aside, because its key is; undefined: unwanted. */
  offer(entry: Entry, sizeBytes: number): 'fresh' | 'behind' | undefined {
    const { seq } = entry
    if (this.#setAside.get(seq) !== undefined || !this.#wants(entry)) return undefined
    const key = this.#keyOf(entry)
    if (key !== undefined && this.#isOrdered && this.#setAside.holds(key)) {
      this.#put(seq, key, BEHIND)
      return 'behind'
    }
    this.#queue.add({ seq, entry, sizeBytes, key, isSettled: false })
    return 'fresh'
  }

  /** Whether something may be started now. */
  isReady(): boolean {
    return this.#queue.isReady || this.#isDue()
  }

  /** What is due and what is fresh by turns, so that neither starves the other. */
  pick(): Picked | undefined {
    this.#isDueNext = !this.#isDueNext
    const isDueFirst = this.#isDueNext || !this.#queue.isReady
    const parked = isDueFirst ? this.#setAside.start(this.#env.now()) : undefined
    const item = parked ? undefined : this.#queue.next()
    return parked || item ? { item, parked } : undefined
  }

  /** It is handled. */
  done({ item, parked }: Picked): void {
    if (item) {
      this.#queue.settle(item)
      this.#freed(item.key)
    } else if (parked) {
      this.#setAside.take(parked.seq)
      this.#freed(parked.key)
    }
  }

  /** It was not handled: it is set aside, and what waits for its key behind it. */
  park({ item, parked }: Picked, parking: Parking): void {
    const { seq, key } = item ?? parked ?? {}
    if (seq === undefined) return
    this.#put(seq, key, parking, parked)
    if (item) this.#queue.settle(item)
    if (key !== undefined) this.#queueBehind(key)
    this.#freed(key)
  }

  /** It is as if it had not been tried. */
  release({ parked }: Pick<Picked, 'parked'>): void {
    if (parked) this.#setAside.release(parked.seq)
  }

  /** Items are tried again now; all when none are named. Answers how many. */
  retry(seqs: readonly number[] | undefined): number {
    const nextAtMs = this.#env.now()
    let count = 0
    for (const seq of seqs ?? this.#setAside.list(-1, Number.POSITIVE_INFINITY).map((item) => item.seq)) {
      const item = this.#setAside.get(seq)
      if (item === undefined || item.state === 'behind' || this.#setAside.isUnderWay(seq)) continue
      const { key } = item
      if (key !== undefined && item.state === 'dead') this.#revive(key)
      this.#setAside.put({ ...item, state: 'waiting', nextAtMs, ...freshAttempts(item) })
      if (key !== undefined) this.#queueBehind(key)
      count += 1
    }
    return count
  }

  /** Forgets dead items. Answers how many. */
  drop(seqs: readonly number[]): number {
    let count = 0
    for (const seq of new Set(seqs)) {
      if (this.#setAside.get(seq)?.state !== 'dead') continue
      this.#setAside.take(seq)
      count += 1
    }
    return count
  }

  get #isOrdered(): boolean {
    return this.#options.key !== undefined
  }

  /** What the filter throws is thrown again when the item is tried, and sets it aside. */
  #wants(entry: Entry): boolean {
    try {
      return this.#options.filter?.(entry) ?? true
    } catch {
      return true
    }
  }

  #keyOf(entry: Entry): string | undefined {
    try {
      return this.#options.key === undefined ? ONE_KEY : this.#options.key(entry)
    } catch {
      return undefined
    }
  }

  #isDue(): boolean {
    const atMs = this.#setAside.nextAtMs()
    return atMs !== undefined && atMs <= this.#env.now()
  }

  #put(seq: number, key: string | undefined, parking: Parking, before?: ParkedItem): void {
    this.#setAside.put({
      seq,
      ...(key === undefined ? {} : { key }),
      ...parking,
      reason: boundedReason(parking.reason),
      parkedAt: before?.parkedAt ?? new Date(this.#env.now()).toISOString(),
    })
  }

  /** Nothing of the key is under way any more. */
  #freed(key: string | undefined): void {
    if (key === undefined) return
    if (this.#setAside.holds(key)) this.#setAside.unhold(key)
    else this.#queue.free(key)
  }

  /** What waits in memory for a key that waits now is set aside with it; in one key, it waits in the log. */
  #queueBehind(key: string): void {
    if (!this.#isOrdered || !this.#setAside.holds(key)) return
    for (const item of this.#queue.takeWaiting(key)) {
      this.#put(item.seq, key, BEHIND)
      this.#queue.settle(item)
    }
  }

  #revive(key: string): void {
    if (this.#setAside.holds(key)) return
    if (this.#queue.isBusy(key)) this.#setAside.hold(key)
    else this.#queue.block(key)
  }
}

/** An item that was given up gets all its attempts again. */
const freshAttempts = ({ state }: ParkedItem): Partial<ParkedItem> =>
  state === 'dead' ? { attempts: 0 } : {}
