// The loop that carries the deliveries of one sender: under a lease, lane by lane, so that no receiver holds up another.

import { pause } from '../env.ts'
import { asPolityError } from '../errors.ts'
import { openRetrying } from '../failing.ts'
import { acquireLease, type Lease, type LeasePorts, RENEW_MS } from '../lease.ts'
import type { Log } from '../log/log.ts'
import { SCAN_LIMIT_MAX, type StoreReader } from '../store/store.ts'
import { type AttemptPorts, attemptDelivery, type Queued } from './attempt.ts'
import type { Sender } from './delivery.ts'
import { isIdle, type Lane, newLane, readyAtMs } from './lane.ts'
import { type OutboxPorts, takeOutbox } from './outbox.ts'
import {
  afterLane,
  DELIVERY_LEASES,
  DELIVERY_QUEUE,
  laneOfQueueKey,
  lanePrefix,
  ORDERED,
  type QueueRow,
  queuePrefix,
  TIMED,
} from './rows.ts'

/** Attempts under way at a time, of all senders; lanes that failed last get at most half of the places. */
export const UNDER_WAY_MAX = 128
const FAILING_UNDER_WAY_MAX = UNDER_WAY_MAX / 2
const OUTBOX_POLL_MIN_MS = 10
/** Only this hub drafts, and says so, or others may, too. */
const OUTBOX_POLL_ALONE_MAX_MS = 60_000
const OUTBOX_POLL_MAX_MS = 5_000
/** How often a hub looks for lanes that others have filled; alone, for those whose commit was thought to have failed. */
const DISCOVER_MS = 1_000
const DISCOVER_ALONE_MS = 60_000
/** Clocks jump, so nobody sleeps for longer than this on the word of one. */
const WAIT_MAX_MS = 60_000
const UNCOMMITTED_WAIT_MS = 250

export interface SendingPorts extends AttemptPorts, LeasePorts, OutboxPorts {
  readonly log: Pick<Log, 'append' | 'lost'>
  readonly reader: Pick<StoreReader, 'load' | 'scan'>
  /** Shared by all senders of the hub. */
  readonly places: { underWay: number; failing: number }
}

export interface Sending {
  /** Something may be due in this lane. */
  kick(lane: string): void
  /** A draft was made, and may be committed soon. */
  drafted(): void
  close(): Promise<void>
}

export function openSending(ports: SendingPorts, sender: Sender, onSettled: () => void): Sending {
  const closing = new AbortController()
  const loop = new SendingLoop(ports, sender, onSettled, closing.signal)
  const running = loop.run()
  return {
    kick: (lane) => loop.kick(lane),
    drafted: () => loop.drafted(),
    async close() {
      closing.abort()
      await running
      await loop.drained()
      await loop.released()
    },
  }
}

class SendingLoop {
  readonly #ports: SendingPorts
  readonly #sender: Sender
  readonly #onSettled: () => void
  readonly #signal: AbortSignal
  /** Lanes with something due or under way; in the order in which they were served. */
  readonly #lanes = new Map<string, Lane>()
  readonly #attempts = new Set<Promise<void>>()
  #held: Lease | undefined
  #outboxPollMs = OUTBOX_POLL_MIN_MS
  #outboxAtMs = 0
  #discoverAtMs = 0
  #news = new AbortController()

  constructor(ports: SendingPorts, sender: Sender, onSettled: () => void, signal: AbortSignal) {
    this.#ports = ports
    this.#sender = sender
    this.#onSettled = onSettled
    this.#signal = signal
  }

  kick(name: string): void {
    this.#lane(name).nextAtMs = 0
    this.#news.abort()
  }

  drafted(): void {
    this.#outboxPollMs = OUTBOX_POLL_MIN_MS
    this.#outboxAtMs = 0
    this.#news.abort()
  }

  async released(): Promise<void> {
    await this.#held?.release()
  }

  async drained(): Promise<void> {
    await Promise.all(this.#attempts)
  }

  async run(): Promise<void> {
    const { env, onFailure, log } = this.#ports
    // Another hub has the lease now: it has nothing to tell.
    const retrying = openRetrying(env, onFailure, ['expectation.failed'])
    const isOver = () => this.#signal.aborted || log.lost.aborted
    while (!isOver()) {
      try {
        this.#held = undefined
        const place = { table: DELIVERY_LEASES, key: this.#sender.name }
        const lease = await acquireLease(this.#ports, place)
        if (lease === undefined) {
          await pause(env, RENEW_MS, this.#signal)
          continue
        }
        this.#discoverAtMs = 0
        for (
          let held: Lease | undefined = lease;
          held !== undefined && !isOver();
          held = await held.renewed()
        ) {
          this.#held = held
          await this.#turn()
          retrying.works()
          await this.#wait(held)
        }
      } catch (thrown) {
        if (this.#signal.aborted) return
        await retrying.fails(thrown, this.#signal)
      }
    }
  }

  /** Takes in what is new, and starts what is due. */
  async #turn(): Promise<void> {
    this.#news = new AbortController()
    const { env } = this.#ports
    if (env.monotonic() >= this.#outboxAtMs) await this.#takeOutbox()
    if (env.monotonic() >= this.#discoverAtMs) await this.#discover()
    for (const lane of [...this.#lanes.values()]) {
      if (this.#ports.places.underWay >= UNDER_WAY_MAX) return
      if (readyAtMs(lane) <= env.now()) await this.#serve(lane)
      else if (isIdle(lane, env.now())) this.#lanes.delete(lane.name)
    }
  }

  async #takeOutbox(): Promise<void> {
    const { env, isAlone } = this.#ports
    const lanes = await takeOutbox(this.#ports, this.#sender.name)
    for (const name of lanes) this.#lane(name).nextAtMs = 0
    const maxMs = isAlone ? OUTBOX_POLL_ALONE_MAX_MS : OUTBOX_POLL_MAX_MS
    this.#outboxPollMs = lanes.length > 0 ? OUTBOX_POLL_MIN_MS : Math.min(this.#outboxPollMs * 2, maxMs)
    this.#outboxAtMs = env.monotonic() + this.#outboxPollMs
  }

  /** One look per lane, however long its queue is. */
  async #discover(): Promise<void> {
    const { reader, env, isAlone } = this.#ports
    const startedMs = env.monotonic()
    const prefix = queuePrefix(this.#sender.name)
    for (let after = prefix; ; ) {
      const [row] = (await reader.scan(DELIVERY_QUEUE, { prefix, after, limit: 1 })).value
      if (row === undefined) break
      const name = laneOfQueueKey(row.key)
      const { atMs } = JSON.parse(row.value) as QueueRow
      const lane = this.#lane(name)
      lane.nextAtMs = Math.min(lane.nextAtMs, atMs)
      after = afterLane(this.#sender.name, name)
    }
    const tookMs = env.monotonic() - startedMs
    const everyMs = isAlone ? DISCOVER_ALONE_MS : DISCOVER_MS
    this.#discoverAtMs = env.monotonic() + Math.max(everyMs, tookMs * 20)
  }

  async #serve(lane: Lane): Promise<void> {
    const { places } = this.#ports
    // Served last, asked last.
    this.#lanes.delete(lane.name)
    this.#lanes.set(lane.name, lane)
    const room = Math.min(
      lane.concurrentMax - lane.underWay.size,
      UNDER_WAY_MAX - places.underWay,
      lane.hasFailed ? FAILING_UNDER_WAY_MAX - places.failing : UNDER_WAY_MAX,
    )
    if (room <= 0) return
    // A kick while we look brings it back to 0.
    lane.nextAtMs = Number.POSITIVE_INFINITY
    const { due, nextAtMs } = await this.#dueIn(lane, room)
    for (const queued of due) this.#start(lane, queued)
    lane.nextAtMs = Math.min(lane.nextAtMs, nextAtMs)
  }

  /** What may begin now, at most `room`, and when there is something to do after that. */
  async #dueIn({ name, underWay }: Lane, room: number): Promise<{ due: Queued[]; nextAtMs: number }> {
    const { reader, env } = this.#ports
    const prefix = lanePrefix(this.#sender.name, name)
    const limit = Math.min(underWay.size + room + 1, SCAN_LIMIT_MAX)
    const [ordered, timed] = await Promise.all([
      // Only the first in line may go; the others wait for its settling, which kicks the lane.
      reader.scan(DELIVERY_QUEUE, { prefix: prefix + ORDERED, limit: 1 }),
      reader.scan(DELIVERY_QUEUE, { prefix: prefix + TIMED, limit }),
    ])
    const waiting = [...ordered.value, ...timed.value]
      .map(({ key, value }) => ({ queueKey: key, ...(JSON.parse(value) as QueueRow) }))
      .filter(({ id }) => !underWay.has(id))
    const nowMs = env.now()
    const due = waiting.filter(({ atMs }) => atMs <= nowMs).slice(0, room)
    const rest = waiting.filter((each) => !due.includes(each)).map(({ atMs }) => atMs)
    return { due, nextAtMs: Math.min(Number.POSITIVE_INFINITY, ...rest) }
  }

  #start(lane: Lane, queued: Queued): void {
    const { places, onFailure } = this.#ports
    const isFailing = lane.hasFailed
    lane.underWay.add(queued.id)
    places.underWay += 1
    if (isFailing) places.failing += 1
    const attempt = attemptDelivery(this.#ports, this.#sender, lane, queued, this.#signal)
      .then((isSettled) => {
        if (isSettled) this.#onSettled()
      })
      .catch((error: unknown) => {
        if (this.#signal.aborted) return
        onFailure(asPolityError(error))
        // What could not even be committed is tried again, but not at once.
        lane.notBeforeMs = Math.max(lane.notBeforeMs, this.#ports.env.now() + UNCOMMITTED_WAIT_MS)
      })
      .finally(() => {
        lane.underWay.delete(queued.id)
        places.underWay -= 1
        if (isFailing) places.failing -= 1
        this.#attempts.delete(attempt)
        this.kick(lane.name)
      })
    this.#attempts.add(attempt)
  }

  async #wait(lease: Lease): Promise<void> {
    const { env, isAlone, places } = this.#ports
    const nowMs = env.now()
    const isFull = places.underWay >= UNDER_WAY_MAX
    const lanes = isFull
      ? []
      : [...this.#lanes.values()].filter((lane) => !this.#isHeldBack(lane)).map(readyAtMs)
    const waitMs = Math.min(
      WAIT_MAX_MS,
      Math.min(...lanes) - nowMs,
      Math.min(this.#outboxAtMs, this.#discoverAtMs) - env.monotonic(),
      isAlone ? WAIT_MAX_MS : lease.renewInMs(),
    )
    if (waitMs > 0) await pause(env, waitMs, AbortSignal.any([this.#signal, this.#news.signal]))
  }

  /** Waits for another attempt to end, which wakes everybody. */
  #isHeldBack({ hasFailed }: Lane): boolean {
    return hasFailed && this.#ports.places.failing >= FAILING_UNDER_WAY_MAX
  }

  #lane(name: string): Lane {
    const known = this.#lanes.get(name)
    if (known) return known
    const fresh = newLane(name)
    this.#lanes.set(name, fresh)
    return fresh
  }
}
