// The Env of a simulation: time stands still until somebody advances it.

import { type Env, uuidV7 } from '../env.ts'
import type { Chance } from './chance.ts'

export interface SimulatedEnv extends Env {
  /** Moves the clock to the next sleeper and wakes it; of several due at once, chance picks one. False when nobody sleeps. */
  advance(): boolean
  /** An Env with the same clock whose sleepers die with their process. */
  process(isAlive: () => boolean): Env
}

interface Sleeper {
  readonly atMs: number
  readonly isAlive: () => boolean
  readonly wake: () => void
}

const START_MS = Date.UTC(2026, 0, 1)

export function simulatedEnv(chance: Chance): SimulatedEnv {
  let elapsedMs = 0
  let sleepers: Sleeper[] = []
  const now = () => START_MS + elapsedMs
  const id = uuidV7(now, chance.bytes)

  const sleepUntil = (atMs: number, signal: AbortSignal | undefined, isAlive: () => boolean) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      // As in the real world, who is late does not sleep at all.
      if (atMs <= elapsedMs) return resolve()
      const wake = () => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      const sleeper: Sleeper = { atMs, isAlive, wake }
      const abort = () => {
        sleepers = sleepers.filter((other) => other !== sleeper)
        reject(signal?.reason)
      }
      sleepers.push(sleeper)
      signal?.addEventListener('abort', abort, { once: true })
    })

  const process = (isAlive: () => boolean): Env => ({
    now,
    id,
    monotonic: () => elapsedMs,
    random: chance.bytes,
    sleepUntil: (atMs, signal) => sleepUntil(atMs, signal, isAlive),
  })

  return {
    ...process(() => true),
    process,
    advance() {
      sleepers = sleepers.filter(({ isAlive }) => isAlive())
      const nextMs = Math.min(...sleepers.map(({ atMs }) => atMs))
      const due = sleepers.filter(({ atMs }) => atMs === nextMs)
      const chosen = due[chance.below(due.length)]
      if (!chosen) return false
      sleepers = sleepers.filter((other) => other !== chosen)
      elapsedMs = chosen.atMs
      chosen.wake()
      return true
    },
  }
}
