// Subscriptions: filters, order per key, lanes, moving, and what two hubs may do.

import { afterEach, describe, expect, it } from 'vitest'
import { type Env, systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import { closeAll, collector, hasty, Lost, lab, nOf, numbers, Seen, until, whoOf } from './lab.fixture.ts'
import type { Subscription } from './subscription.ts'
import { PARKED, SUBSCRIPTIONS } from './subscription-rows.ts'

afterEach(closeAll)

const positionIn = (rows: readonly { readonly value: string }[]): number =>
  JSON.parse(rows[0]?.value ?? '{}').position

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

  it('saves its cursor though it wants nothing of what is read: a restart passes over little', async () => {
    const { hub, record, rows } = await lab(hasty(systemEnv()))
    const { options } = collector()
    await hub().open({ ...options, types: ['thing.seen'] })
    const position = async () => positionIn(await rows(SUBSCRIPTIONS))
    for (let n = 0; n < 10; n++) await record(Lost, numbers(1000))
    expect(await position()).toBe(0)
    await record(Lost, [1])
    await until(async () => (await position()) >= 10_000)
  })

  it('saves later what could not be saved, though nothing new comes', async () => {
    const { hub, record, rows, realm, failures } = await lab(hasty(systemEnv()))
    let broken = 0
    const append: typeof realm.log.append = (...proposal) =>
      broken-- > 0
        ? Promise.reject(new PolityError('store.failed', 'the disk is elsewhere'))
        : realm.log.append(...proposal)
    const { got, options } = collector()
    await hub({ log: { ...realm.log, append } }).open(options)
    broken = 2
    await record(Seen, numbers(3))
    await until(() => got.length === 3)
    await until(async () => positionIn(await rows(SUBSCRIPTIONS)) === 3)
    expect({ got, told: failures.map(({ code }) => code) }).toEqual({
      got: [0, 1, 2],
      told: ['store.failed'],
    })
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
