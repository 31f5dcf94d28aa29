// Runs under seeded faults and kills: each fact once, one outcome each, and nothing repeated that must not be.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseEntry } from '../log/entry.ts'
import { viewsOf } from '../log/view.ts'
import { type FaultPlan, faultyStore, NO_FAULTS } from '../simulator/faults.ts'
import { type Life, type Simulation, simulation } from '../simulator/realm.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { type ControlRow, RUNS_CONTROL } from './control.ts'
import { RUN_STEPS } from './journal.ts'
import { handlerOf, nobodyIsAsked, stepped } from './lab.fixture.ts'
import { RUNS, type RunRow } from './run.ts'
import { RUNS_OPEN_EACH_MAX } from './run-shares.ts'
import { openRuns, RUNS_OPEN_MAX, type Runs } from './runs.ts'

const views = viewsOf({ stepped })
const STEPS = 4

interface Scene {
  readonly sim: Simulation
  readonly effect: 'idempotent' | 'once'
  /** `run/step` -> how often its body began. */
  readonly bodies: Map<string, number>
  /** Its steps have results and no facts. */
  readonly isQuiet: boolean
  /** What a body found that began too early. */
  readonly early: unknown[]
}

/** A body that begins before the results that it builds upon are durable would outlive them in a crash. */
function expectRecordedBefore({ data }: Simulation, run: string, step: number): void {
  const rows = data.tables.get(RUN_STEPS)
  const stateOf = (name: string) =>
    (JSON.parse(rows?.get(`${run}/${name}`)?.value ?? '{}') as { state?: string }).state
  for (let before = 0; before < step; before++)
    expect(stateOf(`${before}`), `step ${before} of ${run} when ${step} begins`).toBe('done')
  for (let before = 0; before <= step; before++)
    expect(stateOf(`look ${before}`), `what ${step} of ${run} builds upon`).toBe('done')
}

function openLifeRuns({ sim, effect, bodies, isQuiet, early }: Scene, life: Life): Runs {
  const env = sim.env.process(life.isAlive)
  const reader = faultyStore(memoryStore(sim.data), {
    chance: sim.chance,
    env,
    weather: sim.weather,
    isAlive: life.isAlive,
  })
  return openRuns({
    log: life.log,
    reader,
    env,
    stepKey: sim.vaultKey,
    source: 'polity://simulation',
    reads: life.views,
    handlerOf: handlerOf(
      effect,
      STEPS,
      (run, step) => {
        if (!life.isAlive()) return
        bodies.set(`${run}/${step}`, (bodies.get(`${run}/${step}`) ?? 0) + 1)
        try {
          expectRecordedBefore(sim, run, step)
        } catch (error) {
          early.push(error)
        }
      },
      isQuiet,
    ),
    open: async (form) => form,
    asking: nobodyIsAsked,
    onProgress: () => undefined,
    onFailure: () => undefined,
    holder: env.id(),
    isAlone: true,
  })
}

const rowOf = (id: string): Omit<RunRow, 'status' | 'journalSalt'> => ({
  id,
  action: 'simulation.work@1',
  decision: id,
  chain: [{ kind: 'user', id: 'somebody', roles: [] }],
  correlationId: id,
  startedAt: '2026-01-01T00:00:00.000Z',
  input: {},
})

/** Opening and resuming may meet a fault too: whoever runs a hub starts it again. */
async function live(scene: Scene): Promise<{ life: Life; runs: Runs }> {
  const { sim } = scene
  for (;;) {
    try {
      const life = await sim.open()
      const runs = openLifeRuns(scene, life)
      await runs.resume()
      return { life, runs }
    } catch (error) {
      if ((error as { facts?: { simulated?: boolean } }).facts?.simulated !== true) throw error
      await sim.env.sleepUntil(sim.env.monotonic() + 5)
    }
  }
}

/** Creates runs as a decision would, kills the process at the given moments, and ends in good weather. */
async function play(scene: Scene, count: number, killsMs: readonly number[]): Promise<readonly string[]> {
  const { sim } = scene
  let { life, runs } = await live(scene)
  const created: string[] = []
  const create = async (id: string) => {
    const { row, rows } = runs.draft(rowOf(id))
    const mine = runs
    try {
      await Promise.race([life.log.append({ entries: [], rows }), life.killed])
    } catch {
      mine.abandon(id)
      // A fault before or after it was applied: the rows at the end tell which.
      if (!(await mine.isDurable(id).catch(() => false))) return
    }
    mine.start(row, {}).catch(() => undefined)
  }
  for (let run = 0; run < count; run++) created.push(`run${run}`)
  const creating = Promise.all(created.map(create))
  for (const killMs of killsMs) {
    await sim.env.sleepUntil(sim.env.monotonic() + killMs)
    sim.crash()
    ;({ life, runs } = await live(scene))
  }
  await Promise.race([creating, sim.env.sleepUntil(sim.env.monotonic() + 60_000)])
  sim.weather.plan = NO_FAULTS
  sim.weather.fullUntilMs = 0
  await sim.env.sleepUntil(sim.env.monotonic() + 5_000)
  // One last start finds what a fault at the very end left behind.
  sim.crash()
  ;({ life, runs } = await live(scene))
  for (const id of created) await runs.settled(id).catch(() => undefined)
  await sim.env.sleepUntil(sim.env.monotonic() + 5_000)
  return created
}

const entriesOf = ({ data }: Simulation) => data.entries.map(({ seq, bytes }) => parseEntry(seq, bytes))

function expectOnce({ sim, effect, bodies, isQuiet, early }: Scene): void {
  expect(early).toEqual([])
  const rows = [...(sim.data.tables.get(RUNS)?.values() ?? [])].map(
    ({ value }) => JSON.parse(value ?? '{}') as RunRow,
  )
  const entries = entriesOf(sim)
  for (const row of rows) {
    const outcomes = entries.filter(({ type, data }) => type === 'action.finished@1' && data.run === row.id)
    expect(
      outcomes.map(({ data }) => data.status),
      `outcomes of ${row.id}`,
    ).toEqual([row.status])
    const steps = entries.filter(({ type, data }) => type === 'simulation.stepped@1' && data.run === row.id)
    expect(steps.map(({ data }) => data.step)).toEqual(
      Array.from({ length: steps.length }, (_, step) => step),
    )
    if (effect === 'idempotent') expect(row.status, JSON.stringify(row.error)).toBe('done')
    if (row.status === 'done') {
      expect(steps).toHaveLength(isQuiet ? 0 : STEPS)
      expect(row.output).toEqual({ total: 6 })
    } else expect(row).toMatchObject({ status: 'unknown', error: { code: 'run.unknown' } })
  }
  for (const [body, times] of bodies) {
    expect(times, body).toBeGreaterThanOrEqual(1)
    if (effect === 'once') expect(times, body).toBe(1)
  }
}

const share = fc.double({ min: 0, max: 0.2, noNaN: true })
const plans: fc.Arbitrary<FaultPlan> = fc.record({
  commitBefore: share,
  commitAfter: share,
  full: fc.double({ min: 0, max: 0.1, noNaN: true }),
  fullMaxMs: fc.integer({ min: 1, max: 3000 }),
  read: fc.double({ min: 0, max: 0.05, noNaN: true }),
  anchorBefore: share,
  anchorAfter: share,
  sign: share,
  latencyMaxMs: fc.integer({ min: 1, max: 8 }),
})

describe.each(['idempotent', 'once'] as const)('%s runs', (effect) => {
  it('take each step and end exactly once, whatever fails and whenever they are killed', async () => {
    const kills = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        plans,
        kills,
        fc.boolean(),
        async (seed, faults, killsMs, isQuiet) => {
          const sim = simulation({ seed, views, faults })
          const scene: Scene = { sim, effect, bodies: new Map(), isQuiet, early: [] }
          await sim.run(play(scene, 5, killsMs))
          expectOnce(scene)
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe.each([
  ['idempotent', false],
  ['idempotent', true],
  ['once', false],
  ['once', true],
] as const)('an %s run (without facts: %s)', (effect, isQuiet) => {
  it('ends once when its process is killed in any millisecond of it', async () => {
    const statuses = new Set<string>()
    for (let killMs = 0; killMs < 90; killMs++) {
      const sim = simulation({ seed: killMs, views, faults: { ...NO_FAULTS, latencyMaxMs: 6 } })
      const scene: Scene = { sim, effect, bodies: new Map(), isQuiet, early: [] }
      await sim.run(play(scene, 1, [killMs]))
      expectOnce(scene)
      for (const { type, data } of entriesOf(sim))
        if (type === 'action.finished@1') statuses.add(`${data.status}`)
    }
    expect([...statuses].sort()).toEqual(effect === 'once' ? ['done', 'unknown'] : ['done'])
  })
})

describe('a run', () => {
  const scene = (faults: FaultPlan, effect: Scene['effect'] = 'idempotent'): Scene => ({
    sim: simulation({ seed: 7, views, faults }),
    effect,
    bodies: new Map(),
    isQuiet: false,
    early: [],
  })

  it('waits for room on the disk and then ends as if nothing had been', async () => {
    const full = scene(NO_FAULTS)
    const { sim } = full
    const work = async () => {
      const { life, runs } = await live(full)
      const { row, rows } = runs.draft(rowOf('run'))
      await life.log.append({ entries: [], rows })
      sim.weather.fullUntilMs = sim.env.monotonic() + 10_000
      const { row: finished } = await runs.start(row, {})
      expect(sim.env.monotonic()).toBeGreaterThanOrEqual(10_000)
      expect(finished).toMatchObject({ status: 'done', output: { total: 6 } })
    }
    await sim.run(work())
    expectOnce(full)
    expect([...full.bodies.values()]).toEqual([1, 1, 1, 1])
  })

  it('knows its own writes again when the store applied them and reported a failure', async () => {
    const unheard = scene(NO_FAULTS)
    const { sim } = unheard
    const work = async () => {
      const { life, runs } = await live(unheard)
      const { row, rows } = runs.draft(rowOf('run'))
      await life.log.append({ entries: [], rows })
      sim.weather.plan = { ...NO_FAULTS, commitAfter: 1 }
      const { row: finished } = await runs.start(row, {})
      expect(finished.status).toBe('done')
    }
    await sim.run(work())
    expect(sim.weather.appliedUnheard).toBeGreaterThanOrEqual(STEPS + 1)
    expectOnce(unheard)
    expect([...unheard.bodies.values()]).toEqual([1, 1, 1, 1])
  })

  it('that is paused before it begins has not begun, and goes on when somebody says so', async () => {
    const paused = scene(NO_FAULTS)
    const { sim } = paused
    const work = async () => {
      const { life, runs } = await live(paused)
      const ask = async (control: ControlRow) => {
        const row = { table: RUNS_CONTROL, key: 'run', value: JSON.stringify(control) }
        await life.log.append({ entries: [], rows: [row] })
        runs.attend('run')
      }
      const { row, rows } = runs.draft(rowOf('run'))
      await life.log.append({ entries: [], rows })
      // The decision is durable, and whoever asked for the run has not come to start it.
      await ask({ isPaused: true })
      const ended = runs.start(row, {})
      await sim.env.sleepUntil(sim.env.monotonic() + 60_000)
      expect([...paused.bodies]).toEqual([])
      await ask({ isPaused: false })
      expect((await ended).row).toMatchObject({ status: 'done', output: { total: 6 } })
    }
    await sim.run(work())
    expectOnce(paused)
  })

  it('keeps its place free once it is abandoned', async () => {
    const limits = scene(NO_FAULTS)
    const { sim } = limits
    await sim.run(
      (async () => {
        const { runs } = await live(limits)
        const ids = Array.from({ length: RUNS_OPEN_MAX - 1 }, (_, index) => `run${index}`)
        const limit = expect.objectContaining({ code: 'run.limit' })
        // One principal has a share, beside which there is room for others; who may do everything may have the rest.
        for (const id of ids.slice(0, RUNS_OPEN_EACH_MAX)) runs.draft(rowOf(id))
        expect(() => runs.draft(rowOf('more'))).toThrow(limit)
        const [somebody] = rowOf('').chain
        const other = [{ ...somebody, id: 'other' }] as RunRow['chain']
        runs.draft({ ...rowOf('of another'), chain: other })
        const owner = [{ ...somebody, roles: ['owner'] }] as RunRow['chain']
        for (const id of ids.slice(RUNS_OPEN_EACH_MAX)) runs.draft({ ...rowOf(id), chain: owner })
        expect(() => runs.draft({ ...rowOf('more'), chain: owner })).toThrow(limit)
        runs.abandon('run5')
        expect(runs.draft(rowOf('more')).row).toMatchObject({ id: 'more', status: 'running' })
        expect(() => runs.draft(rowOf('even more'))).toThrow(limit)
        await expect(runs.get('run1')).rejects.toMatchObject({ code: 'run.not-found' })
      })(),
    )
  })
})
