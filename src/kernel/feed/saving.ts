// Saves cursors and items set aside: lazily, of many subscriptions in one commit, each fenced by the version of its row.

import { type Env, pause } from '../env.ts'
import { asPolityError, type ErrorCode, PolityError } from '../errors.ts'
import { openFailing } from '../failing.ts'
import type { Log } from '../log/log.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import type { RowPlace } from '../store/store.ts'
import type { Unsaved } from './set-aside.ts'
import type { Held, Subscriber } from './subscriber.ts'
import { itemKey, LEASE_MS, PARKED, SUBSCRIPTIONS, type SubscriptionRow } from './subscription-rows.ts'

/** What a crash repeats, where nothing asks for it sooner. */
const SAVE_INTERVAL_MS = 250
/** Rows of one commit. */
const ROWS_MAX = 1000
const RETRY_MS = 250
const RETRY_MAX_MS = 30_000

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

export interface Saving {
  /** In a while, or at once. */
  want(subscriber: Subscriber, isUrgent: boolean): void
  tick(nowMs: number): void
  /**
   * Everything it has to save now is saved. Rejects with `expectation.failed` where somebody else has written its
   * row, or with what the log failed with: then it is tried again all the same.
   */
  flush(subscriber: Subscriber): Promise<void>
  /** It is served no more: what waits for it is refused. */
  forget(subscriber: Subscriber): void
  /** Ends trying again. */
  close(): Promise<void>
}

interface Waiter {
  resolve(): void
  reject(error: PolityError): void
}

/** What one commit says of one subscription. */
interface Part {
  readonly subscriber: Subscriber
  readonly held: Held
  readonly row: SubscriptionRow
  readonly unsaved: Unsaved
  readonly waiters: readonly Waiter[]
}

export function openSaving(ports: SavingPorts): Saving {
  const { env, log, onConflict } = ports
  /** To be saved now, and to be saved when it is time or something else is saved. */
  const dirty = new Set<Subscriber>()
  const lazy = new Set<Subscriber>()
  const waiters = new Map<Subscriber, Waiter[]>()
  const closing = new AbortController()
  const failing = openFailing(ports.onFailure)
  let dueMs = Number.POSITIVE_INFINITY
  let failures = 0
  let running: Promise<void> | undefined

  const save = async () => {
    while (dirty.size > 0 && !closing.signal.aborted && !log.lost.aborted) {
      const parts = takeParts(ports, dirty, waiters)
      try {
        await commit(log, parts)
        for (const part of parts) settle(part)
        failing.works()
        failures = 0
      } catch (thrown) {
        const error = asPolityError(thrown, 'store.failed')
        const rival = rivalOf(error, parts)
        for (const part of parts) giveBack(part, rival !== part)
        if (rival) {
          refuse(rival.subscriber, error)
          onConflict(rival.subscriber)
        } else await fail(error, parts)
      }
    }
    running = undefined
  }
  const settle = ({ held, row, subscriber, waiters: served }: Part) => {
    held.version += 1
    held.row = row
    subscriber.saved()
    for (const { resolve } of served) resolve()
  }
  /** What was not saved is to be saved again; by whoever lost its row, once it is known who has it. */
  const giveBack = ({ subscriber, unsaved, waiters: served }: Part, isAgain: boolean) => {
    subscriber.setAside.back(unsaved)
    waiters.set(subscriber, [...served, ...(waiters.get(subscriber) ?? [])])
    if (isAgain) dirty.add(subscriber)
  }
  const fail = async (error: PolityError, parts: readonly Part[]) => {
    // Whether it was applied is not known: the next attempt will find out by the version.
    for (const { held, row } of parts) held.attempted = row
    for (const { subscriber } of parts) refuse(subscriber, error)
    if (!PASSING.includes(error.code)) failing.fails(error)
    await pause(env, Math.min(RETRY_MS * 2 ** failures, RETRY_MAX_MS), closing.signal)
    failures += 1
  }
  const refuse = (subscriber: Subscriber, error: PolityError) => {
    for (const { reject } of waiters.get(subscriber) ?? []) reject(error)
    waiters.delete(subscriber)
  }
  const start = () => {
    dueMs = Number.POSITIVE_INFINITY
    for (const subscriber of lazy) dirty.add(subscriber)
    lazy.clear()
    running ??= Promise.resolve().then(save)
  }

  return {
    want(subscriber, isUrgent) {
      if (subscriber.held === undefined) return
      if (isUrgent) {
        dirty.add(subscriber)
        return start()
      }
      lazy.add(subscriber)
      if (dueMs < Number.POSITIVE_INFINITY) return
      dueMs = env.monotonic() + SAVE_INTERVAL_MS
      ports.wakeAt(dueMs)
    },
    tick(nowMs) {
      if (nowMs >= dueMs) start()
      else if (dueMs < Number.POSITIVE_INFINITY) ports.wakeAt(dueMs)
    },
    flush: (subscriber) =>
      new Promise((resolve, reject) => {
        if (subscriber.held === undefined || closing.signal.aborted || log.lost.aborted)
          return reject(
            new PolityError('log.closed', `${subscriber.name} is not served by this hub any more`),
          )
        waiters.set(subscriber, [...(waiters.get(subscriber) ?? []), { resolve, reject }])
        dirty.add(subscriber)
        start()
      }),
    forget(subscriber) {
      dirty.delete(subscriber)
      lazy.delete(subscriber)
      refuse(
        subscriber,
        new PolityError('cancelled', `${subscriber.name} is not served by this hub any more`),
      )
    },
    async close() {
      closing.abort()
      await running
    },
  }
}

/** What passes without anybody's doing. */
const PASSING: readonly ErrorCode[] = ['log.saturated', 'log.closed', 'store.fenced']

/** As many as fit into one commit; the cursor moves only together with the last of what it passes. */
function takeParts(
  { env, holder, positionOf }: SavingPorts,
  dirty: Set<Subscriber>,
  waiters: Map<Subscriber, Waiter[]>,
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
