// The watch against renewals that arrive while it works: the heartbeat wins, and a loss is recorded once.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Env, systemEnv } from '../../kernel/env.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Draft } from '../../kernel/log/entry.ts'
import type { Checker } from './checks/checker.ts'
import { LEASES, type LeaseRow } from './leases.ts'
import { watchComponents } from './watch.ts'

const START_MS = 1_000_000_000
const NO_CHECKS: Checker = { keepUp: () => undefined, forget: () => undefined, close: async () => undefined }

type Row = { version: number; value: unknown }

/** Rows with versions as a log keeps them, and a clock that moves one round per sleep. */
function ground(
  rounds: number,
  beforeCommit: (nowMs: number, put: (row: Partial<LeaseRow>) => void) => void,
) {
  const tables = new Map<string, Map<string, Row>>()
  const table = (name: string) => {
    const found = tables.get(name) ?? new Map<string, Row>()
    tables.set(name, found)
    return found
  }
  const write = (name: string, key: string, value: unknown) =>
    table(name).set(key, { version: (table(name).get(key)?.version ?? 0) + 1, value })
  const facts: string[] = []
  const done = Promise.withResolvers<void>()
  let elapsedMs = 0
  let left = rounds
  const env: Env = {
    ...systemEnv(),
    now: () => START_MS + elapsedMs,
    monotonic: () => elapsedMs,
    sleepUntil(atMs, signal) {
      if (left === 0) {
        done.resolve()
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
      }
      left -= 1
      elapsedMs = atMs
      return Promise.resolve()
    },
  }
  const lease = (): LeaseRow => table(LEASES).get('a')?.value as LeaseRow
  const renew = (more: Partial<LeaseRow>) => write(LEASES, 'a', { ...lease(), ...more })
  return {
    facts,
    done: done.promise,
    lease,
    write,
    host: {
      env,
      onFailure: (error: PolityError) => facts.push(error.code),
      rows: {
        get: async (name: string, key: string) => {
          const { version = 0, value } = table(name).get(key) ?? {}
          return value == null ? { version } : { version, value }
        },
        scan: async (name: string) =>
          [...table(name)].flatMap(([key, { version, value }]) =>
            value === null ? [] : [{ key, version, value }],
          ),
      },
      record: async (
        drafts: readonly Draft[],
        beside: Parameters<Parameters<typeof watchComponents>[0]['record']>[1] = {},
      ) => {
        if (drafts.length > 0) beforeCommit(env.now(), renew)
        for (const { table: name, key, version } of beside.expect ?? [])
          if ((table(name).get(key)?.version ?? 0) !== version)
            throw new PolityError('expectation.failed', 'somebody was faster', { table: name, key })
        for (const { table: name, key, value } of beside.changes ?? []) write(name, key, value)
        facts.push(...drafts.map(({ type }) => type.name))
        return { first: 0, count: drafts.length, size: 0 }
      },
    },
  }
}

const fresh: LeaseRow = {
  owner: 'component:a',
  epoch: 1,
  ttlMs: 5000,
  renewedAtMs: START_MS,
  expiresAtMs: START_MS + 5000,
}

async function watched(rounds: number, beforeCommit: Parameters<typeof ground>[1]) {
  const each = ground(rounds, beforeCommit)
  each.write(LEASES, 'a', fresh)
  const watch = watchComponents(each.host, { checker: NO_CHECKS, probe: async () => true })
  await each.done
  await watch.close()
  return each
}

describe('the watch', () => {
  it('declares a silent component lost, once, however often it looks', async () => {
    const { facts, lease } = await watched(100, () => undefined)
    expect(facts).toEqual(['components.lost@1', 'trust.alerted@1'])
    expect(lease().lostAtMs).toBeGreaterThan(START_MS + 5000)
  })

  it('never declares one whose heartbeat arrives before the commit', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), async (beats) => {
        let left = beats
        const { facts, lease } = await watched(200, (nowMs, renew) => {
          if (left-- > 0) renew({ renewedAtMs: nowMs, expiresAtMs: nowMs + 5000 })
        })
        expect(facts).toEqual(['components.lost@1', 'trust.alerted@1'])
        // The last heartbeat was followed by a whole lease of silence.
        expect(lease().lostAtMs ?? 0).toBeGreaterThan(lease().expiresAtMs)
        expect(lease().renewedAtMs).toBeGreaterThan(START_MS + (beats - 1) * 5000)
      }),
      { numRuns: 20 },
    )
  })
})
