// Targets on a clock of their own, for tests.

import { PolityError } from '../errors.ts'
import { seededChance } from '../simulator/chance.ts'
import { type SimulatedEnv, simulatedEnv } from '../simulator/env.ts'
import { openTargets, type Targets } from './targets.ts'

export const broken = () => new PolityError('egress.unreachable', 'nobody there')
export const fails = () => Promise.reject(broken())
export const works = async () => 'ok'

interface Lab {
  readonly env: SimulatedEnv
  readonly targets: Targets
  /** Moves the clock on, waking nobody but this. */
  later(forMs: number): Promise<void>
}

export function lab(seed = 1): Lab {
  const env = simulatedEnv(seededChance(seed))
  const targets = openTargets(env)
  const later = async (forMs: number) => {
    const slept = env.sleepUntil(env.monotonic() + forMs)
    env.advance()
    await slept
  }
  return { env, targets, later }
}

/** However each ends. */
export const times = async (count: number, act: () => Promise<unknown>) => {
  for (let turn = 0; turn < count; turn++) await act().catch(() => undefined)
}

/** Lets everything that is due in this turn happen. */
export const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
