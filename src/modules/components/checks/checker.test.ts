// The checker: what one owner lets hang takes none of the places that others need.

import { describe, expect, it } from 'vitest'
import { seededChance } from '../../../kernel/simulator/chance.ts'
import { simulatedEnv } from '../../../kernel/simulator/env.ts'
import type { WatchedLease } from '../leases.ts'
import { openChecker } from './checker.ts'

const lease = (owner: string, at: number): WatchedLease => ({
  id: `${owner}-${at}`,
  owner: `component:${owner}`,
  version: 1,
  epoch: 1,
  ttlMs: 60_000,
  renewedAtMs: 0,
  expiresAtMs: 60_000,
})

describe('checks of one owner', () => {
  it('that hang do not hold up those of another', async () => {
    const env = simulatedEnv(seededChance(1))
    let nowMs = 0
    const asked: string[] = []
    const checks = ['a', 'b'].map((name) => ({
      name,
      kind: 'tcp',
      url: 'tcp://127.0.0.1:1',
      intervalMs: 1000,
    }))
    const row = (id: string) => ({
      value: { epoch: 1, checks: checks.map((each) => ({ ...each, url: id })) },
    })
    const checker = openChecker(
      {
        env: { ...env, monotonic: () => nowMs },
        reads: { get: async (_: unknown, id: string) => row(id) },
        rows: { get: async () => ({ version: 0 }) },
        record: async () => undefined,
        onFailure: (error: unknown) => {
          throw error
        },
      } as unknown as Parameters<typeof openChecker>[0],
      async ({ url }, signal) => {
        asked.push(url)
        if (url.startsWith('mallory'))
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        return { verdict: 'pass', note: 'connects' }
      },
    )
    const leases = [...Array.from({ length: 100 }, (_, at) => lease('mallory', at)), lease('alice', 0)]
    for (let round = 0; round < 10; round++, nowMs += 1000) {
      checker.keepUp(leases)
      await new Promise(setImmediate)
    }
    expect(asked.filter((id) => id.startsWith('mallory'))).toHaveLength(24)
    expect(asked.filter((id) => id === 'alice-0').length).toBeGreaterThan(4)
    await checker.close()
  })
})
