// Feeds: in order, at least once, and never by two hubs.

import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { recordAsHub } from '../catalog/hub-records.ts'
import { type Env, systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import { entryType } from '../log/entry.ts'
import { openRealm } from '../realm/open-realm.ts'
import type { Realm } from '../realm/realm.ts'
import { Integer } from '../schema/schema.ts'
import { FEEDS, type FeedOptions, openFeed } from './feed.ts'

const Seen = entryType('thing.seen@1', { n: Integer })
const Lost = entryType('thing.lost@1', { n: Integer })

const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close()
})

async function lab(env: Env = systemEnv()) {
  const realm = await openRealm({
    name: 'test',
    contracts: [],
    env,
    publishIntervalMs: 0,
    onFailure: (error) => expect.unreachable(error.message),
  })
  closing.push(realm)
  const failures: PolityError[] = []
  return {
    realm,
    failures,
    record: (kind: typeof Seen | typeof Lost, ...numbers: readonly number[]) =>
      recordAsHub(
        { log: realm.log, env, source: 'polity://test' },
        numbers.map((n) => kind({ n })),
        {},
        { wait: 'signed' },
      ),
    follow(options: Omit<FeedOptions, 'name'>, over: { holder?: string; isAlone?: boolean; env?: Env } = {}) {
      const { log, reader, holder, isAlone } = realm
      const feed = openFeed(
        { log, reader, env, holder, isAlone, onFailure: (error) => failures.push(error), ...over },
        { name: 'test', ...options },
      )
      closing.push(feed)
      return feed
    },
  }
}

/** A handler that remembers, and a way to wait for what it gets. */
function collector(types: readonly string[] = [Seen.name]) {
  const got: number[] = []
  return {
    got,
    options: {
      types,
      handle: async ({ data }: { data: Readonly<Record<string, unknown>> }) =>
        void got.push(data.n as number),
    },
    async until(count: number) {
      while (got.length < count) await setImmediate()
      return got
    },
  }
}

const positionIn = async ({ reader }: Realm): Promise<number> =>
  JSON.parse((await reader.load(FEEDS, ['test'])).value.get('test')?.value ?? '{}').position

describe('a feed', () => {
  it('hands over every entry of its types in log order, those from before it and those to come', async () => {
    const { record, follow } = await lab()
    await record(Seen, 1, 2)
    await record(Lost, 3)
    const both = collector([Seen.name, Lost.name])
    follow(both.options)
    await both.until(3)
    await record(Lost, 4)
    await record(Seen, 5)
    expect(await both.until(5)).toEqual([1, 2, 3, 4, 5])
  })

  it('goes on after its last entry when it is opened again', async () => {
    const { realm, record, follow } = await lab()
    await record(Seen, 1, 2)
    const first = collector()
    const feed = follow(first.options)
    await first.until(2)
    while ((await positionIn(realm)) < 2) await setImmediate()
    await feed.close()
    await record(Seen, 3)
    const second = collector()
    follow(second.options)
    expect(await second.until(1)).toEqual([3])
  })

  it('passes more than a page of one type without losing the other', async () => {
    const { record, follow } = await lab()
    const numbers = Array.from({ length: 250 }, (_, n) => n)
    await record(Seen, ...numbers)
    await record(Lost, 1000)
    await record(Seen, 1001)
    const both = collector([Seen.name, Lost.name])
    follow(both.options)
    expect(await both.until(252)).toEqual([...numbers, 1000, 1001])
  })

  it('asks a handler that failed again, and lets nothing overtake', async () => {
    const { record, follow, failures } = await lab()
    await record(Seen, 1, 2)
    const got: number[] = []
    let isBroken = true
    const done = Promise.withResolvers<void>()
    follow({
      types: [Seen.name],
      async handle({ data }) {
        if (data.n === 1 && isBroken) {
          isBroken = false
          throw new Error('not yet')
        }
        got.push(data.n as number)
        if (data.n === 2) done.resolve()
      },
    })
    await done.promise
    expect(got).toEqual([1, 2])
    expect(failures.map(({ message }) => message)).toEqual(['the feed test waits: not yet'])
  })
})

describe('a feed that cannot go on', () => {
  /** Waiting costs no time: what is tested is what happens, not when. */
  const hasty: Env = {
    ...systemEnv(),
    sleepUntil: (_, signal) => setImmediate(undefined, signal && { signal }),
  }

  it('tells each kind of failure once, and again after it went on', async () => {
    const { record, follow, failures } = await lab()
    await record(Seen, 1, 2, 3)
    const thrown = [
      ...Array.from({ length: 20 }, () => new Error('not yet')),
      ...Array.from({ length: 20 }, () => new PolityError('store.unreachable', 'gone')),
    ]
    // The second one begins with the failure with which the first one ended.
    const left = new Map([
      [1, [...thrown]],
      [2, thrown.toReversed()],
    ])
    const done = Promise.withResolvers<void>()
    follow(
      {
        types: [Seen.name],
        async handle({ data }) {
          const error = left.get(data.n as number)?.shift()
          if (error) throw error
          if (data.n === 3) done.resolve()
        },
      },
      { env: hasty },
    )
    await done.promise
    expect(failures.map(({ code, facts }) => [code, facts.feed])).toEqual([
      ['internal', 'test'],
      ['store.unreachable', 'test'],
      ['store.unreachable', 'test'],
      ['internal', 'test'],
    ])
  })
})

describe('two hubs', () => {
  const late = (env: Env, byMs: number): Env => ({ ...env, now: () => env.now() + byMs })

  it('follow one at a time, and the second one waits for the lease to end', async () => {
    const { realm, record, follow } = await lab()
    await record(Seen, 1)
    const first = collector()
    follow(first.options, { holder: 'a', isAlone: false })
    await first.until(1)
    const second = collector()
    follow(second.options, { holder: 'b', isAlone: false })
    await record(Seen, 2)
    await first.until(2)
    while ((await positionIn(realm)) < 2) await setImmediate()
    expect(second.got).toEqual([])
  })

  it('cannot both move the cursor: whoever was paused beyond the lease repeats nothing afterwards', async () => {
    const { realm, record, follow } = await lab()
    const held = Promise.withResolvers<void>()
    const entered = Promise.withResolvers<void>()
    const paused: number[] = []
    const env = systemEnv()
    await record(Seen, 1, 2)
    const feed = follow(
      {
        types: [Seen.name],
        async handle({ data }) {
          paused.push(data.n as number)
          entered.resolve()
          await held.promise
        },
      },
      { holder: 'paused', isAlone: false },
    )
    await entered.promise
    // Twenty seconds later, by its own clock, another hub finds the lease over.
    const next = collector()
    follow(next.options, { holder: 'next', isAlone: false, env: late(env, 20_000) })
    await next.until(2)
    while ((await positionIn(realm)) < 2) await setImmediate()
    held.resolve()
    await feed.close()
    expect(paused).toEqual([1])
    const { value } = await realm.reader.load(FEEDS, ['test'])
    expect(JSON.parse(value.get('test')?.value ?? '{}')).toMatchObject({ holder: 'next', position: 2 })
  })
})
