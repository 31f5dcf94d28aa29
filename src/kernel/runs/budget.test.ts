// Repetitions of steps are paid for by their target's budget, over all runs together.

import { expect, it } from 'vitest'
import { type CommandHandler, command } from '../catalog/definition.ts'
import { PolityError } from '../errors.ts'
import { Json } from '../schema/schema.ts'
import { NO_FAULTS } from '../simulator/faults.ts'
import { simulation } from '../simulator/realm.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { FLOOR, REPETITIONS_PER_CALL } from '../targets/budget.ts'
import { openTargets } from '../targets/targets.ts'
import { nobodyIsAsked } from './lab.fixture.ts'
import { openRuns } from './runs.ts'

const RUNS = 40

/** Every first attempt fails, and is tried again at once. */
const flaky = (onCall: () => void): CommandHandler =>
  command('simulation.call@1', { summary: '', input: {}, output: Json, effect: 'idempotent' }).handle(
    async (ctx) =>
      ctx.step(
        'call',
        ({ attempt }) => {
          onCall()
          if (attempt === 1) throw new PolityError('egress.unreachable', 'no answer')
          return attempt
        },
        { target: 'elsewhere', retry: { attemptsMax: 2, baseMs: 0, capMs: 0 } },
      ),
  )

it('steps repeat what their target can bear, and the others come to theirs later', async () => {
  const sim = simulation({ seed: 3, views: [], faults: NO_FAULTS })
  await sim.run(
    (async () => {
      const life = await sim.open()
      const env = sim.env.process(life.isAlive)
      const targets = openTargets(env)
      targets.declare('elsewhere', { failuresMax: 1000, concurrentMax: 1000 })
      const callsAtMs: number[] = []
      const handler = flaky(() => callsAtMs.push(env.monotonic()))
      const runs = openRuns({
        log: life.log,
        reader: memoryStore(sim.data),
        env,
        stepKey: sim.vaultKey,
        source: 'polity://simulation',
        reads: life.views,
        handlerOf: () => handler,
        open: async (form) => form,
        asking: nobodyIsAsked,
        onProgress: () => undefined,
        onFailure: () => undefined,
        holder: env.id(),
        isAlone: true,
        targets,
      })
      const ends = Array.from({ length: RUNS }, async (_, index) => {
        const id = `run${index}`
        const { row, rows } = runs.draft({
          id,
          action: 'simulation.call@1',
          decision: id,
          chain: [{ kind: 'user', id: 'somebody', roles: [] }],
          correlationId: id,
          startedAt: '2026-01-01T00:00:00.000Z',
          input: {},
        })
        await life.log.append({ entries: [], rows })
        return runs.start(row, {})
      })
      for (const { row, output } of await Promise.all(ends)) {
        expect(row.status).toBe('done')
        expect(output).toBe(2)
      }
      expect(callsAtMs).toHaveLength(2 * RUNS)
      const [first = 0] = callsAtMs
      const atOnce = callsAtMs.filter((atMs) => atMs < first + 2_000).length
      expect(atOnce).toBeLessThanOrEqual(RUNS + FLOOR + RUNS * REPETITIONS_PER_CALL)
    })(),
  )
})
