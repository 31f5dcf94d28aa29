// Subscriptions: filters, order per key, retries, what is set aside, lanes, moving, and what two hubs may do.

import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { recordAsHub } from '../catalog/hub-records.ts'
import { type Env, systemEnv } from '../env.ts'
import type { PolityError } from '../errors.ts'
import { type Entry, entryType } from '../log/entry.ts'
import { openRealm } from '../realm/open-realm.ts'
import { Integer, Name } from '../schema/schema.ts'
import type { Subscription, SubscriptionOptions } from './subscription.ts'
import { PARKED, SUBSCRIPTIONS } from './subscription-rows.ts'
import { openSubscriptions } from './subscriptions.ts'

const Seen = entryType('thing.seen@1', { n: Integer, who: Name })
const Lost = entryType('thing.lost@1', { n: Integer, who: Name })

const closing: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close()
})

/** Waiting costs next to nothing: what is tested is what happens, not when. */
const hasty = (env: Env): Env => ({
  ...env,
  sleepUntil: (atMs, signal) =>
    env.sleepUntil(Math.min(atMs, env.monotonic() + 2), signal).then(() => undefined),
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
  const { log, reader, holder, isAlone } = realm
  const hub = (over: { holder?: string; isAlone?: boolean; env?: Env } = {}) => {
    const subscriptions = openSubscriptions({
      log,
      reader,
      env,
      holder,
      isAlone,
      onFailure: (error) => failures.push(error),
      ...over,
    })
    closing.push(subscriptions)
    return subscriptions
  }
  return {
    realm,
    failures,
    hub,
    record: (kind: typeof Seen, numbers: readonly number[], who: (n: number) => string = () => 'a') =>
      recordAsHub(
        { log, env, source: 'polity://test' },
        numbers.map((n) => kind({ n, who: who(n) })),
        {},
        { wait: 'signed' },
      ),
    rows: async (table: string) => (await reader.scan(table, { limit: 1000 })).value,
  }
}

const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, n) => first + n)
const nOf = ({ data }: Entry) => data.n as number
const whoOf = ({ data }: Entry) => data.who as string
const until = async (isSo: () => boolean | Promise<boolean>) => {
  while (!(await isSo())) await setImmediate()
}

/** A handler that remembers. */
function collector() {
  const got: number[] = []
  const options = {
    name: 'all',
    types: ['thing.*'],
    from: 'start',
    retry: { baseMs: 1, capMs: 4 },
    handle: async (entry: Entry) => void got.push(nOf(entry)),
  } satisfies SubscriptionOptions
  return { got, options }
}

describe('a subscription', () => {
  it('hands over what its patterns and its filter want, in log order', async () => {
    const { hub, record } = await lab()
    await record(Seen, [1, 2])
    await record(Lost, [3])
    const { got, options } = collector()
    await hub().open({
      ...options,
      types: ['thing.seen', '*.lost@1', 'other.**'],
      filter: (e) => nOf(e) !== 2,
    })
    await until(() => got.length === 2)
    await record(Seen, [4])
    await until(() => got.length === 3)
    expect(got).toEqual([1, 3, 4])
  })

  it('begins at the end of the log where nothing else is said, or at a position', async () => {
    const { hub, record } = await lab()
    await record(Seen, [1, 2, 3])
    const subscriptions = hub()
    const [now, at] = [collector(), collector()]
    await subscriptions.open({ ...now.options, name: 'now', from: 'now' })
    await subscriptions.open({ ...at.options, name: 'at', from: 2 })
    await record(Seen, [4])
    await until(() => now.got.length === 1 && at.got.length === 2)
    expect([now.got, at.got]).toEqual([[4], [3, 4]])
  })

  it('goes on where it was, and does not repeat what was saved', async () => {
    const { hub, record } = await lab()
    await record(Seen, numbers(100))
    const first = collector()
    const subscriptions = hub()
    await subscriptions.open(first.options)
    await until(() => first.got.length === 100)
    await subscriptions.close()
    await record(Seen, [100])
    const second = collector()
    await hub().open(second.options)
    await until(() => second.got.length === 1)
    expect(second.got).toEqual([100])
  })

  it('looks entries up under another type where it is told how', async () => {
    const { hub, record } = await lab()
    await record(Seen, numbers(10), (n) => (n % 2 ? 'odd' : 'even'))
    const { got, options } = collector()
    await hub().open({ ...options, types: ['carried.odd'], typeOf: (entry) => `carried.${whoOf(entry)}@1` })
    await until(() => got.length === 5)
    expect(got).toEqual([1, 3, 5, 7, 9])
  })

  it('is refused with a name or a pattern that cannot be, and when it is open', async () => {
    const subscriptions = (await lab()).hub()
    const { options } = collector()
    for (const wrong of [
      { name: '' },
      { name: 'x'.repeat(257) },
      { name: '\ud800' },
      { name: 'a\0b' },
      { types: [] },
      { types: ['a..b'] },
      { types: ['x'.repeat(2 ** 20)] },
      { inFlightMax: 257 },
      { inFlightMax: 0 },
      { ackWaitMs: Number.NaN },
      { deliverMax: 1.5 },
      { from: -1 },
      { from: 1000 },
    ])
      await expect(subscriptions.open({ ...options, ...wrong })).rejects.toMatchObject({
        code: 'input.invalid',
      })
    await subscriptions.open({ ...options, name: '__proto__' })
    await expect(subscriptions.open({ ...options, name: '__proto__' })).rejects.toMatchObject({
      code: 'input.invalid',
    })
  })

  it('says how far it is', async () => {
    const { hub, record } = await lab()
    await record(Seen, numbers(5))
    const held = Promise.withResolvers<void>()
    const { options } = collector()
    const subscription = await hub().open({ ...options, handle: () => held.promise })
    await until(async () => (await subscription.state()).underWay === 1)
    expect(await subscription.state()).toEqual({
      name: 'all',
      position: 0,
      lag: 0,
      underWay: 1,
      parked: 0,
      dead: 0,
      isPaused: false,
    })
    held.resolve()
    await until(async () => (await subscription.state()).position === 5)
  })
})

describe('an item that fails', () => {
  it('is tried again, and nothing of its key overtakes it while other keys go on', async () => {
    const { hub, record, rows } = await lab(hasty(systemEnv()))
    const order = new Map<string, number[]>()
    let failed = 0
    await hub().open({
      name: 'keyed',
      types: ['**'],
      key: whoOf,
      inFlightMax: 4,
      deliverMax: 10,
      retry: { baseMs: 1, capMs: 4 },
      async handle(entry, { attempt }) {
        if (whoOf(entry) === 'bad' && attempt < 4) {
          failed += 1
          throw new Error('not yet')
        }
        order.set(whoOf(entry), [...(order.get(whoOf(entry)) ?? []), nOf(entry)])
      },
    })
    await record(Seen, numbers(60), (n) => (n % 3 === 0 ? 'bad' : n % 3 === 1 ? 'good' : 'fine'))
    await until(() => [...order.values()].flat().length === 60)
    expect(failed).toBe(60)
    for (const got of order.values()) expect(got).toEqual(got.toSorted((a, b) => a - b))
    await until(async () => (await rows(PARKED)).length === 0)
  })

  it('holds up everything where there is one key, in the log and not in memory', async () => {
    const { hub, record } = await lab(hasty(systemEnv()))
    const got: number[] = []
    let isBroken = true
    const subscription = await hub().open({
      name: 'strict',
      types: ['**'],
      deliverMax: 1000,
      retry: { baseMs: 1, capMs: 1 },
      async handle(entry) {
        if (nOf(entry) === 1 && isBroken) throw new Error('not yet')
        got.push(nOf(entry))
      },
    })
    await record(Seen, numbers(1000))
    await record(Seen, numbers(1000, 1000))
    await record(Seen, numbers(1000, 2000))
    await until(async () => ((await subscription.parked({ limit: 10 }))[0]?.attempts ?? 0) > 3)
    expect(got).toEqual([0])
    expect(await subscription.parked({ limit: 10 })).toMatchObject([
      { seq: 1, state: 'waiting', reason: 'not yet' },
    ])
    expect((await subscription.state()).parked).toBe(1)
    isBroken = false
    await until(() => got.length === 3000)
    expect(got).toEqual(numbers(3000))
  })

  it('is dead after its attempts, with its reason, and the rest of its key goes on; retry and drop end that', async () => {
    const { hub, record, rows } = await lab(hasty(systemEnv()))
    const got: number[] = []
    const dead: [number, string][] = []
    let isBroken = true
    const subscription = await hub().open({
      name: 'poison',
      types: ['**'],
      key: whoOf,
      deliverMax: 3,
      retry: { baseMs: 1, capMs: 2 },
      async handle(entry) {
        if (nOf(entry) < 2 && isBroken) throw new Error(`cannot ${nOf(entry)}`)
        got.push(nOf(entry))
      },
      dead: async (entry, reason) => void dead.push([nOf(entry), reason]),
    })
    await record(Seen, numbers(5))
    await until(() => got.length === 3)
    expect(got).toEqual([2, 3, 4])
    expect(dead).toEqual([
      [0, 'cannot 0'],
      [1, 'cannot 1'],
    ])
    expect(await subscription.parked({ limit: 10 })).toMatchObject([
      { seq: 0, key: 'a', state: 'dead', attempts: 3, reason: 'cannot 0' },
      { seq: 1, key: 'a', state: 'dead', attempts: 3, reason: 'cannot 1' },
    ])
    expect(await subscription.drop([1, 1, 4, 99])).toBe(1)
    isBroken = false
    expect(await subscription.retry()).toBe(1)
    await until(() => got.length === 4)
    expect(got.at(-1)).toBe(0)
    await until(async () => (await rows(PARKED)).length === 0)
    expect(await subscription.retry()).toBe(0)
  })

  it('is dead at once where the error is final', async () => {
    const { hub, record } = await lab()
    const dead: string[] = []
    await hub().open({
      name: 'final',
      types: ['**'],
      handle: () => Promise.reject(Object.assign(new Error('never'), { isFinal: true })),
      dead: async (_, reason) => void dead.push(reason),
    })
    await record(Seen, [1])
    await until(() => dead.length === 1)
    expect(dead).toEqual(['never'])
  })

  it('is not dead before that could be told', async () => {
    const { hub, record, failures } = await lab(hasty(systemEnv()))
    let told = 0
    const subscription = await hub().open({
      name: 'told',
      types: ['**'],
      deliverMax: 1,
      retry: { baseMs: 1, capMs: 1 },
      handle: () => Promise.reject(new Error('never')),
      async dead() {
        told += 1
        if (told < 3) throw new Error('nobody listens')
      },
    })
    await record(Seen, [1])
    await until(async () => (await subscription.state()).dead === 1)
    expect(told).toBe(3)
    expect(failures.map(({ message }) => message)).toEqual(['nobody listens', 'nobody listens'])
  })

  it('fails where filter or key throw, and never reaches the handler so', async () => {
    const { hub, record } = await lab(hasty(systemEnv()))
    const { got, options } = collector()
    const broken = (entry: Entry) => {
      if (nOf(entry) === 1) throw new TypeError('no such thing')
      return true
    }
    const subscriptions = hub()
    const filtered = await subscriptions.open({ ...options, name: 'filter', filter: broken, deliverMax: 2 })
    const keyed = await subscriptions.open({
      ...options,
      name: 'key',
      key: (e) => `${broken(e)}`,
      deliverMax: 2,
    })
    await record(Seen, [0, 1, 2])
    await until(async () => (await filtered.state()).dead + (await keyed.state()).dead === 2)
    await until(() => got.length === 4)
    expect(got.toSorted()).toEqual([0, 0, 2, 2])
    expect(await keyed.parked({ limit: 5 })).toMatchObject([{ seq: 1, reason: 'no such thing' }])
  })

  it('has failed when it takes too long, and its late end counts for nothing', async () => {
    const { hub, record } = await lab()
    const late = Promise.withResolvers<void>()
    const signals: AbortSignal[] = []
    const attempts: number[] = []
    const subscription = await hub().open({
      name: 'slow',
      types: ['**'],
      ackWaitMs: 5,
      retry: { baseMs: 1, capMs: 1 },
      async handle(_, { attempt, signal }) {
        attempts.push(attempt)
        signals.push(signal)
        if (attempt === 1) await late.promise
      },
    })
    await record(Seen, [1])
    await until(() => attempts.length === 2)
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    late.resolve()
    await until(async () => (await subscription.state()).parked === 0)
    expect(attempts).toEqual([1, 2])
  })
})

describe('what is set aside', () => {
  it('is bounded: the subscription stands still, says so once, loses nothing and goes on', async () => {
    const { hub, record, failures } = await lab()
    const got: number[] = []
    let isBroken = true
    const subscription = await hub().open({
      name: 'full',
      types: ['**'],
      key: () => undefined,
      inFlightMax: 64,
      deliverMax: 1,
      async handle(entry) {
        if (isBroken) throw new Error('no')
        got.push(nOf(entry))
      },
    })
    for (let from = 0; from < 12_000; from += 1000) await record(Seen, numbers(1000, from))
    await until(async () => (await subscription.state()).dead === 10_000)
    await until(() => failures.length > 0)
    expect(await subscription.state()).toMatchObject({ position: 10_000, lag: 2000, dead: 10_000 })
    isBroken = false
    expect(await subscription.drop(numbers(100))).toBe(100)
    await until(() => got.length === 2000)
    expect(got.toSorted((a, b) => a - b)).toEqual(numbers(2000, 10_000))
    expect(await subscription.retry()).toBe(9900)
    await until(() => got.length === 11_900)
    expect(failures.map(({ code, facts }) => [code, facts.subscription])).toEqual([['limit', 'full']])
  })

  it('survives with its attempts, and its key waits on', async () => {
    const { hub, record } = await lab()
    const { options } = collector()
    const keyed = { ...options, key: whoOf, retry: { baseMs: 3600_000, capMs: 3600_000 } }
    const first = hub()
    const before = await first.open({ ...keyed, handle: () => Promise.reject(new Error('no')) })
    await record(Seen, numbers(4))
    await until(async () => (await before.state()).parked === 4)
    await first.close()
    await record(Seen, [4])
    const { got, options: again } = collector()
    const after = await hub().open({ ...keyed, handle: again.handle })
    await until(async () => (await after.state()).parked === 5)
    expect((await after.parked({ limit: 9 })).map(({ state, attempts }) => [state, attempts])).toEqual([
      ['waiting', 1],
      ...Array(4).fill(['behind', 0]),
    ])
    expect(await after.parked({ after: 2, limit: 1 })).toMatchObject([{ seq: 3 }])
    await after.retry([0])
    await until(() => got.length === 5)
    expect(got).toEqual(numbers(5))
  })
})

describe('lanes', () => {
  it('start urgent items first, and a normal one in every eighth turn', async () => {
    const { hub, record } = await lab()
    const turns: string[] = []
    const subscriptions = hub()
    const opened: Subscription[] = []
    for (const lane of ['normal', 'urgent'] as const) {
      const { options } = collector()
      const handle = async () => void turns.push(lane)
      opened.push(
        await subscriptions.open({
          ...options,
          name: lane,
          lane,
          key: () => undefined,
          inFlightMax: 64,
          handle,
        }),
      )
    }
    // One commit, so that both have everything in memory before the first turn.
    await record(Seen, numbers(56))
    await until(() => turns.length === 112)
    const eights = Array.from({ length: 8 }, (_, n) => turns.slice(8 * n, 8 * n + 8))
    for (const eight of eights) expect(eight.filter((lane) => lane === 'normal').length).toBe(1)
    expect(turns.slice(64)).toEqual(Array(48).fill('normal'))
    expect(opened.length).toBe(2)
  })
})

describe('moving', () => {
  it('seek repeats from there, or leaves out', async () => {
    const { hub, record } = await lab()
    await record(Seen, numbers(10))
    const { got, options } = collector()
    const subscription = await hub().open(options)
    await until(() => got.length === 10)
    await subscription.seek(7)
    await until(() => got.length === 13)
    expect(got.slice(10)).toEqual([7, 8, 9])
    await subscription.pause()
    await record(Seen, [10, 11])
    await subscription.seek(11)
    await subscription.resume()
    await until(() => got.length === 14)
    expect(got.at(-1)).toBe(11)
    await expect(subscription.seek(99)).rejects.toMatchObject({ code: 'input.invalid' })
  })

  it('pause lasts over a restart', async () => {
    const { hub, record } = await lab()
    const { got, options } = collector()
    const first = hub()
    await (await first.open(options)).pause()
    await record(Seen, [1])
    await first.close()
    const subscription = await hub().open(options)
    expect(await subscription.state()).toMatchObject({ isPaused: true })
    expect(got).toEqual([])
    await subscription.resume()
    await until(() => got.length === 1)
  })

  it('forgetting leaves nothing, and begins anew', async () => {
    const { hub, record, rows } = await lab()
    const { got, options } = collector()
    const subscriptions = hub()
    const failing = {
      ...options,
      key: () => undefined,
      deliverMax: 1,
      handle: () => Promise.reject(new Error('no')),
    }
    const subscription = await subscriptions.open(failing)
    await record(Seen, numbers(20))
    await until(async () => (await subscription.state()).dead === 20)
    await until(async () => (await rows(PARKED)).length === 20)
    await subscriptions.forget('all')
    expect([await rows(PARKED), await rows(SUBSCRIPTIONS)]).toEqual([[], []])
    await expect(subscription.state()).rejects.toMatchObject({ code: 'not-found' })
    await subscriptions.open(options)
    await until(() => got.length === 20)
  })
})

describe('one that is slow', () => {
  it('does not hold up the others, and gets everything in the end', async () => {
    const { hub, record } = await lab()
    const gate = Promise.withResolvers<void>()
    const [slow, fast] = [collector(), collector()]
    const subscriptions = hub()
    const behind = await subscriptions.open({
      ...slow.options,
      name: 'slow',
      async handle(entry) {
        await gate.promise
        await slow.options.handle(entry)
      },
    })
    await subscriptions.open({ ...fast.options, name: 'fast' })
    for (let from = 0; from < 5000; from += 500) await record(Seen, numbers(500, from))
    await until(() => fast.got.length === 5000)
    expect((await behind.state()).lag).toBeGreaterThan(3000)
    gate.resolve()
    await until(() => slow.got.length === 5000)
    await record(Seen, [5000])
    await until(() => slow.got.length === 5001 && fast.got.length === 5001)
    expect(slow.got).toEqual(numbers(5001))
    expect(fast.got).toEqual(numbers(5001))
  })
})

describe('two hubs', () => {
  const late = (env: Env, byMs: number): Env => ({ ...env, now: () => env.now() + byMs })

  it('serve a subscription one at a time; the other one can steer it all the same', async () => {
    const { hub, record } = await lab()
    await record(Seen, [1])
    const [a, b] = [collector(), collector()]
    const serving = await hub({ holder: 'a', isAlone: false }).open(a.options)
    const standing = await hub({ holder: 'b', isAlone: false }).open(b.options)
    await until(() => a.got.length === 1)
    await standing.pause()
    // Whoever serves it hears of that with its next commit.
    await serving.retry()
    await expect.poll(async () => (await serving.state()).isPaused).toBe(true)
    await serving.resume()
    await record(Seen, [2])
    await until(() => a.got.includes(2))
    expect(b.got).toEqual([])
    expect(await standing.state()).toMatchObject({ isPaused: false, dead: 0 })
  })

  it('hand it over at once when one closes', async () => {
    const { hub, record } = await lab()
    const [a, b] = [collector(), collector()]
    const first = hub({ holder: 'a', isAlone: false })
    await first.open(a.options)
    await record(Seen, [1])
    await until(() => a.got.length === 1)
    await first.close()
    await hub({ holder: 'b', isAlone: false }).open(b.options)
    await record(Seen, [2])
    await until(() => b.got.length === 1)
    expect([a.got, b.got]).toEqual([[1], [2]])
  })

  it('cannot both move it: what a paused one handled late counts for nothing', async () => {
    const { hub, record, rows } = await lab()
    const env = systemEnv()
    await record(Seen, [1, 2])
    const held = Promise.withResolvers<void>()
    const { options } = collector()
    const paused = hub({ holder: 'paused', isAlone: false })
    const subscription = await paused.open({ ...options, handle: () => held.promise })
    await until(async () => (await subscription.state()).underWay === 1)
    const next = collector()
    const after = await hub({ holder: 'next', isAlone: false, env: late(env, 20_000) }).open(next.options)
    await until(() => next.got.length === 2)
    held.resolve()
    await until(async () => (await after.state()).position === 2)
    await paused.close()
    await until(async () => JSON.parse((await rows(SUBSCRIPTIONS))[0]?.value ?? '{}').position === 2)
    expect(JSON.parse((await rows(SUBSCRIPTIONS))[0]?.value ?? '{}')).toMatchObject({ holder: 'next' })
  })
})
