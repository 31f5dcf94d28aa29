// A clock that a test can set forward or back: the real one, and what was added to it.

import { type Env, systemEnv } from '../../../src/kernel/env.ts'

export interface MovableClock {
  readonly env: Env
  /** Time passes in both clocks, for everybody at once. Sleepers that are due wake. */
  pass(ms: number): void
  /** Somebody sets the wall clock. */
  setWall(ms: number): void
  /** How often somebody went to sleep for exactly so long: a loop at that pace has gone round. */
  sleepsOf(ms: number): number
}

const LOOK_MS = 2

export function movableClock(): MovableClock {
  const real = systemEnv()
  let passedMs = 0
  let setMs = 0
  const sleeps = new Map<number, number>()
  const monotonic = () => real.monotonic() + passedMs
  return {
    env: {
      ...real,
      monotonic,
      now: () => real.now() + passedMs + setMs,
      async sleepUntil(atMs, signal) {
        const forMs = Math.round(atMs - monotonic())
        sleeps.set(forMs, (sleeps.get(forMs) ?? 0) + 1)
        while (monotonic() < atMs)
          await real.sleepUntil(real.monotonic() + Math.min(LOOK_MS, atMs - monotonic()), signal)
      },
    },
    pass(ms) {
      passedMs += ms
    },
    setWall(ms) {
      setMs += ms
    },
    sleepsOf: (ms) => sleeps.get(ms) ?? 0,
  }
}
