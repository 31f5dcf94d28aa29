// One subscription that this hub serves: whether it may act, what it tries, and what came of it.

import type { Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { Entry } from '../log/entry.ts'
import { delayBefore, random01 } from '../targets/retry.ts'
import { type Attempt, Attempts, carryOut } from './attempts.ts'
import { Items, type Picked } from './items.ts'
import { type Limits, limitsOf } from './pull-options.ts'
import type { SetAside } from './set-aside.ts'
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

/** Handled items that a crash may repeat, where nothing has to be saved sooner. */
const UNSAVED_ITEMS_MAX = 1000

export class Subscriber {
  readonly options: SubscriptionOptions
  readonly limits: Limits
  readonly isUrgent: boolean
  readonly #ports: SubscriberPorts
  readonly #items: Items
  readonly #attempts: Attempts
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
    this.#items = new Items(options, ports.env)
    this.#attempts = new Attempts(ports.env)
  }

  get name(): string {
    return this.options.name
  }

  get setAside(): SetAside {
    return this.#items.setAside
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
    this.#items.begin(parked)
    this.#readOnFrom(held.row.position)
    this.isStill = false
  }

  /** Forgets what is in memory and reads on from there; what is set aside stays. */
  goTo(position: number): void {
    this.#items.forgetFresh()
    this.#readOnFrom(position)
  }

  /** Everything below is handled or set aside. `livePosition`: of the live reader. */
  position(livePosition: number): number {
    const read = this.#seen(livePosition)
    return Math.min(this.#items.lowest() ?? read, read)
  }

  hasRoom(): boolean {
    return this.#items.hasRoom()
  }

  /** How many entries it can take now. */
  room(): number {
    return this.#items.room()
  }

  /** Takes an entry, which it has room for. */
  offer(entry: Entry, sizeBytes: number): void {
    const taken = this.#items.offer(entry, sizeBytes)
    if (taken === 'behind') this.#ports.wantsSaving(this, false)
    else if (taken === 'fresh' && this.canStart()) this.#ports.wantsTurn(this)
  }

  /** Whether a turn would start something. */
  canStart(): boolean {
    if (!this.isServing || this.#attempts.count >= this.limits.inFlightMax) return false
    return this.#items.isReady()
  }

  startOne(): void {
    const picked = this.#items.pick()
    if (picked) this.#start(picked)
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
    const atMs = this.isServing ? this.setAside.nextAtMs() : undefined
    if (atMs === undefined) return
    const { env, wakeAt, wantsTurn } = this.#ports
    const waitMs = atMs - env.now()
    if (waitMs > 0) wakeAt(env.monotonic() + waitMs)
    else if (this.canStart()) wantsTurn(this)
  }

  /** Starts nothing more, aborts what is under way, and resolves when it has ended or had its time. */
  async quiesce(): Promise<void> {
    this.isStill = true
    for (const attempt of await this.#attempts.abort(this.name)) this.#items.release(attempt)
  }

  /** Items are tried again now. Answers how many. */
  retry(seqs: readonly number[] | undefined): number {
    const count = this.#items.retry(seqs)
    if (count > 0) this.#changed(true)
    return count
  }

  /** Forgets dead items. Answers how many. */
  drop(seqs: readonly number[]): number {
    const count = this.#items.drop(seqs)
    if (count > 0) this.#changed(true)
    return count
  }

  state(livePosition: number, headSize: number): SubscriptionState {
    const seen = this.#seen(livePosition)
    return {
      name: this.name,
      position: this.position(livePosition),
      lag: Math.max(0, headSize - seen),
      underWay: this.#attempts.count,
      parked: this.setAside.size - this.setAside.dead,
      dead: this.setAside.dead,
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
    if (this.isServing && !this.isLive && this.#items.isHalfEmpty()) {
      if (this.hasRoom()) {
        this.#isToldFull = false
        this.#ports.wantsItems(this)
      } else this.#tellFull()
    }
    if (this.canStart()) this.#ports.wantsTurn(this)
    else this.wakeForDue()
  }

  #readOnFrom(position: number): void {
    this.readFrom = position
    this.#unsavedItems = 0
  }

  /** It has looked at everything below. */
  #seen(livePosition: number): number {
    return this.isLive ? Math.max(livePosition, this.skipBelow) : this.readFrom
  }

  #start(picked: Picked): void {
    const attempt = this.#attempts.begin(picked, this.limits.ackWaitMs)
    if (this.#attempts.count === 1) this.#ports.wakeAt(attempt.deadlineMs)
    carryOut(attempt, this.options, this.#ports.load).then(
      () => this.#done(attempt),
      (thrown: unknown) => this.#failed(attempt, thrown),
    )
  }

  #done(attempt: Attempt): void {
    if (!this.#attempts.end(attempt)) return
    this.#items.done(attempt)
    this.#unsavedItems += 1
    this.#changed(this.#unsavedItems >= UNSAVED_ITEMS_MAX)
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
    if (this.#attempts.end(attempt)) this.#items.release(attempt)
  }

  #park(attempt: Attempt, attempts: number, reason: string): void {
    if (!this.#attempts.end(attempt)) return
    const { env } = this.#ports
    const waitMs = delayBefore(this.limits.retry, attempts + 1, random01(env))
    this.#items.park(attempt, { state: 'waiting', attempts, reason, nextAtMs: env.now() + waitMs })
    this.#changed(true)
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
    this.#items.park(attempt, { state: 'dead', attempts, reason: error.message })
    this.#changed(true)
  }

  #changed(isUrgent: boolean): void {
    this.#ports.wantsSaving(this, isUrgent)
    this.goOn()
  }

  #tellFull(): void {
    const { size, room } = this.setAside
    if (this.#isToldFull || room > 0) return
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

const isFinal = (thrown: unknown): boolean =>
  typeof thrown === 'object' && thrown !== null && (thrown as { isFinal?: unknown }).isFinal === true
