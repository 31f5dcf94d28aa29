// Callers, a settler and a killer at one budget, in a simulation: for tests of what claims come to in the end.

import type { StandingQuestion } from '../catalog/standing.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { act } from '../outside/contract.ts'
import type { Life, Simulation } from '../simulator/realm.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { budgetSource, CLAIMS, COUNTS, countOf, noteCost, settleClaim } from './claims.ts'
import { BUDGETS_KEY, type BudgetInForce } from './contract.ts'

/** Rows beside the claims, in their commits: decision -> what it took. */
const TOLD = 'told'

export const budget: BudgetInForce = {
  id: 'b',
  who: 'kind:agent',
  measure: 'fact:units',
  limit: 25,
  window: 'total',
  isShared: true,
  keepsFailed: false,
  epoch: 0,
}
/** In cents, of which the truth is told afterwards. */
export const costs: BudgetInForce = { ...budget, measure: 'cost' }

const readsOf = (each: BudgetInForce) =>
  ({
    get: async () => ({ key: BUDGETS_KEY, version: 1, value: { budgets: { b: each } } }),
  }) as unknown as Parameters<ReturnType<typeof budgetSource>['read']>[1]['now']

export type Made = Pick<StandingQuestion, 'effect'> & {
  readonly units: number
  readonly hasFailed: boolean
  /** Cents that it cost in truth, where somebody says so. */
  readonly cost?: number
}
export type Makes = (chance: Simulation['chance']) => Made

/** Decides as the gate does: exceeded is denied, and a claim that came too late is decided again. */
export async function take(
  { log, reader }: Life,
  sim: Simulation,
  made: Made,
  taken: BudgetInForce = budget,
): Promise<string> {
  const { effect, units } = made
  const source = budgetSource({ reader })
  const now = readsOf(taken)
  for (;;) {
    const id = sim.env.id()
    const question = {
      caller: { chain: [{ kind: 'agent', id: 'bot', roles: [] }] },
      action: act.name,
      kind: 'command',
      effect,
      facts: { units },
      conduct: { cost: units },
      nowMs: sim.env.now(),
    } as unknown as StandingQuestion
    const { exceeded = [] } = await source.read(question, { now, expecting: now })
    if (exceeded.length > 0) throw new PolityError('denied', 'the budget is exceeded')
    const { rows = [] } = (await source.claim?.(question, id)) ?? {}
    try {
      const told = { table: TOLD, key: id, value: JSON.stringify(made) }
      await log.append({ entries: [], rows: [...rows, told] })
      return id
    } catch (error) {
      if (asPolityError(error).code !== 'expectation.failed') throw error
    }
  }
}

export interface Plan {
  readonly callers: number
  readonly crashes: number
  readonly taken: BudgetInForce
  readonly make: Makes
}

async function caller(
  sim: Simulation,
  stage: { life: Life },
  { make, taken }: Plan,
  onDenied: () => void,
): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) {
    await sim.env.sleepUntil(sim.env.monotonic() + 1 + sim.chance.below(10))
    const { life } = stage
    try {
      await Promise.race([take(life, sim, make(sim.chance), taken), life.killed])
    } catch (error) {
      if (asPolityError(error).code === 'denied') onDenied()
    }
  }
}
const TURNS = 8

/** As the feed does: what was told at least once, some twice, in order, and again after a crash. */
async function settler(sim: Simulation, stage: { life: Life }, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await sim.env.sleepUntil(sim.env.monotonic() + 1 + sim.chance.below(10))
    for (const { key } of await openClaims(sim))
      await Promise.race([settleOne(sim, stage.life, key), stage.life.killed]).catch(() => undefined)
  }
}

const openClaims = async (sim: Simulation) =>
  (await memoryStore(sim.data).scan(CLAIMS, { limit: 1000 })).value

async function settleOne(sim: Simulation, life: Life, key: string): Promise<void> {
  const ports = { ...life, env: sim.env }
  const { hasFailed, cost } = await toldOf(sim, key)
  const twice = (tell: () => Promise<void>) => Promise.all([tell(), tell()])
  // A second report says something else, and comes too late.
  if (cost !== undefined) {
    await noteCost(ports, key, cost)
    await noteCost(ports, key, cost + 1)
  }
  await twice(() => settleClaim(ports, key, hasFailed ? 'failed' : 'done'))
}

async function toldOf(sim: Simulation, key: string): Promise<Made> {
  const told = (await memoryStore(sim.data).load(TOLD, [key])).value.get(key)
  return JSON.parse(told?.value ?? '{}') as Made
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

/** Until everybody has had his turns; with `isSettled`, until nothing is open any more. */
export async function load(sim: Simulation, plan: Plan, isSettled = false): Promise<{ denied: number }> {
  const stage = { life: await reopened(sim) }
  let [isOver, denied] = [false, 0]
  const settling = settler(sim, stage, () => isOver)
  const callings = Array.from({ length: plan.callers }, () => caller(sim, stage, plan, () => (denied += 1)))
  await Promise.all([...callings, killer(sim, stage, plan.crashes)])
  while (isSettled && (await openClaims(sim)).length > 0) await sim.env.sleepUntil(sim.env.monotonic() + 5)
  isOver = true
  await settling
  return { denied }
}

/** What is stored, and what it has to be as the rows tell that were committed beside it. */
export async function books(sim: Simulation) {
  const store = memoryStore(sim.data)
  const [count] = (await store.scan(COUNTS, { limit: 10 })).value
  const open = new Set((await openClaims(sim)).map(({ key }) => key))
  let [used, reserved, beyond] = [0, 0, 0]
  for (const { key, value } of (await store.scan(TOLD, { limit: 1000 })).value) {
    const { effect, units, hasFailed, cost } = JSON.parse(value) as Made
    if (cost !== undefined) beyond += Math.max(0, cost - units)
    if (open.has(key)) reserved += units
    else if (effect === 'atomic') used += units
    else used += cost ?? (hasFailed ? 0 : units)
  }
  return { row: countOf(count?.value) ?? { slices: [] }, used, reserved, beyond }
}
