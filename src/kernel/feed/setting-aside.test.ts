// Items that fail: tried again in order of their key, set aside, given up, and brought back.

import { afterEach, describe, expect, it } from 'vitest'
import { systemEnv } from '../env.ts'
import type { Entry } from '../log/entry.ts'
import { closeAll, collector, hasty, lab, nOf, numbers, Seen, until, whoOf } from './lab.fixture.ts'
import { PARKED } from './subscription-rows.ts'

afterEach(closeAll)

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
