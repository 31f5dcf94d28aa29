// Many callers, one budget, and a process that is killed again and again: what was claimed is used, reserved or given back.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { StandingQuestion } from '../catalog/standing.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { sumOf } from '../log/count.ts'
import { NO_FAULTS } from '../simulator/faults.ts'
import { type Life, type Simulation, simulation } from '../simulator/realm.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { budgetSource, CLAIMS, COUNTS, countOf, settleClaim } from './claims.ts'
import { BUDGETS_KEY, type BudgetInForce } from './contract.ts'

/** Rows beside the claims, in their commits: decision -> what it took. */
const TOLD = 'told'

const budget: BudgetInForce = {
  id: 'b',
  who: 'kind:agent',
  measure: 'fact:units',
  limit: 25,
  window: 'total',
  isShared: true,
  keepsFailed: false,
  epoch: 0,
}
const now = {
  get: async () => ({ key: BUDGETS_KEY, version: 1, value: { budgets: { b: budget } } }),
} as unknown as Parameters<ReturnType<typeof budgetSource>['read']>[1]['now']

type Made = Pick<StandingQuestion, 'effect'> & { readonly units: number; readonly hasFailed: boolean }

/** Decides as the gate does: exceeded is denied, and a claim that came too late is decided again. */
async function take(
  { log, reader }: Life,
  sim: Simulation,
  { effect, units, hasFailed }: Made,
): Promise<string> {
  const source = budgetSource({ reader })
  for (;;) {
    const id = sim.env.id()
    const question = {
      caller: { chain: [{ kind: 'agent', id: 'bot', roles: [] }] },
      action: 'mail.send@1',
      kind: 'command',
      effect,
      facts: { units },
      conduct: {},
      nowMs: sim.env.now(),
    } as unknown as StandingQuestion
    const { exceeded = [] } = await source.read(question, { now, expecting: now })
    if (exceeded.length > 0) throw new PolityError('denied', 'the budget is exceeded')
    const { rows = [] } = (await source.claim?.(question, id)) ?? {}
    try {
      const told = { table: TOLD, key: id, value: JSON.stringify({ effect, units, hasFailed }) }
      await log.append({ entries: [], rows: [...rows, told] })
      return id
    } catch (error) {
      if (asPolityError(error).code !== 'expectation.failed') throw error
    }
  }
}

async function caller(
  sim: Simulation,
  stage: { life: Life },
  turns: number,
  onDenied: () => void,
): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await sim.env.sleepUntil(sim.env.monotonic() + 1 + sim.chance.below(10))
    const { life } = stage
    const made: Made = {
      effect: sim.chance.below(2) === 0 ? 'atomic' : 'idempotent',
      units: 1 + sim.chance.below(4),
      hasFailed: sim.chance.below(2) === 0,
    }
    try {
      await Promise.race([take(life, sim, made), life.killed])
    } catch (error) {
      if (asPolityError(error).code === 'denied') onDenied()
    }
  }
}

/** As the feed does: every outcome at least once, some twice, and from the beginning after a crash. */
async function settler(sim: Simulation, stage: { life: Life }, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await sim.env.sleepUntil(sim.env.monotonic() + 1 + sim.chance.below(10))
    const { life } = stage
    const open = (await memoryStore(sim.data).scan(CLAIMS, { limit: 1000 })).value
    for (const { key } of open) {
      const told = (await memoryStore(sim.data).load(TOLD, [key])).value.get(key)
      const { hasFailed } = JSON.parse(told?.value ?? '{}') as Made
      const settle = () =>
        settleClaim({ ...life, env: sim.env }, key, hasFailed ? 'failed' : 'done').catch(() => undefined)
      await Promise.race([Promise.all([settle(), settle()]), life.killed]).catch(() => undefined)
    }
  }
}

async function killer(sim: Simulation, stage: { life: Life }, crashes: number): Promise<void> {
  for (let crash = 0; crash < crashes; crash++) {
    await sim.env.sleepUntil(sim.env.monotonic() + 1 + sim.chance.below(60))
    sim.crash()
    stage.life = await reopened(sim)
  }
}

/** The disk may fail while it starts. */
async function reopened(sim: Simulation): Promise<Life> {
  for (;;)
    try {
      return await sim.open()
    } catch {
      await sim.env.sleepUntil(sim.env.monotonic() + 5)
    }
}

async function load(sim: Simulation, { callers, crashes }: { callers: number; crashes: number }) {
  const stage = { life: await reopened(sim) }
  let [isOver, denied] = [false, 0]
  const settling = settler(sim, stage, () => isOver)
  const callings = Array.from({ length: callers }, () => caller(sim, stage, 8, () => (denied += 1)))
  await Promise.all([...callings, killer(sim, stage, crashes)])
  isOver = true
  await settling
  return { denied }
}

/** What is stored, told from the rows that were committed beside it. */
async function books(sim: Simulation) {
  const store = memoryStore(sim.data)
  const [count] = (await store.scan(COUNTS, { limit: 10 })).value
  const open = new Set((await store.scan(CLAIMS, { limit: 1000 })).value.map(({ key }) => key))
  let [used, reserved] = [0, 0]
  for (const { key, value } of (await store.scan(TOLD, { limit: 1000 })).value) {
    const { effect, units, hasFailed } = JSON.parse(value) as Made
    if (open.has(key)) reserved += units
    else if (effect === 'atomic' || !hasFailed) used += units
  }
  return { row: countOf(count?.value) ?? { slices: [] }, used, reserved }
}

describe('claims on a budget', () => {
  it('add up to what is used and reserved, and never to more than the limit, whenever the process is killed', async () => {
    const faults = fc.record({
      commitBefore: fc.double({ min: 0, max: 0.2, noNaN: true }),
      commitAfter: fc.double({ min: 0, max: 0.2, noNaN: true }),
      latencyMaxMs: fc.integer({ min: 0, max: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.nat(2 ** 32 - 1),
        faults,
        fc.integer({ min: 1, max: 8 }),
        fc.nat(4),
        async (seed, plan, callers, crashes) => {
          const sim = simulation({ seed, views: [], faults: { ...NO_FAULTS, ...plan } })
          await sim.run(load(sim, { callers, crashes }))
          const { row, used, reserved } = await books(sim)
          expect(row.slices[0] ?? { used: 0, reserved: 0 }).toMatchObject({ used, reserved })
          expect(sumOf(row)).toBeLessThanOrEqual(budget.limit)
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
})
