// The subscriptions of one hub: opened, served under a lease, moved and closed. The parts they share are opened here, once.

import type { Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { openFailing } from '../failing.ts'
import { parseEntry } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { StoreReader } from '../store/store.ts'
import { openTurns } from '../turns.ts'
import { openAlarm } from './alarm.ts'
import { Lanes } from './lanes.ts'
import { forgetRows, isElsewhere, type LeasePorts, takeLease } from './leasing.ts'
import { requireWhole } from './pull-options.ts'
import { openReadingOnce } from './reading-once.ts'
import { dropRemotely, type Edit, editRemotely, retryRemotely, stateOf } from './remote-edits.ts'
import { openRouting, patternsOf } from './routing.ts'
import { openSaving } from './saving.ts'
import { Subscriber, type SubscriberPorts } from './subscriber.ts'
import type { ParkedItem, Subscription, Subscriptions } from './subscription.ts'
import { knownRow, knownRows, LEASE_MS, parkedRows, RENEW_MS, requireName } from './subscription-rows.ts'
import { openTurnTaking } from './turn-taking.ts'

/** Entries that a restart may have to pass over again, for a subscription that wants none of them. */
const UNSAVED_ENTRIES_MAX = 10_000

export interface SubscriptionsPorts {
  readonly log: Log
  readonly reader: StoreReader
  readonly env: Env
  /** Names this hub among those that share the log. */
  readonly holder: string
  /** Whether no other hub can be at work on this log. */
  readonly isAlone: boolean
  readonly onFailure: (error: PolityError) => void
}

/** Subscriptions handled in this process, each by one of the hubs that share the log. */
export function openSubscriptions(ports: SubscriptionsPorts): Subscriptions & { close(): Promise<void> } {
  const engine = openEngine(ports)
  const { subscribers, control } = engine
  return {
    async open(options) {
      requireName(options.name)
      patternsOf(options.types)
      if (typeof options.from === 'number') requireWhole('from', options.from, ports.log.head().size, 0)
      if (subscribers.has(options.name))
        throw new PolityError(
          'input.invalid',
          `the subscription ${JSON.stringify(options.name)} is open already`,
        )
      const subscriber = new Subscriber(options, engine.subscriberPorts)
      subscribers.set(options.name, subscriber)
      try {
        await control.take(options.name, () => engine.acquire(subscriber, true))
      } catch (error) {
        subscribers.delete(options.name)
        throw error
      }
      return handleOf(engine, subscriber)
    },
    forget: (name) =>
      control.take(name, async () => {
        requireName(name)
        const subscriber = subscribers.get(name)
        if (subscriber) await engine.letGo(subscriber)
        subscribers.delete(name)
        await forgetRows(ports, name)
      }),
    close: () => engine.close(),
  }
}

type Engine = ReturnType<typeof openEngine>

function openEngine(ports: SubscriptionsPorts) {
  const { log, reader, env, isAlone, holder } = ports
  const failing = openFailing(ports.onFailure)
  const subscribers = new Map<string, Subscriber>()
  const control = openTurns()
  const routing = openRouting()
  const turns = openTurnTaking(env)
  const leasePorts: LeasePorts = { log, reader, env, holder, isAlone }
  let isClosed = false
  let sweptAt = log.head().size
  let watching: Promise<void> | undefined
  let watchAtMs = env.monotonic() + RENEW_MS

  const alarm = openAlarm(env, (nowMs) => {
    for (const subscriber of subscribers.values()) subscriber.tick(nowMs)
    saving.tick(nowMs)
    if (nowMs >= watchAtMs) {
      watchAtMs = nowMs + RENEW_MS
      watching ??= watch().finally(() => {
        watching = undefined
      })
    }
    if (needsWatch()) alarm.wakeAt(watchAtMs)
  })
  const positionOf = (subscriber: Subscriber) => subscriber.position(reading.position)
  const saving = openSaving({
    ...ports,
    positionOf,
    wakeAt: alarm.wakeAt,
    onConflict: (subscriber) => {
      // Whoever fails is tried again by the watch.
      control.take(subscriber.name, () => settleConflict(subscriber)).catch((error) => failing.fails(error))
      alarm.wakeAt(watchAtMs)
    },
  })
  const reading = openReadingOnce({
    log,
    reader,
    env,
    routing,
    turns,
    behind: new Lanes(),
    onFailure: ports.onFailure,
    onProgress(position) {
      if (position < sweptAt + UNSAVED_ENTRIES_MAX && position >= sweptAt) return
      sweptAt = position
      for (const each of subscribers.values())
        if (each.held && positionOf(each) - each.held.row.position >= UNSAVED_ENTRIES_MAX)
          saving.want(each, false)
    },
  })
  const subscriberPorts: SubscriberPorts = {
    env,
    isAlone,
    wantsTurn: turns.want,
    wantsItems: reading.join,
    wantsSaving: saving.want,
    wakeAt: alarm.wakeAt,
    async load(seq) {
      const [stored] = await reader.entries({ from: seq, to: seq + 1, limit: 1 })
      return stored && parseEntry(seq, stored.bytes)
    },
    onFailure: ports.onFailure,
  }

  /** Not served by this hub any more; what is known of it is saved where it still may. */
  const letGo = async (subscriber: Subscriber): Promise<void> => {
    await subscriber.quiesce()
    subscriber.isClosed = true
    if (subscriber.held && !isStanding()) await saving.flush(subscriber).catch(() => undefined)
    drop(subscriber)
  }
  const isStanding = () => log.lost.aborted
  const drop = (subscriber: Subscriber) => {
    if (subscriber.held) routing.remove(subscriber)
    saving.forget(subscriber)
    reading.leave(subscriber)
    subscriber.held = undefined
  }
  const acquire = async (subscriber: Subscriber, isNew: boolean): Promise<void> => {
    const { options } = subscriber
    const taken = await takeLease(leasePorts, options, isNew)
    if (subscriber.isClosed || isClosed) return
    if (taken === 'forgotten') {
      subscriber.isClosed = true
      subscribers.delete(subscriber.name)
    }
    if (typeof taken === 'string') {
      alarm.wakeAt(watchAtMs)
      return
    }
    subscriber.begin(taken.held, taken.parked)
    routing.add(subscriber)
    subscriber.goOn()
    if (needsWatch()) alarm.wakeAt(watchAtMs)
  }
  /** Whether it turns out that what was written was its own: an answer was lost on the way. */
  const settleConflict = async (subscriber: Subscriber): Promise<boolean> => {
    const { held } = subscriber
    if (held === undefined || subscriber.isClosed) return false
    const known = await knownRow(reader, subscriber.name)
    if (known.version === held.version) return true
    if (known.version === held.version + 1 && isSame(known.row, held.attempted)) {
      held.version = known.version
      if (known.row) held.row = known.row
      saving.want(subscriber, true)
      return true
    }
    await subscriber.quiesce()
    drop(subscriber)
    await acquire(subscriber, false)
    return false
  }
  const needsWatch = () => !isAlone || [...subscribers.values()].some(({ held }) => held === undefined)
  /** Renews what is served, and takes what nobody serves any more. */
  const watch = async (): Promise<void> => {
    const all = [...subscribers.values()]
    for (const each of all)
      if (each.held && !isAlone && each.held.row.expiresAtMs - env.now() < LEASE_MS - RENEW_MS / 2)
        saving.want(each, true)
    const standing = all.filter(({ held, isClosed: isOver }) => held === undefined && !isOver)
    if (standing.length === 0) return
    try {
      const known = await knownRows(
        reader,
        standing.map(({ name }) => name),
      )
      for (const each of standing) {
        const row = known.get(each.name)?.row
        if (row && isElsewhere(leasePorts, row)) continue
        await control.take(each.name, async () => {
          if (each.held === undefined && !each.isClosed) await acquire(each, false)
        })
      }
      failing.works()
    } catch (error) {
      failing.fails(error)
    }
  }

  return {
    ...leasePorts,
    subscribers,
    control,
    subscriberPorts,
    reading,
    saving,
    acquire,
    letGo,
    settleConflict,
    async close() {
      isClosed = true
      await alarm.close()
      const all = [...subscribers.values()]
      await Promise.all(all.map((each) => control.take(each.name, () => letGo(each))))
      await watching
      await reading.close()
      await saving.close()
      await turns.close()
    },
  }
}

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** What whoever opened it may do with it: here where this hub serves it, in its rows where another does. */
function handleOf(engine: Engine, subscriber: Subscriber): Subscription {
  const { control, reading, log } = engine
  const { name } = subscriber
  const change = <T>(here: () => Promise<T> | T, elsewhere: Edit<T>): Promise<T> =>
    control.take(name, async () => {
      for (let attempt = 1; subscriber.held !== undefined; attempt++) {
        const answer = await here()
        if (await isFlushed(engine, subscriber, attempt)) return answer
      }
      return editRemotely(engine, name, elsewhere)
    })
  const pausing = (isPaused: boolean) =>
    change(
      () => {
        subscriber.isPaused = isPaused
      },
      async (row) => ({ row: { ...row, isPaused }, answer: undefined }),
    )
  return {
    async state() {
      const headSize = log.head().size
      if (subscriber.held) return subscriber.state(reading.position, headSize)
      return stateOf(engine, name, headSize)
    },
    async parked({ after = -1, limit }) {
      const items = subscriber.held
        ? subscriber.setAside.list(after, limit)
        : (await parkedRows(engine.reader, name)).filter(({ seq }) => seq > after).slice(0, limit)
      return items.map(shown)
    },
    retry: (seqs) => change(() => subscriber.retry(seqs), retryRemotely(engine, seqs)),
    drop: (seqs) => change(() => subscriber.drop(seqs), dropRemotely(seqs)),
    async seek(position) {
      requireWhole('position', position, log.head().size, 0)
      return change(
        async () => {
          await subscriber.quiesce()
          reading.leave(subscriber)
          subscriber.goTo(position)
          subscriber.isStill = false
        },
        async (row) => ({ row: { ...row, position }, answer: undefined }),
      )
    },
    pause: () => pausing(true),
    resume: () => pausing(false),
    close: () =>
      control.take(name, async () => {
        if (subscriber.isClosed) return
        await engine.letGo(subscriber)
        engine.subscribers.delete(name)
      }),
  }
}

const FLUSHES_MAX = 16

/** Saves what was changed; false where it has to be changed again, because somebody else has written in between. */
async function isFlushed(
  { saving, settleConflict }: Engine,
  subscriber: Subscriber,
  attempt: number,
): Promise<boolean> {
  for (;;)
    try {
      await saving.flush(subscriber)
      subscriber.goOn()
      return true
    } catch (thrown) {
      const error = asPolityError(thrown)
      if (error.code !== 'expectation.failed' || attempt >= FLUSHES_MAX) throw error
      if (!(await settleConflict(subscriber))) return false
    }
}

/** One key for everything is no key that anybody gave. */
const shown = ({ key, ...item }: ParkedItem): ParkedItem =>
  key === undefined || key === '' ? item : { ...item, key }
