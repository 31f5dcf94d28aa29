// Many callers, one budget, and a process that is killed again and again: what was claimed is used, reserved or given back.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asPolityError } from '../errors.ts'
import { sumOf } from '../log/count.ts'
import { NO_FAULTS } from '../simulator/faults.ts'
import { simulation } from '../simulator/realm.ts'
import { noteCost, settleClaim } from './claims.ts'
import { books, budget, costs, load, type Makes, take } from './load.fixture.ts'

const faults = fc.record({
  commitBefore: fc.double({ min: 0, max: 0.2, noNaN: true }),
  commitAfter: fc.double({ min: 0, max: 0.2, noNaN: true }),
  latencyMaxMs: fc.integer({ min: 0, max: 6 }),
})

const mixed: Makes = (chance) => ({
  effect: chance.below(2) === 0 ? 'atomic' : 'idempotent',
  units: 1 + chance.below(4),
  hasFailed: chance.below(2) === 0,
})
/** Some say what it cost: nothing, less, the same or more than they had stated, which may have been nothing. */
const telling: Makes = (chance) => ({
  ...mixed(chance),
  effect: 'idempotent',
  units: chance.below(5),
  ...(chance.below(3) === 0 ? {} : { cost: chance.below(9) }),
})

describe('claims on a budget', () => {
  it('add up to what is used and reserved, and never to more than the limit, whenever the process is killed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2 ** 32 - 1),
        faults,
        fc.integer({ min: 1, max: 8 }),
        fc.nat(4),
        async (seed, plan, callers, crashes) => {
          const sim = simulation({ seed, views: [], faults: { ...NO_FAULTS, ...plan } })
          await sim.run(load(sim, { callers, crashes, taken: budget, make: mixed }))
          const { row, used, reserved } = await books(sim)
          expect(row.slices[0] ?? { used: 0, reserved: 0 }).toMatchObject({ used, reserved })
          expect(sumOf(row)).toBeLessThanOrEqual(budget.limit)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('come to what everything cost in truth, whatever was reserved, whoever failed, and whenever the process is killed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2 ** 32 - 1),
        faults,
        fc.integer({ min: 1, max: 8 }),
        fc.nat(4),
        async (seed, plan, callers, crashes) => {
          const sim = simulation({ seed, views: [], faults: { ...NO_FAULTS, ...plan } })
          await sim.run(load(sim, { callers, crashes, taken: costs, make: telling }, true))
          const { row, used, reserved, beyond } = await books(sim)
          expect(reserved).toBe(0)
          expect(row.slices[0] ?? { used: 0, reserved: 0 }).toMatchObject({ used, reserved })
          // Nobody is let in beyond the limit; what costs more than it stated is on the books all the same.
          expect(sumOf(row)).toBeLessThanOrEqual(costs.limit + beyond)
        },
      ),
      { numRuns: 60 },
    )
  })

  it('are enough to fill it: callers at the same moment neither collide nor leave something over', async () => {
    const sim = simulation({ seed: 5, views: [], faults: NO_FAULTS })
    const { life, taken } = await sim.run(
      (async () => {
        const life = await sim.open()
        const all = Array.from({ length: 40 }, () =>
          take(life, sim, { effect: 'atomic', units: 1, hasFailed: false }).then(
            () => 'taken',
            (error: unknown) => asPolityError(error).code,
          ),
        )
        return { life, taken: await Promise.all(all) }
      })(),
    )
    expect(life.isAlive()).toBe(true)
    expect(taken.filter((each) => each === 'taken')).toHaveLength(budget.limit)
    expect(taken.filter((each) => each === 'denied')).toHaveLength(40 - budget.limit)
  })

  it('are settled once, however often their end is told', async () => {
    const sim = simulation({ seed: 6, views: [], faults: NO_FAULTS })
    await sim.run(
      (async () => {
        const life = await sim.open()
        const id = await take(life, sim, { effect: 'once', units: 4, hasFailed: false })
        for (const outcome of ['unknown', 'failed', 'done'] as const)
          await settleClaim({ ...life, env: sim.env }, id, outcome)
      })(),
    )
    expect((await books(sim)).row.slices).toEqual([{ atMs: 0, used: 4, reserved: 0 }])
  })

  it('are what was reported once, however often and from wherever it is told, also when the end is told at the same moment', async () => {
    for (const [cost, used] of [
      [0, 0],
      [1, 1],
      [7, 7],
    ] as const) {
      const sim = simulation({ seed: 7, views: [], faults: NO_FAULTS })
      await sim.run(
        (async () => {
          const life = await sim.open()
          const ports = { ...life, env: sim.env }
          const id = await take(life, sim, { effect: 'once', units: 4, hasFailed: true }, costs)
          await Promise.all([noteCost(ports, id, cost), noteCost(ports, id, 20), noteCost(ports, id, 21)])
          await noteCost(ports, 'another', 100)
          await Promise.all([settleClaim(ports, id, 'failed'), settleClaim(ports, id, 'done')])
          await noteCost(ports, id, 22)
        })(),
      )
      expect((await books(sim)).row.slices).toEqual([{ atMs: 0, used, reserved: 0 }])
    }
  })

  it('that ran over its limit lets in what states no cost, and nothing that does', async () => {
    const sim = simulation({ seed: 8, views: [], faults: NO_FAULTS })
    await sim.run(
      (async () => {
        const life = await sim.open()
        const ports = { ...life, env: sim.env }
        const id = await take(life, sim, { effect: 'once', units: 4, hasFailed: false }, costs)
        await noteCost(ports, id, 10 * costs.limit)
        await settleClaim(ports, id, 'done')
        await take(life, sim, { effect: 'once', units: 0, hasFailed: false }, costs)
        await expect(take(life, sim, { effect: 'once', units: 1, hasFailed: false }, costs)).rejects.toThrow(
          'exceeded',
        )
      })(),
    )
    expect((await books(sim)).row.slices).toEqual([{ atMs: 0, used: 10 * costs.limit, reserved: 0 }])
  })
})
