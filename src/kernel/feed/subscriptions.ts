// The subscriptions of one hub: opened, changed and closed, here or in the rows of the hub that serves them.

import { CONFLICTS_MAX, isConflict } from '../conflict.ts'
import { PolityError } from '../errors.ts'
import { Engine, type EnginePorts } from './engine.ts'
import { forgetRows } from './leasing.ts'
import { requireWhole } from './pull-options.ts'
import { dropRemotely, type Edit, editRemotely, retryRemotely, stateOf } from './remote-edits.ts'
import { patternsOf } from './routing.ts'
import type { Subscriber } from './subscriber.ts'
import type { ParkedItem, Subscription, Subscriptions } from './subscription.ts'
import { parkedRows, requireName } from './subscription-rows.ts'

/** Subscriptions handled in this process, each by one of the hubs that share the log. */
export function openSubscriptions(ports: EnginePorts): Subscriptions & { close(): Promise<void> } {
  const engine = new Engine(ports)
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
      const subscriber = engine.newSubscriber(options)
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

/** What whoever opened it may do with it: here where this hub serves it, in its rows where another does. */
function handleOf(engine: Engine, subscriber: Subscriber): Subscription {
  const { control, reading, ports } = engine
  const { log, reader } = ports
  const { name } = subscriber
  const change = <T>(here: () => Promise<T> | T, elsewhere: Edit<T>): Promise<T> =>
    control.take(name, async () => {
      for (let attempt = 1; subscriber.held !== undefined; attempt++) {
        const answer = await here()
        if (await isFlushed(engine, subscriber, attempt)) return answer
      }
      return editRemotely(ports, name, elsewhere)
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
      return stateOf(ports, name, headSize)
    },
    async parked({ after = -1, limit }) {
      const items = subscriber.held
        ? subscriber.setAside.list(after, limit)
        : (await parkedRows(reader, name)).filter(({ seq }) => seq > after).slice(0, limit)
      return items.map(shown)
    },
    retry: (seqs) => change(() => subscriber.retry(seqs), retryRemotely(ports, seqs)),
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

/** Saves what was changed; false where it has to be changed again, because somebody else has written in between. */
async function isFlushed(engine: Engine, subscriber: Subscriber, attempt: number): Promise<boolean> {
  for (;;)
    try {
      await engine.saving.flush(subscriber)
      subscriber.goOn()
      return true
    } catch (error) {
      if (!isConflict(error) || attempt >= CONFLICTS_MAX) throw error
      if (!(await engine.settleConflict(subscriber))) return false
    }
}

/** One key for everything is no key that anybody gave. */
const shown = ({ key, ...item }: ParkedItem): ParkedItem =>
  key === undefined || key === '' ? item : { ...item, key }
