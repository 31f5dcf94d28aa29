// Property: whatever fails and whenever the hub is killed, everything is handled at least once and each key in order.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { entryType, sealEntry } from '../log/entry.ts'
import { Integer, Name } from '../schema/schema.ts'
import { NO_FAULTS } from '../simulator/faults.ts'
import { type Life, type Simulation, simulation } from '../simulator/realm.ts'
import type { SubscriptionOptions } from './subscription.ts'
import { openSubscriptions } from './subscriptions.ts'

const Seen = entryType('thing.seen@1', { n: Integer, who: Name })
const KEYS = ['a', 'b', 'c']
const SLOT_MS = 400

/** What became of each item, over all lives. */
interface Told {
  readonly handled: Map<string, number[]>
  readonly dead: Set<number>
  /** Two of one key at a time, in one life. */
  overlaps: number
  next: number
}

const share = fc.double({ min: 0, max: 0.15, noNaN: true })
const cases = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  faults: fc.record({
    commitBefore: share,
    commitAfter: share,
    full: fc.double({ min: 0, max: 0.05, noNaN: true }),
    fullMaxMs: fc.integer({ min: 1, max: 200 }),
    read: fc.double({ min: 0, max: 0.05, noNaN: true }),
    anchorBefore: share,
    anchorAfter: share,
    sign: share,
    latencyMaxMs: fc.integer({ min: 0, max: 8 }),
  }),
  crashes: fc.integer({ min: 0, max: 5 }),
  failing: fc.double({ min: 0, max: 0.5, noNaN: true }),
  inFlightMax: fc.integer({ min: 1, max: 4 }),
  deliverMax: fc.constantFrom(2, 1000),
  isKeyed: fc.boolean(),
})
type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never

describe('subscriptions under faults and crashes', () => {
  it('handle everything at least once or give it up, each key in order, one at a time', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async (each) => {
        const sim = simulation({ seed: each.seed, views: [], faults: each.faults })
        const told: Told = { handled: new Map(), dead: new Set(), overlaps: 0, next: 0 }
        for (let life = 0; life < each.crashes; life++) {
          await sim.run(liveAndDie(sim, each, told))
          sim.crash()
        }
        sim.weather.plan = NO_FAULTS
        sim.weather.fullUntilMs = 0
        await sim.run(liveInPeace(sim, each, told))
        expectPromisesKept(sim, each, told)
      }),
      { numRuns: 120, endOnFailure: true },
    )
  }, 120_000)
})

async function liveAndDie(sim: Simulation, each: Case, told: Told): Promise<void> {
  const endMs = sim.env.monotonic() + sim.chance.below(SLOT_MS)
  const work = async () => {
    const life = await sim.open()
    begin(sim, life, each, told).catch(() => undefined)
    while (sim.env.monotonic() < endMs) {
      await append(sim, life, told).catch(() => undefined)
      await sim.env.sleepUntil(sim.env.monotonic() + 1 + sim.chance.below(20))
    }
  }
  // A log that does not open is a life that ended early.
  await Promise.race([work().catch(() => undefined), sim.env.sleepUntil(endMs)])
}

async function liveInPeace(sim: Simulation, each: Case, told: Told): Promise<void> {
  const life = await sim.open()
  const subscriptions = await begin(sim, life, each, told)
  await append(sim, life, told)
  const isDone = () => {
    const settled = new Set([...told.dead, ...[...told.handled.values()].flat()])
    return settled.size === sim.data.entries.length
  }
  while (!isDone()) await sim.env.sleepUntil(sim.env.monotonic() + 50)
  await subscriptions.close()
}

/** What is not acknowledged may be there all the same; whatever is there counts. */
const append = (sim: Simulation, { log }: Life, told: Told) => {
  const drafts = Array.from({ length: 1 + sim.chance.below(4) }, () =>
    Seen({ n: told.next++, who: KEYS[sim.chance.below(KEYS.length)] ?? '' }),
  )
  const entries = drafts.map((draft) => sealEntry(draft, { source: 'polity://test' }, sim.env).text)
  return log.append({ entries })
}

async function begin(sim: Simulation, { log, reader, isAlive }: Life, each: Case, told: Told) {
  const env = sim.env.process(isAlive)
  const subscriptions = openSubscriptions({
    log,
    reader,
    env,
    holder: env.id(),
    isAlone: true,
    onFailure: () => undefined,
  })
  const underWay = new Set<string>()
  const keyOf: NonNullable<SubscriptionOptions['key']> = ({ data }) => data.who as string
  await subscriptions.open({
    name: 'test',
    types: ['thing.*'],
    from: 'start',
    ...(each.isKeyed ? { key: keyOf } : {}),
    inFlightMax: each.inFlightMax,
    deliverMax: each.deliverMax,
    retry: { baseMs: 5, capMs: 50 },
    async handle(entry) {
      const key = each.isKeyed ? (keyOf(entry) ?? '') : ''
      if (underWay.has(key)) told.overlaps += 1
      underWay.add(key)
      try {
        await env.sleepUntil(env.monotonic() + sim.chance.below(5))
        if (sim.chance.happens(each.failing)) throw new Error('by chance')
        told.handled.set(key, [...(told.handled.get(key) ?? []), entry.seq])
      } finally {
        underWay.delete(key)
      }
    },
    dead: async ({ seq }) => void told.dead.add(seq),
  })
  return subscriptions
}

function expectPromisesKept({ data }: Simulation, each: Case, { handled, dead, overlaps }: Told): void {
  expect(overlaps).toBe(0)
  const all = new Set([...dead, ...[...handled.values()].flat()])
  expect(all.size).toBe(data.entries.length)
  if (each.deliverMax > 2) expect(dead.size).toBe(0)
  // A crash repeats what was not saved, also what was given up; else nothing is handled before what stands before it.
  for (const got of handled.values()) {
    const first = [...new Set(got)].filter((seq) => !dead.has(seq))
    expect(first).toEqual(first.toSorted((a, b) => a - b))
  }
}
