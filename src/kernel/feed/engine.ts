// The engine behind the subscriptions of one hub: one reader, one saver and one alarm for all, and the lease under which each is served.

import type { Env } from '../env.ts'
import type { PolityError } from '../errors.ts'
import { type Failing, openFailing } from '../failing.ts'
import { isElsewhere, LEASE_MS, RENEW_MS } from '../lease.ts'
import { parseEntry } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { StoreReader } from '../store/store.ts'
import { openTurns } from '../turns.ts'
import { type Alarm, openAlarm } from './alarm.ts'
import { Lanes } from './lanes.ts'
import { takeLease } from './leasing.ts'
import { openReadingOnce, type ReadingOnce } from './reading-once.ts'
import { openRouting } from './routing.ts'
import { Saving } from './saving.ts'
import { Subscriber } from './subscriber.ts'
import type { SubscriptionOptions } from './subscription.ts'
import { knownRow, knownRows } from './subscription-rows.ts'
import { openTurnTaking, type TurnTaking } from './turn-taking.ts'

/** Entries that a restart may have to pass over again, for a subscription that wants none of them. */
const UNSAVED_ENTRIES_MAX = 10_000
/** One that has less left than this is renewed by the next watch. */
const RENEWED_BELOW_MS = LEASE_MS - RENEW_MS / 2

export interface EnginePorts {
  readonly log: Log
  readonly reader: StoreReader
  readonly env: Env
  /** Names this hub among those that share the log. */
  readonly holder: string
  /** Whether no other hub can be at work on this log. */
  readonly isAlone: boolean
  readonly onFailure: (error: PolityError) => void
}

export class Engine {
  readonly ports: EnginePorts
  /** All that are open here, also those that another hub serves now. */
  readonly subscribers = new Map<string, Subscriber>()
  /** Changes of one subscription go one after the other. */
  readonly control = openTurns()
  readonly reading: ReadingOnce
  readonly saving: Saving
  readonly #alarm: Alarm
  readonly #turns: TurnTaking
  readonly #routing = openRouting()
  readonly #failing: Failing
  #isClosed = false
  /** Where `#sweep` looked last. */
  #sweptAt: number
  #watching: Promise<void> | undefined
  /** `monotonic`, milliseconds. */
  #watchAtMs: number

  constructor(ports: EnginePorts) {
    const { log, reader, env, onFailure } = ports
    this.ports = ports
    this.#failing = openFailing(onFailure)
    this.#sweptAt = log.head().size
    this.#watchAtMs = env.monotonic() + RENEW_MS
    this.#turns = openTurnTaking(env)
    this.#alarm = openAlarm(env, (nowMs) => this.#tick(nowMs))
    this.saving = new Saving({
      ...ports,
      positionOf: (subscriber) => this.#positionOf(subscriber),
      wakeAt: this.#alarm.wakeAt,
      onConflict: (subscriber) => this.#noteConflict(subscriber),
    })
    this.reading = openReadingOnce({
      log,
      reader,
      env,
      onFailure,
      routing: this.#routing,
      turns: this.#turns,
      behind: new Lanes(),
      onProgress: (position) => this.#sweep(position),
    })
  }

  newSubscriber(options: SubscriptionOptions): Subscriber {
    const { env, reader, isAlone, onFailure } = this.ports
    return new Subscriber(options, {
      env,
      isAlone,
      onFailure,
      wantsTurn: this.#turns.want,
      wantsItems: this.reading.join,
      wantsSaving: (subscriber, isUrgent) => this.saving.want(subscriber, isUrgent),
      wakeAt: this.#alarm.wakeAt,
      async load(seq) {
        const [stored] = await reader.entries({ from: seq, to: seq + 1, limit: 1 })
        return stored && parseEntry(seq, stored.bytes)
      },
    })
  }

  /** Serves it from here on, unless another hub does. */
  async acquire(subscriber: Subscriber, isNew: boolean): Promise<void> {
    const taken = await takeLease(this.ports, subscriber.options, isNew)
    if (subscriber.isClosed || this.#isClosed) return
    if (taken === 'forgotten') {
      subscriber.isClosed = true
      this.subscribers.delete(subscriber.name)
    }
    if (typeof taken === 'string') {
      this.#alarm.wakeAt(this.#watchAtMs)
      return
    }
    subscriber.begin(taken.held, taken.parked)
    this.#routing.add(subscriber)
    subscriber.goOn()
    if (this.#needsWatch()) this.#alarm.wakeAt(this.#watchAtMs)
  }

  /** Not served by this hub any more; what is known of it is saved where it still may. */
  async letGo(subscriber: Subscriber): Promise<void> {
    await subscriber.quiesce()
    subscriber.isClosed = true
    const { lost } = this.ports.log
    if (subscriber.held && !lost.aborted) await this.saving.flush(subscriber).catch(() => undefined)
    this.#drop(subscriber)
  }

  /** Whether it turns out that what was written was its own: an answer was lost on the way. */
  async settleConflict(subscriber: Subscriber): Promise<boolean> {
    const { held } = subscriber
    if (held === undefined || subscriber.isClosed) return false
    const known = await knownRow(this.ports.reader, subscriber.name)
    if (known.version === held.version) return true
    if (known.version === held.version + 1 && isSame(known.row, held.attempted)) {
      held.version = known.version
      if (known.row) held.row = known.row
      this.saving.want(subscriber, true)
      return true
    }
    await subscriber.quiesce()
    this.#drop(subscriber)
    await this.acquire(subscriber, false)
    return false
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#alarm.close()
    const all = [...this.subscribers.values()]
    await Promise.all(all.map((each) => this.control.take(each.name, () => this.letGo(each))))
    await this.#watching
    await this.reading.close()
    await this.saving.close()
    await this.#turns.close()
  }

  #tick(nowMs: number): void {
    for (const subscriber of this.subscribers.values()) subscriber.tick(nowMs)
    this.saving.tick(nowMs)
    if (nowMs >= this.#watchAtMs) {
      this.#watchAtMs = nowMs + RENEW_MS
      this.#watching ??= this.#watch().finally(() => {
        this.#watching = undefined
      })
    }
    if (this.#needsWatch()) this.#alarm.wakeAt(this.#watchAtMs)
  }

  #needsWatch(): boolean {
    return !this.ports.isAlone || [...this.subscribers.values()].some(({ held }) => held === undefined)
  }

  /** Renews what is served, and takes what nobody serves any more. */
  async #watch(): Promise<void> {
    const { env, isAlone } = this.ports
    const all = [...this.subscribers.values()]
    for (const each of all)
      if (each.held && !isAlone && each.held.row.expiresAtMs - env.now() < RENEWED_BELOW_MS)
        this.saving.want(each, true)
    const standing = all.filter(({ held, isClosed }) => held === undefined && !isClosed)
    if (standing.length === 0) return
    try {
      await this.#takeAbandoned(standing)
      this.#failing.works()
    } catch (error) {
      this.#failing.fails(error)
    }
  }

  async #takeAbandoned(standing: readonly Subscriber[]): Promise<void> {
    const names = standing.map(({ name }) => name)
    const known = await knownRows(this.ports.reader, names)
    for (const each of standing) {
      const row = known.get(each.name)?.row
      if (row && isElsewhere(this.ports, row)) continue
      await this.control.take(each.name, async () => {
        if (each.held === undefined && !each.isClosed) await this.acquire(each, false)
      })
    }
  }

  #noteConflict(subscriber: Subscriber): void {
    // Whoever fails is tried again by the watch.
    this.control
      .take(subscriber.name, () => this.settleConflict(subscriber))
      .catch((error) => this.#failing.fails(error))
    this.#alarm.wakeAt(this.#watchAtMs)
  }

  /** Cursors of those who want nothing of what is read move now and then all the same. */
  #sweep(position: number): void {
    if (position < this.#sweptAt + UNSAVED_ENTRIES_MAX && position >= this.#sweptAt) return
    this.#sweptAt = position
    for (const each of this.subscribers.values())
      if (each.held && this.#positionOf(each) - each.held.row.position >= UNSAVED_ENTRIES_MAX)
        this.saving.want(each, false)
  }

  #positionOf(subscriber: Subscriber): number {
    return subscriber.position(this.reading.position)
  }

  #drop(subscriber: Subscriber): void {
    if (subscriber.held) this.#routing.remove(subscriber)
    this.saving.forget(subscriber)
    this.reading.leave(subscriber)
    subscriber.held = undefined
  }
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)
