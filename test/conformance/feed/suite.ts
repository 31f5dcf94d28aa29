// What subscriptions must keep on every engine: nothing lost, each key in order, one hub at a time, bounded memory.

import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recordAsHub } from '../../../src/kernel/catalog/hub-records.ts'
import { type Env, systemEnv } from '../../../src/kernel/env.ts'
import type { PolityError } from '../../../src/kernel/errors.ts'
import type { SubscriptionOptions } from '../../../src/kernel/feed/subscription.ts'
import { openSubscriptions } from '../../../src/kernel/feed/subscriptions.ts'
import { type Entry, entryType } from '../../../src/kernel/log/entry.ts'
import type { Realm } from '../../../src/kernel/realm/realm.ts'
import { Integer, Name } from '../../../src/kernel/schema/schema.ts'

const Seen = entryType('conformance.seen@1', { n: Integer, who: Name })
const WRITERS = 10
const env = systemEnv()

/** A realm of its own; `close` takes away what it left. */
export interface FeedPlace {
  readonly realm: Realm
  close(): Promise<void>
}

type Subscribing = ReturnType<typeof openSubscriptions>

export function feedConformance(name: string, open: () => Promise<FeedPlace>): void {
  describe(`subscriptions on ${name}`, () => {
    let place: FeedPlace
    let hubs: Subscribing[]
    let failures: PolityError[]
    beforeEach(async () => {
      place = await open()
      hubs = []
      failures = []
    })
    afterEach(async () => {
      for (const each of hubs.reverse()) await each.close()
      await place.close()
    })

    const hub = (over: { holder?: string; isAlone?: boolean; env?: Env } = {}) => {
      const { log, reader, holder, isAlone } = place.realm
      const onFailure = (error: PolityError) => failures.push(error)
      const subscriptions = openSubscriptions({ log, reader, env, holder, isAlone, onFailure, ...over })
      hubs.push(subscriptions)
      return subscriptions
    }
    const at: Stage = {
      hub,
      failures: () => failures,
      record: (first, count, who = () => 'a') =>
        recordAsHub(
          { log: place.realm.log, env, source: 'polity://conformance' },
          Array.from({ length: count }, (_, n) => Seen({ n: first + n, who: who(first + n) })),
        ),
      headSize: () => place.realm.log.head().size,
    }
    deliveryTests(at)
    setAsideTests(at)
    movingTests(at)
    leaseTests(at)
  })
}

interface Stage {
  hub(over?: { holder?: string; isAlone?: boolean; env?: Env }): Subscribing
  failures(): readonly PolityError[]
  record(first: number, count: number, who?: (n: number) => string): Promise<unknown>
  headSize(): number
}

const nOf = ({ data }: Entry) => data.n as number
const whoOf = ({ data }: Entry) => data.who as string
const until = async (isSo: () => boolean | Promise<boolean>) => {
  while (!(await isSo())) await setImmediate()
}
const TYPES = ['conformance.*']

function deliveryTests({ hub, record }: Stage): void {
  it('lose nothing and repeat nothing while ten write and one reads live', async () => {
    const got: number[] = []
    await hub().open({
      name: 'live',
      types: TYPES,
      from: 'start',
      handle: async ({ seq }) => void got.push(seq),
    })
    const write = async (writer: number) => {
      for (let turn = 0; turn < 20; turn++) await record(writer * 1000 + turn * 10, 1 + (turn % 4))
    }
    await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)))
    const total = WRITERS * 50
    await until(() => got.length >= total)
    expect(got).toEqual(Array.from({ length: total }, (_, seq) => seq))
  })

  it('give everything at least once over ends of the subscriber at any point', async () => {
    const got = new Set<number>()
    let calls = 0
    await record(0, 300)
    for (let life = 0; got.size < 300; life++) {
      const subscriptions = hub({ holder: `life-${life}` })
      await subscriptions.open({
        name: 'lives',
        types: TYPES,
        from: 'start',
        async handle(entry) {
          calls += 1
          await setImmediate()
          got.add(nOf(entry))
        },
      })
      const enough = calls + 37
      await until(() => calls >= enough || got.size === 300)
      await subscriptions.close()
    }
    // Each end repeats no more than what was under way.
    expect(calls).toBeLessThan(300 + 20)
  })

  it('keep a publisher waiting for nobody, and what is behind in the log', async () => {
    const gate = Promise.withResolvers<void>()
    const got: number[] = []
    const subscription = await hub().open({
      name: 'slow',
      types: TYPES,
      async handle(entry) {
        await gate.promise
        got.push(nOf(entry))
      },
    })
    for (let from = 0; from < 6000; from += 1000) await record(from, 1000)
    await until(async () => (await subscription.state()).lag > 4000)
    gate.resolve()
    await until(() => got.length === 6000)
    expect(got).toEqual(Array.from({ length: 6000 }, (_, n) => n))
  })
}

const failingOnce = (handled: Map<string, number[]>): Pick<SubscriptionOptions, 'handle'> => ({
  async handle(entry, { attempt }) {
    await setImmediate()
    if (nOf(entry) % 7 === 0 && attempt < 3) throw new Error('not yet')
    handled.set(whoOf(entry), [...(handled.get(whoOf(entry)) ?? []), nOf(entry)])
  },
})

function setAsideTests({ hub, record, failures }: Stage): void {
  it('keep each key in order under redelivery', async () => {
    const handled = new Map<string, number[]>()
    await hub().open({
      name: 'keyed',
      types: TYPES,
      key: whoOf,
      inFlightMax: 8,
      retry: { baseMs: 1, capMs: 5 },
      ...failingOnce(handled),
    })
    await record(0, 200, (n) => 'abcde'[n % 5] ?? '')
    await until(() => [...handled.values()].flat().length === 200)
    for (const got of handled.values()) expect(got).toEqual(got.toSorted((a, b) => a - b))
  })

  it('give a poison item up with its reason, and nothing else; retrying brings it back', async () => {
    const got: number[] = []
    let isBroken = true
    const subscription = await hub().open({
      name: 'poison',
      types: TYPES,
      deliverMax: 2,
      retry: { baseMs: 1, capMs: 1 },
      async handle(entry) {
        if (nOf(entry) === 5 && isBroken) throw new Error('poison')
        got.push(nOf(entry))
      },
    })
    await record(0, 10)
    await until(() => got.length === 9)
    expect(await subscription.parked({ limit: 9 })).toMatchObject([
      { seq: 5, state: 'dead', reason: 'poison' },
    ])
    isBroken = false
    await subscription.retry([5])
    await until(() => got.length === 10)
    expect(got.at(-1)).toBe(5)
  })

  it('hold ten thousand items aside, find them again, and go on with all of them', async () => {
    const first = hub({ holder: 'first' })
    const options = { name: 'many', types: TYPES, key: () => undefined, inFlightMax: 256, deliverMax: 1 }
    const failing = await first.open({ ...options, handle: () => Promise.reject(new Error('no')) })
    for (let from = 0; from < 10_500; from += 1000) await record(from, Math.min(1000, 10_500 - from))
    await until(async () => (await failing.state()).dead === 10_000)
    await until(() => failures().some(({ code }) => code === 'limit'))
    await first.close()
    const got = new Set<number>()
    const second = await hub({ holder: 'second' }).open({
      ...options,
      handle: async (e) => void got.add(nOf(e)),
    })
    expect(await second.state()).toMatchObject({ dead: 10_000, position: 10_000 })
    expect(await second.retry()).toBe(10_000)
    await until(() => got.size === 10_500)
    await until(async () => (await second.parked({ limit: 1 })).length === 0)
  })
}

function movingTests({ hub, record, headSize }: Stage): void {
  it('replay from a position', async () => {
    const got: number[] = []
    const subscription = await hub().open({
      name: 'replay',
      types: TYPES,
      handle: async (entry) => void got.push(nOf(entry)),
    })
    await record(0, 50)
    await until(() => got.length === 50)
    await subscription.seek(headSize() - 10)
    await until(() => got.length === 60)
    expect(got.slice(50)).toEqual(Array.from({ length: 10 }, (_, n) => 40 + n))
  })
}

function leaseTests({ hub, record }: Stage): void {
  it('are taken over from a hub that is silent, whose late work moves nothing', async () => {
    const held = Promise.withResolvers<void>()
    const early: number[] = []
    const options = { name: 'lease', types: TYPES, from: 'start' } as const
    const silent = await hub({ holder: 'silent', isAlone: false }).open({
      ...options,
      async handle(entry) {
        early.push(nOf(entry))
        await held.promise
      },
    })
    await record(0, 20)
    await until(() => early.length === 1)
    const got: number[] = []
    const late: Env = { ...env, now: () => env.now() + 20_000 }
    const next = await hub({ holder: 'next', isAlone: false, env: late }).open({
      ...options,
      handle: async (entry) => void got.push(nOf(entry)),
    })
    await until(() => got.length === 20)
    held.resolve()
    await silent.pause()
    expect(early).toEqual([0])
    // It was steered where it is served now.
    await until(async () => {
      await next.retry()
      return (await next.state()).isPaused
    })
    expect(await next.state()).toMatchObject({ parked: 0, dead: 0 })
    expect(got).toEqual(Array.from({ length: 20 }, (_, n) => n))
  })
}
