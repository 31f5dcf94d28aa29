// Alarms by the wall clock: in order, once, and also when the clock is set anew.

import { describe, expect, it } from 'vitest'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import { openAlarms } from './alarms.ts'

const forEver = new AbortController().signal

/** A clock that a test moves, and whose wall it can set apart from the time that passes. */
function clock() {
  const env = simulatedEnv(seededChance(1))
  let aheadMs = 0
  return {
    env: { ...env, now: () => env.now() + aheadMs },
    setAhead: (byMs: number) => {
      aheadMs = byMs
    },
    async pass(times: number) {
      for (let time = 0; time < times; time++) {
        env.advance()
        await new Promise(setImmediate)
      }
    },
  }
}

describe('alarms', () => {
  it('ring in the order of their times, whatever the order of asking', async () => {
    const { env, pass } = clock()
    const alarms = openAlarms(env)
    const rung: number[] = []
    const startMs = env.now()
    for (const inMs of [300, 100, 200, 100, -5])
      void alarms.at(startMs + inMs, forEver).then(() => rung.push(inMs))
    await pass(20)
    expect(rung).toEqual([-5, 100, 100, 200, 300])
    expect(env.advance()).toBe(false)
  })

  it('do not ring for who has left, and others ring all the same', async () => {
    const { env, pass } = clock()
    const alarms = openAlarms(env)
    const leaving = new AbortController()
    const left = alarms.at(env.now() + 10, leaving.signal).catch((error: unknown) => error)
    const stayed = alarms.at(env.now() + 20, forEver)
    leaving.abort('left')
    expect(await left).toBe('left')
    await pass(5)
    await stayed
    await expect(alarms.at(env.now() + 1, leaving.signal)).rejects.toBe('left')
  })

  it('notice within seconds that the clock was set forward, and do not ring early when it was set back', async () => {
    const { env, pass, setAhead } = clock()
    const alarms = openAlarms(env)
    const atMs = env.now() + 3_600_000
    let isRung = false
    const ringing = alarms.at(atMs, forEver).then(() => {
      isRung = true
    })
    await pass(3)
    setAhead(-7_200_000)
    await pass(3)
    expect(isRung).toBe(false)
    setAhead(3_600_000)
    const before = env.monotonic()
    await pass(2)
    await ringing
    expect(env.monotonic() - before).toBeLessThanOrEqual(10_000)
  })
})
