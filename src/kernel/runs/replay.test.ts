// Replays of code that does not behave: one answer comes all the same, and soon.

import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { Journal } from './journal.ts'
import { type ReplayPorts, replayRun } from './replay.ts'
import type { RunRow } from './run.ts'
import { stepCipher } from './step-cipher.ts'

const row = { id: 'run', action: 'a@1', status: 'done', startedAt: '2026-01-01T00:00:00Z', chain: [] }

/** `waitsMs` hears how long the replay would wait; the clock is there at once. */
const replayed = (handler: () => unknown, waitsMs: number[] = []) =>
  replayRun(
    {
      handler: handler as ReplayPorts['handler'],
      journal: Journal.empty(
        'run',
        stepCipher(new Uint8Array(32), { random: (size) => new Uint8Array(size) }),
      ),
      input: {},
      output: 1,
      reads: { get: () => Promise.reject(new Error()), list: () => Promise.reject(new Error()) },
      env: { monotonic: () => 0, sleepUntil: async (atMs) => void waitsMs.push(atMs) },
      askedKey: () => '',
      ask: () => Promise.reject(new Error()),
    },
    row as unknown as RunRow,
  )

describe('a replay', () => {
  it('of code that never ends says so', async () => {
    const waitsMs: number[] = []
    const { isSame, departure } = await replayed(() => new Promise(() => undefined), waitsMs)
    expect(isSame).toBe(false)
    expect(departure?.sentence).toContain('timeout')
    expect(waitsMs).toEqual([10_000])
  })

  it('of code that throws at once says with what', async () => {
    const { departure } = await replayed(() => {
      throw new PolityError('target.busy', 'no room')
    })
    expect(departure?.sentence).toContain('target.busy')
  })
})
