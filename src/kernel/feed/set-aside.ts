// Items of one subscription that are set aside: waiting for their next attempt, behind one of their key, or dead.

import { DueTimes } from './due-times.ts'
import { PARKED_MAX, type ParkedItem } from './subscription.ts'

/** Not yet saved: seq -> what its row becomes; undefined: it goes. */
export type Unsaved = ReadonlyMap<number, ParkedItem | undefined>

/** Owned by the subscriber. Everything here is saved in one commit with its cursor, or before it. */
export class SetAside {
  readonly #items = new Map<number, ParkedItem>()
  /** Per key, the seqs of living items in order: the first one waits, the others are behind it. */
  readonly #chains = new Map<string, number[]>()
  readonly #due = new DueTimes()
  readonly #underWay = new Set<number>()
  /** Keys of which something is under way, here or fresh from the log. */
  readonly #busy = new Set<string>()
  #unsaved = new Map<number, ParkedItem | undefined>()
  #dead = 0

  constructor(saved: readonly ParkedItem[]) {
    for (const item of saved) this.#insert(item)
    // Whoever was first is done, and what was behind it does not know yet.
    for (const seq of [...this.#items.keys()]) this.#wakeFirst(this.#items.get(seq)?.key)
    this.#unsaved.clear()
  }

  get size(): number {
    return this.#items.size
  }

  get dead(): number {
    return this.#dead
  }

  get room(): number {
    return PARKED_MAX - this.#items.size
  }

  get unsavedCount(): number {
    return this.#unsaved.size
  }

  get(seq: number): ParkedItem | undefined {
    return this.#items.get(seq)
  }

  keys(): Iterable<string> {
    return this.#chains.keys()
  }

  /** Whether a living item of the key is here: then whatever comes later waits. */
  holds(key: string): boolean {
    return this.#chains.has(key)
  }

  /** In seq order. */
  list(after: number, limit: number): readonly ParkedItem[] {
    return [...this.#items.values()]
      .filter(({ seq }) => seq > after)
      .sort((a, b) => a.seq - b.seq)
      .slice(0, limit)
  }

  /** An item is set aside, or set aside again. */
  put(item: ParkedItem): void {
    this.#remove(item.seq)
    this.#insert(item)
    this.#unsaved.set(item.seq, item)
    this.#wakeFirst(item.key)
  }

  /** An item is done or dropped. The next of its key is due at once. */
  take(seq: number): void {
    const item = this.#remove(seq)
    if (item === undefined) return
    this.#unsaved.set(seq, undefined)
    this.#wakeFirst(item.key)
  }

  /** When the next attempt is due, wall clock; undefined when none is. */
  nextAtMs(): number | undefined {
    for (let next = this.#due.peek(); next; next = this.#due.peek()) {
      if (this.#isCurrent(next.seq, next.atMs)) return next.atMs
      this.#due.shift()
    }
    return undefined
  }

  /** The next item whose time has come. It is under way until `put`, `take` or `release`. */
  start(nowMs: number): ParkedItem | undefined {
    const atMs = this.nextAtMs()
    if (atMs === undefined || atMs > nowMs) return undefined
    const seq = this.#due.shift()?.seq
    const item = seq === undefined ? undefined : this.#items.get(seq)
    if (item) this.#underWay.add(item.seq)
    if (item?.key !== undefined) this.#busy.add(item.key)
    return item
  }

  /** A fresh item of the key is under way: nothing of it starts here until `unhold`. */
  hold(key: string): void {
    this.#busy.add(key)
  }

  unhold(key: string): void {
    this.#busy.delete(key)
    this.#wakeFirst(key)
  }

  /** An attempt ended without saying anything about the item: it is due as before. */
  release(seq: number): void {
    const item = this.#items.get(seq)
    this.#rest(item)
    if (item?.state !== 'waiting' || item.nextAtMs === undefined) return
    if (item.key === undefined) this.#due.add({ atMs: item.nextAtMs, seq })
    else this.#wakeFirst(item.key)
  }

  isUnderWay(seq: number): boolean {
    return this.#underWay.has(seq)
  }

  /** What has to be saved; it counts as saved until it is given `back`. */
  takeUnsaved(max: number): Unsaved {
    const all = [...this.#unsaved]
    // What comes before what goes: the cursor may only pass what is kept.
    if (all.length > max) all.sort(([, a], [, b]) => Number(a === undefined) - Number(b === undefined))
    this.#unsaved = new Map(all.slice(max))
    return new Map(all.slice(0, max))
  }

  back(unsaved: Unsaved): void {
    for (const [seq, item] of unsaved) if (!this.#unsaved.has(seq)) this.#unsaved.set(seq, item)
  }

  #isCurrent(seq: number, atMs: number): boolean {
    const item = this.#items.get(seq)
    if (item?.state !== 'waiting' || item.nextAtMs !== atMs || this.#underWay.has(seq)) return false
    const { key } = item
    return key === undefined || (!this.#busy.has(key) && this.#chains.get(key)?.[0] === seq)
  }

  #rest(item: ParkedItem | undefined): void {
    if (item === undefined || !this.#underWay.delete(item.seq)) return
    if (item.key !== undefined) this.#busy.delete(item.key)
  }

  #insert(item: ParkedItem): void {
    this.#items.set(item.seq, item)
    if (item.state === 'dead') {
      this.#dead += 1
      return
    }
    if (item.state === 'waiting' && item.nextAtMs !== undefined)
      this.#due.add({ atMs: item.nextAtMs, seq: item.seq })
    if (item.key === undefined) return
    const chain = this.#chains.get(item.key) ?? []
    this.#chains.set(item.key, chain)
    chain.push(item.seq)
    // Only what a seek brought again, or an operator back to life, is out of order.
    if (chain.length > 1 && item.seq < (chain.at(-2) ?? 0)) chain.sort((a, b) => a - b)
  }

  #remove(seq: number): ParkedItem | undefined {
    const item = this.#items.get(seq)
    this.#rest(item)
    if (item === undefined) return undefined
    this.#items.delete(seq)
    if (item.state === 'dead') this.#dead -= 1
    const chain = item.key === undefined || item.state === 'dead' ? undefined : this.#chains.get(item.key)
    if (chain === undefined || item.key === undefined) return item
    if (chain[0] === seq) chain.shift()
    else chain.splice(chain.indexOf(seq), 1)
    if (chain.length === 0) this.#chains.delete(item.key)
    return item
  }

  /** The first of a key is behind nobody; what it was not due for while others were before it, it is due for now. */
  #wakeFirst(key: string | undefined): void {
    const seq = key === undefined ? undefined : this.#chains.get(key)?.[0]
    const item = seq === undefined ? undefined : this.#items.get(seq)
    if (item === undefined || this.#underWay.has(item.seq)) return
    const { nextAtMs = 0 } = item
    if (item.state === 'behind') this.#items.set(item.seq, { ...item, state: 'waiting', nextAtMs })
    this.#due.add({ atMs: nextAtMs, seq: item.seq })
  }
}
