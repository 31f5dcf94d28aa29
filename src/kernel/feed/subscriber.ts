// One subscription that this hub serves: what comes in, what is started, and what becomes of it.

import type { Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Entry } from '../log/entry.ts'
import { delayBefore, random01 } from '../targets/retry.ts'
import { type Attempt, Attempts, carryOut } from './attempts.ts'
import { ItemQueue, type QueuedItem } from './item-queue.ts'
import { type Limits, limitsOf } from './pull-options.ts'
import { SetAside } from './set-aside.ts'
import type { ParkedItem, SubscriptionOptions, SubscriptionState } from './subscription.ts'
import { boundedReason, type SubscriptionRow } from './subscription-rows.ts'

/** How the subscriber reaches the rest of the engine. */
export interface SubscriberPorts {
  readonly env: Env
  readonly isAlone: boolean
  /** Something may be started: a turn is wanted. */
  readonly wantsTurn: (subscriber: Subscriber) => void
  /** There is room to read on, and nobody reads for it. */
  readonly wantsItems: (subscriber: Subscriber) => void
  /** Something has to be saved: at once, because somebody may look at it, or when there is more. */
  readonly wantsSaving: (subscriber: Subscriber, isUrgent: boolean) => void
  /** Something has to happen at this time: `monotonic`, milliseconds. */
  readonly wakeAt: (atMs: number) => void
  /** A published entry; undefined where it was pruned. */
  readonly load: (seq: number) => Promise<Entry | undefined>
  readonly onFailure: (error: PolityError) => void
}

/** The lease with which it is served, and what is saved under it. */
export interface Held {
  version: number
  row: SubscriptionRow
  /** What was written last, where it is not known whether it was applied. */
  attempted?: SubscriptionRow
}

/** In order and undivided: the key of everything, where no key is given. */
const ONE_KEY = ''
/** Handled items that a crash may repeat, where nothing has to be saved sooner. */
const UNSAVED_ITEMS_MAX = 1000

export class Subscriber {
  readonly options: SubscriptionOptions
  readonly limits: Limits
  readonly isUrgent: boolean
  readonly #ports: SubscriberPorts
  #queue = new ItemQueue()
  #setAside = new SetAside([])
  readonly #attempts: Attempts
  #isDueNext = false
  #isToldFull = false
  #unsavedItems = 0

  /** Set while this hub serves it. */
  held: Held | undefined
  isPaused = false
  /** Nothing is started: it is being moved, or it ends. */
  isStill = true
  isClosed = false
  /** Owned by the reader: whether it gets what the live reader reads, and otherwise where it goes on. */
  isLive = false
  readFrom = 0
  /** Owned by the reader: entries before this one are none of its business. */
  skipBelow = 0

  constructor(options: SubscriptionOptions, ports: SubscriberPorts) {
    this.options = options
    this.limits = limitsOf(options)
    this.isUrgent = options.lane === 'urgent'
    this.#ports = ports
    this.#attempts = new Attempts(ports.env)
  }

  get name(): string {
    return this.options.name
  }

  get setAside(): SetAside {
    return this.#setAside
  }

  /** Whoever could not renew its lease in time starts nothing: another hub may have begun. */
  get isServing(): boolean {
    if (this.held === undefined || this.isStill || this.isPaused) return false
    return this.#ports.isAlone || this.held.row.expiresAtMs > this.#ports.env.now()
  }

  /** Begins from what is saved. Nothing may be under way. */
  begin(held: Held, parked: readonly ParkedItem[]): void {
    this.held = held
    this.isPaused = held.row.isPaused
    this.#setAside = new SetAside(parked)
    this.goTo(held.row.position)
    this.isStill = false
  }

  /** Forgets what is in memory and reads on from there; what is set aside stays. */
  goTo(position: number): void {
    this.#queue = new ItemQueue()
    for (const key of this.#setAside.keys()) this.#queue.block(key)
    this.readFrom = position
    this.#unsavedItems = 0
  }

  /** Everything below is handled or set aside. `livePosition`: of the live reader. */
  position(livePosition: number): number {
    const read = this.isLive ? Math.max(livePosition, this.skipBelow) : this.readFrom
    return Math.min(this.#queue.lowest() ?? read, read)
  }

  hasRoom(): boolean {
    return this.#queue.hasRoom() && this.#queue.count < this.#setAside.room
  }

  /** How many entries it can take now. */
  room(): number {
    return Math.max(0, this.#setAside.room - this.#queue.count)
  }

  /** Takes an entry, which it has room for. */
  offer(entry: Entry, sizeBytes: number): void {
    const { seq } = entry
    if (this.#setAside.get(seq) !== undefined || !this.#wants(entry)) return
    const key = this.#keyOf(entry)
    if (key !== undefined && this.#isOrdered && this.#setAside.holds(key)) {
      this.#setAside.put(this.#parkedItem({ seq, key, state: 'behind', attempts: 0, reason: '' }))
      this.#ports.wantsSaving(this, false)
      return
    }
    this.#queue.add({ seq, entry, sizeBytes, key, isSettled: false })
    if (this.canStart()) this.#ports.wantsTurn(this)
  }

  /** Whether a turn would start something. */
  canStart(): boolean {
    if (!this.isServing || this.#attempts.count >= this.limits.inFlightMax) return false
    return this.#queue.isReady || this.#isDue()
  }

  /** Starts one item: what is due and what is fresh by turns, so that neither starves the other. */
  startOne(): void {
    const { env } = this.#ports
    this.#isDueNext = !this.#isDueNext
    const isDueFirst = this.#isDueNext || !this.#queue.isReady
    const parked = isDueFirst ? this.#setAside.start(env.now()) : undefined
    const item = parked ? undefined : this.#queue.next()
    if (parked || item) this.#start(item, parked)
  }

  /** Ends attempts that took too long, and says when to look again. */
  tick(nowMs: number): void {
    const { ackWaitMs } = this.limits
    for (const attempt of this.#attempts.overdue(nowMs))
      this.#failed(attempt, new PolityError('timeout', `it was not done within ${ackWaitMs} ms`))
    const nextMs = this.#attempts.nextDeadlineMs()
    if (nextMs !== undefined) this.#ports.wakeAt(nextMs)
    this.wakeForDue()
  }

  wakeForDue(): void {
    const atMs = this.isServing ? this.#setAside.nextAtMs() : undefined
    if (atMs === undefined) return
    const { env, wakeAt, wantsTurn } = this.#ports
    const waitMs = atMs - env.now()
    if (waitMs > 0) wakeAt(env.monotonic() + waitMs)
    else if (this.canStart()) wantsTurn(this)
  }

  /** Starts nothing more, aborts what is under way, and resolves when it has ended or had its time. */
  async quiesce(): Promise<void> {
    this.isStill = true
    for (const { parked } of await this.#attempts.abort(this.name))
      if (parked) this.#setAside.release(parked.seq)
  }

  /** Items are tried again now. Answers how many. */
  retry(seqs: readonly number[] | undefined): number {
    const nowMs = this.#ports.env.now()
    let count = 0
    for (const seq of seqs ?? this.#setAside.list(-1, Number.POSITIVE_INFINITY).map((item) => item.seq)) {
      const item = this.#setAside.get(seq)
      if (item === undefined || item.state === 'behind' || this.#setAside.isUnderWay(seq)) continue
      const { key } = item
      if (key !== undefined && item.state === 'dead') this.#revive(key)
      this.#setAside.put({ ...item, state: 'waiting', nextAtMs: nowMs, ...freshAttempts(item) })
      if (key !== undefined) this.#queueBehind(key)
      count += 1
    }
    if (count > 0) this.#changed(true)
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
    if (count > 0) this.#changed(true)
    return count
  }

  state(livePosition: number, headSize: number): SubscriptionState {
    const position = this.position(livePosition)
    const seen = this.isLive ? Math.max(livePosition, this.skipBelow) : this.readFrom
    return {
      name: this.name,
      position,
      lag: Math.max(0, headSize - seen),
      underWay: this.#attempts.count,
      parked: this.#setAside.size - this.#setAside.dead,
      dead: this.#setAside.dead,
      isPaused: this.isPaused,
    }
  }

  /** Cursor and lease are saved: whoever had stopped for want of a lease goes on. */
  saved(): void {
    this.#unsavedItems = 0
    this.goOn()
  }

  /** Asks for whatever can go on now. */
  goOn(): void {
    if (this.isServing && !this.isLive && this.#queue.isHalfEmpty()) {
      if (this.hasRoom()) {
        this.#isToldFull = false
        this.#ports.wantsItems(this)
      } else this.#tellFull()
    }
    if (this.canStart()) this.#ports.wantsTurn(this)
    else this.wakeForDue()
  }

  get #isOrdered(): boolean {
    return this.options.key !== undefined
  }

  /** What the filter throws is thrown again when the item is tried, and sets it aside. */
  #wants(entry: Entry): boolean {
    try {
      return this.options.filter?.(entry) ?? true
    } catch {
      return true
    }
  }

  #keyOf(entry: Entry): string | undefined {
    try {
      return this.options.key === undefined ? ONE_KEY : this.options.key(entry)
    } catch {
      return undefined
    }
  }

  #isDue(): boolean {
    const atMs = this.#setAside.nextAtMs()
    return atMs !== undefined && atMs <= this.#ports.env.now()
  }

  #start(item: QueuedItem | undefined, parked: ParkedItem | undefined): void {
    const attempt = this.#attempts.begin(item, parked, this.limits.ackWaitMs)
    if (this.#attempts.count === 1) this.#ports.wakeAt(attempt.deadlineMs)
    carryOut(attempt, this.options, this.#ports.load).then(
      () => this.#done(attempt),
      (thrown: unknown) => this.#failed(attempt, thrown),
    )
  }

  #done(attempt: Attempt): void {
    if (!this.#attempts.end(attempt)) return
    const { item, parked } = attempt
    if (item) {
      this.#queue.settle(item)
      this.#freed(item.key)
    } else if (parked) {
      this.#setAside.take(parked.seq)
      this.#freed(parked.key)
    }
    this.#unsavedItems += 1
    this.#changed(this.#unsavedItems >= UNSAVED_ITEMS_MAX)
  }

  /** Nothing of the key is under way any more. */
  #freed(key: string | undefined): void {
    if (key === undefined) return
    if (this.#setAside.holds(key)) this.#setAside.unhold(key)
    else this.#queue.free(key)
  }

  #failed(attempt: Attempt, thrown: unknown): void {
    if (attempt.isOver || attempt.isEnding) return
    // Ended by us, not by itself: it is as if it had not been tried.
    if (attempt.abortedBy) {
      this.#undone(attempt)
      return
    }
    attempt.controller?.abort(thrown)
    const error = asPolityError(thrown)
    const attempts = (attempt.parked?.attempts ?? 0) + (attempt.isUnread ? 0 : 1)
    if (attempt.isUnread || (attempts < this.limits.deliverMax && !isFinal(thrown))) {
      this.#park(attempt, attempts, error.message)
      return
    }
    attempt.isEnding = true
    this.#giveUp(attempt, attempts, error)
  }

  #undone(attempt: Attempt): void {
    if (!this.#attempts.end(attempt)) return
    if (attempt.parked) this.#setAside.release(attempt.parked.seq)
  }

  #park(attempt: Attempt, attempts: number, reason: string): void {
    if (!this.#attempts.end(attempt)) return
    const { env } = this.#ports
    const waitMs = delayBefore(this.limits.retry, attempts + 1, random01(env))
    this.#put(attempt, { state: 'waiting', attempts, reason, nextAtMs: env.now() + waitMs })
  }

  /** `dead` is called before the item is: what it throws is tried again with the item. */
  async #giveUp(attempt: Attempt, attempts: number, error: PolityError): Promise<void> {
    const { dead } = this.options
    try {
      const entry = attempt.item?.entry ?? (dead && (await this.#ports.load(attempt.seq)))
      if (entry) await dead?.call(this.options, entry, boundedReason(error.message))
    } catch (thrown) {
      this.#ports.onFailure(asPolityError(thrown))
      this.#park(attempt, attempts, error.message)
      return
    }
    if (!this.#attempts.end(attempt)) return
    this.#put(attempt, { state: 'dead', attempts, reason: error.message })
  }

  #put(attempt: Attempt, what: Omit<Parking, 'seq' | 'key'>): void {
    const { item, parked, seq } = attempt
    const key = item ? item.key : parked?.key
    this.#setAside.put(this.#parkedItem({ seq, ...(key === undefined ? {} : { key }), ...what }, parked))
    if (item) this.#queue.settle(item)
    if (key !== undefined) this.#queueBehind(key)
    this.#freed(key)
    this.#changed(true)
  }

  /** What waits in memory for a key that waits now is set aside with it; in one key, it waits in the log. */
  #queueBehind(key: string): void {
    if (!this.#isOrdered || !this.#setAside.holds(key)) return
    for (const item of this.#queue.takeWaiting(key)) {
      const behind = { seq: item.seq, key, state: 'behind', attempts: 0, reason: '' } as const
      this.#setAside.put(this.#parkedItem(behind))
      this.#queue.settle(item)
    }
  }

  #revive(key: string): void {
    if (this.#setAside.holds(key)) return
    if (this.#queue.isBusy(key)) this.#setAside.hold(key)
    else this.#queue.block(key)
  }

  #parkedItem(parking: Parking, before?: ParkedItem): ParkedItem {
    const parkedAt = before?.parkedAt ?? new Date(this.#ports.env.now()).toISOString()
    return { ...parking, reason: boundedReason(parking.reason), parkedAt }
  }

  #changed(isUrgent: boolean): void {
    this.#ports.wantsSaving(this, isUrgent)
    this.goOn()
  }

  #tellFull(): void {
    const { size } = this.#setAside
    if (this.#isToldFull || this.#setAside.room > 0) return
    this.#isToldFull = true
    this.#ports.onFailure(
      new PolityError(
        'limit',
        `the subscription ${JSON.stringify(this.name)} stands still: ${size} items are set aside. Retry or drop some`,
        { subscription: this.name, parked: size },
      ),
    )
  }
}

type Parking = Omit<ParkedItem, 'parkedAt'>

/** An item that was given up gets all its attempts again. */
const freshAttempts = ({ state }: ParkedItem): Partial<ParkedItem> =>
  state === 'dead' ? { attempts: 0 } : {}

const isFinal = (thrown: unknown): boolean =>
  typeof thrown === 'object' && thrown !== null && (thrown as { isFinal?: unknown }).isFinal === true
