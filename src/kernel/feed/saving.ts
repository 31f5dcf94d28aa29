// Saves cursors and items set aside: lazily, of many subscriptions in one commit, each fenced by the version of its row.

import type { Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { openRetrying, type Retrying } from '../failing.ts'
import { LEASE_MS } from '../lease.ts'
import type { Log } from '../log/log.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import type { RowPlace } from '../store/store.ts'
import type { Unsaved } from './set-aside.ts'
import type { Held, Subscriber } from './subscriber.ts'
import { itemKey, PARKED, SUBSCRIPTIONS, type SubscriptionRow } from './subscription-rows.ts'

/** What a crash repeats, where nothing asks for it sooner. */
const SAVE_INTERVAL_MS = 250
/** Rows of one commit. */
const ROWS_MAX = 1000

export interface SavingPorts {
  readonly log: Pick<Log, 'append' | 'lost'>
  readonly env: Env
  readonly holder: string
  readonly positionOf: (subscriber: Subscriber) => number
  readonly wakeAt: (atMs: number) => void
  /** Somebody else has written its row. */
  readonly onConflict: (subscriber: Subscriber) => void
  readonly onFailure: (error: PolityError) => void
}

interface Waiter {
  resolve(): void
  reject(error: PolityError): void
}

type Waiters = Map<Subscriber, readonly Waiter[]>

/** What one commit says of one subscription. */
interface Part {
  readonly subscriber: Subscriber
  readonly held: Held
  readonly row: SubscriptionRow
  readonly unsaved: Unsaved
  readonly waiters: readonly Waiter[]
}

export class Saving {
  readonly #ports: SavingPorts
  readonly #retrying: Retrying
  /** To be saved now. */
  readonly #dirty = new Set<Subscriber>()
  /** To be saved when it is time, or when something else is saved. */
  readonly #lazy = new Set<Subscriber>()
  readonly #waiters: Waiters = new Map()
  readonly #closing = new AbortController()
  #dueMs = Number.POSITIVE_INFINITY
  #running: Promise<void> | undefined

  constructor(ports: SavingPorts) {
    this.#ports = ports
    this.#retrying = openRetrying(ports.env, ports.onFailure)
  }

  /** In a while, or at once. */
  want(subscriber: Subscriber, isUrgent: boolean): void {
    if (subscriber.held === undefined) return
    if (isUrgent) {
      this.#dirty.add(subscriber)
      this.#start()
      return
    }
    this.#lazy.add(subscriber)
    if (this.#dueMs < Number.POSITIVE_INFINITY) return
    this.#dueMs = this.#ports.env.monotonic() + SAVE_INTERVAL_MS
    this.#ports.wakeAt(this.#dueMs)
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#dueMs) this.#start()
    else if (this.#dueMs < Number.POSITIVE_INFINITY) this.#ports.wakeAt(this.#dueMs)
  }

  /**
   * Everything it has to save now is saved. Rejects with `expectation.failed` where somebody else has written its
   * row, or with what the log failed with: then it is tried again all the same.
   */
  flush(subscriber: Subscriber): Promise<void> {
    return new Promise((resolve, reject) => {
      if (subscriber.held === undefined || this.#isOver())
        return reject(new PolityError('log.closed', `${subscriber.name} is not served by this hub any more`))
      this.#waiters.set(subscriber, [...this.#waitersOf(subscriber), { resolve, reject }])
      this.#dirty.add(subscriber)
      this.#start()
    })
  }

  /** It is served no more: what waits for it is refused. */
  forget(subscriber: Subscriber): void {
    this.#dirty.delete(subscriber)
    this.#lazy.delete(subscriber)
    this.#refuse(
      subscriber,
      new PolityError('cancelled', `${subscriber.name} is not served by this hub any more`),
    )
  }

  /** Ends trying again. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#running
  }

  #isOver(): boolean {
    return this.#closing.signal.aborted || this.#ports.log.lost.aborted
  }

  #waitersOf(subscriber: Subscriber): readonly Waiter[] {
    return this.#waiters.get(subscriber) ?? []
  }

  #start(): void {
    this.#dueMs = Number.POSITIVE_INFINITY
    for (const subscriber of this.#lazy) this.#dirty.add(subscriber)
    this.#lazy.clear()
    this.#running ??= Promise.resolve().then(() => this.#saveAll())
  }

  async #saveAll(): Promise<void> {
    while (this.#dirty.size > 0 && !this.#isOver()) {
      const parts = takeParts(this.#ports, this.#dirty, this.#waiters)
      try {
        await commit(this.#ports.log, parts)
        for (const part of parts) settle(part)
        this.#retrying.works()
      } catch (thrown) {
        await this.#failed(asPolityError(thrown, 'store.failed'), parts)
      }
    }
    this.#running = undefined
  }

  /** What was not saved is to be saved again; by whoever lost its row, once it is known who has it. */
  async #failed(error: PolityError, parts: readonly Part[]): Promise<void> {
    const rival = rivalOf(error, parts)
    for (const part of parts) this.#giveBack(part, rival !== part)
    if (rival) {
      this.#refuse(rival.subscriber, error)
      this.#ports.onConflict(rival.subscriber)
      return
    }
    // Whether it was applied is not known: the next attempt will find out by the version.
    for (const { held, row } of parts) held.attempted = row
    for (const { subscriber } of parts) this.#refuse(subscriber, error)
    await this.#retrying.fails(error, this.#closing.signal)
  }

  #giveBack({ subscriber, unsaved, waiters }: Part, isAgain: boolean): void {
    subscriber.setAside.back(unsaved)
    this.#waiters.set(subscriber, [...waiters, ...this.#waitersOf(subscriber)])
    if (isAgain) this.#dirty.add(subscriber)
  }

  #refuse(subscriber: Subscriber, error: PolityError): void {
    for (const { reject } of this.#waitersOf(subscriber)) reject(error)
    this.#waiters.delete(subscriber)
  }
}

/** As many as fit into one commit; the cursor moves only together with the last of what it passes. */
function takeParts(
  { env, holder, positionOf }: SavingPorts,
  dirty: Set<Subscriber>,
  waiters: Waiters,
): readonly Part[] {
  const parts: Part[] = []
  let room = ROWS_MAX
  for (const subscriber of dirty) {
    if (room <= 1) break
    dirty.delete(subscriber)
    const { held } = subscriber
    if (held === undefined) continue
    const position = positionOf(subscriber)
    const unsaved = subscriber.setAside.takeUnsaved(room - 1)
    const isWhole = subscriber.setAside.unsavedCount === 0
    if (!isWhole) dirty.add(subscriber)
    room -= 1 + unsaved.size
    const expiresAtMs = subscriber.isClosed ? 0 : env.now() + LEASE_MS
    const { isPaused } = subscriber
    parts.push({
      subscriber,
      held,
      row: { holder, expiresAtMs, isPaused, position: isWhole ? position : held.row.position },
      unsaved,
      waiters: isWhole ? (waiters.get(subscriber) ?? []) : [],
    })
    if (isWhole) waiters.delete(subscriber)
  }
  return parts
}

function settle({ held, row, subscriber, waiters }: Part): void {
  held.version += 1
  held.row = row
  subscriber.saved()
  for (const { resolve } of waiters) resolve()
}

async function commit(log: Pick<Log, 'append'>, parts: readonly Part[]): Promise<void> {
  if (parts.length === 0) return
  const expect: Expectation[] = []
  const rows: WorkingWrite[] = []
  const drop: RowPlace[] = []
  for (const { subscriber, held, row, unsaved } of parts) {
    const { name } = subscriber
    expect.push({ table: SUBSCRIPTIONS, key: name, version: held.version })
    rows.push({ table: SUBSCRIPTIONS, key: name, value: JSON.stringify(row) })
    for (const [seq, item] of unsaved) {
      const place = { table: PARKED, key: itemKey(name, seq) }
      if (item === undefined) drop.push(place)
      else rows.push({ ...place, value: JSON.stringify(item) })
    }
  }
  await log.append({ entries: [], expect, rows, drop }, { isReserved: true })
}

/** Whose row somebody else has written. */
const rivalOf = ({ code, facts }: PolityError, parts: readonly Part[]): Part | undefined =>
  code === 'expectation.failed' ? parts.find(({ subscriber }) => subscriber.name === facts.key) : undefined
