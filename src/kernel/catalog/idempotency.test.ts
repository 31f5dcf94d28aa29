// Idempotency keys: whose key it is, what conflicts, and what happens once a key has expired.

import { describe, expect, it } from 'vitest'
import { memoryStore } from '../store/memory/memory-store.ts'
import type { Store } from '../store/store.ts'
import {
  IDEMPOTENCY,
  type Idempotency,
  type KeptAnswer,
  type KeyRow,
  openIdempotency,
} from './idempotency.ts'

const caller = { chain: [{ kind: 'user' as const, id: 'ann', roles: [] }] }
const answer: KeptAnswer = { status: 'done', decision: 'd', output: { a: 1 } }
const DAY_MS = 24 * 3600_000

function opened(secret = 1) {
  const clock = { nowMs: 1_000_000 }
  const store = memoryStore()
  const env = {
    now: () => clock.nowMs,
    monotonic: () => clock.nowMs,
    id: () => 'id',
    random: (sizeBytes: number) => new Uint8Array(sizeBytes),
    sleepUntil: async () => undefined,
  }
  return { clock, store, keys: openIdempotency(store, env, new Uint8Array(32).fill(secret)) }
}

/** What the writer does: the row's next version, if the expectation holds. */
async function commit(
  store: Store,
  keys: Idempotency,
  row: KeyRow,
  kept = answer,
  isAwaited = false,
): Promise<void> {
  const { table, key, version } = keys.absent(row)
  const actual = (await store.load(table, [key])).value.get(key)?.version ?? 0
  expect(version).toBe(actual)
  await store.commit({
    entries: [],
    nodes: [],
    rows: [{ ...keys.write(row, kept, isAwaited), version: version + 1 }],
  })
}

describe('an idempotency key', () => {
  it('answers what was kept for the same input, in whatever order its members come', async () => {
    const { store, keys } = opened()
    const row = keys.row(caller, 'a.b@1', 'k', { x: 1, y: 2 })
    expect(await keys.find(row)).toBeUndefined()
    await commit(store, keys, row)
    expect(await keys.find(keys.row(caller, 'a.b@1', 'k', { y: 2, x: 1 }))).toEqual(answer)
  })

  it('is kept for a day, and for ninety where a run waits for the answer', async () => {
    const { clock, store, keys } = opened()
    const [row, awaited] = [keys.row(caller, 'a.b@1', 'k', {}), keys.row(caller, 'a.b@1', 'w', {})]
    await commit(store, keys, row)
    await commit(store, keys, awaited, answer, true)
    clock.nowMs += DAY_MS + 1
    expect(await keys.find(row)).toBeUndefined()
    clock.nowMs += 88 * DAY_MS
    expect(await keys.find(awaited)).toEqual(answer)
    clock.nowMs += DAY_MS
    expect(await keys.find(awaited)).toBeUndefined()
  })

  it('conflicts with another input', async () => {
    const { store, keys } = opened()
    await commit(store, keys, keys.row(caller, 'a.b@1', 'k', { x: 1 }))
    await expect(keys.find(keys.row(caller, 'a.b@1', 'k', { x: 2 }))).rejects.toMatchObject({
      code: 'idempotency.conflict',
    })
  })

  it('is another one for another principal, chain, action or key', async () => {
    const { store, keys } = opened()
    await commit(store, keys, keys.row(caller, 'a.b@1', 'k', {}))
    const agent = { chain: [...caller.chain, { kind: 'agent' as const, id: 'ann', roles: [] }] }
    const other = { chain: [{ kind: 'user' as const, id: 'bob', roles: [] }] }
    for (const row of [
      keys.row(agent, 'a.b@1', 'k', {}),
      keys.row(other, 'a.b@1', 'k', {}),
      keys.row(caller, 'a.b@2', 'k', {}),
      keys.row(caller, 'a.b@1', 'k2', {}),
    ])
      expect(await keys.find(row)).toBeUndefined()
  })

  it('can be used again once it has expired, with another input, over the old row', async () => {
    const { clock, store, keys } = opened()
    await commit(store, keys, keys.row(caller, 'a.b@1', 'k', { x: 1 }))
    clock.nowMs += DAY_MS - 1
    expect(await keys.find(keys.row(caller, 'a.b@1', 'k', { x: 1 }))).toEqual(answer)
    clock.nowMs += 1
    const row = keys.row(caller, 'a.b@1', 'k', { x: 2 })
    expect(await keys.find(row)).toBeUndefined()
    expect(keys.absent(row)).toMatchObject({ table: IDEMPOTENCY, version: 1 })
    const fresh: KeptAnswer = { status: 'running', decision: 'e', run: 'r' }
    await commit(store, keys, row, fresh)
    expect(await keys.find(keys.row(caller, 'a.b@1', 'k', { x: 2 }))).toEqual(fresh)
    // Swept meanwhile: the row starts over.
    clock.nowMs += DAY_MS
    expect(await store.sweep(IDEMPOTENCY, clock.nowMs, 10)).toBe(1)
    const swept = keys.row(caller, 'a.b@1', 'k', {})
    await keys.find(swept)
    expect(keys.absent(swept).version).toBe(0)
  })

  it('is bounded, and its input must have a canonical form', () => {
    const { keys } = opened()
    const invalid = expect.objectContaining({ code: 'input.invalid' })
    expect(() => keys.row(caller, 'a.b@1', '', {})).toThrow(invalid)
    expect(() => keys.row(caller, 'a.b@1', 'x'.repeat(257), {})).toThrow(invalid)
    expect(keys.row(caller, 'a.b@1', 'x'.repeat(256), {}).key).toMatch(/^[0-9a-f]{64}$/)
    expect(() => keys.row(caller, 'a.b@1', 'k', { x: '\ud800' })).toThrow(
      expect.objectContaining({ code: 'entry.unicode' }),
    )
  })

  it('keeps nothing in which a key or an input could be searched for without the hub', () => {
    const shown = (secret: number) => {
      const { keys } = opened(secret)
      const row = keys.row(caller, 'a.b@1', '1234', '1234')
      return [row.key, row.digest, keys.subKey('run', 'a.b@1', '1234')]
    }
    expect(shown(1)).toEqual(shown(1))
    const others = shown(2)
    for (const [position, each] of shown(1).entries()) expect(each).not.toBe(others[position])
  })

  it('of what a run asks for is the same for the same asking alone', () => {
    const { keys } = opened()
    const asked = [
      keys.subKey('run', 'a.b@1', { x: 1, y: 2 }),
      keys.subKey('run', 'a.b@1', { x: 1 }),
      keys.subKey('run', 'a.b@2', { x: 1, y: 2 }),
      keys.subKey('run2', 'a.b@1', { x: 1, y: 2 }),
    ]
    expect(new Set(asked).size).toBe(asked.length)
    expect(keys.subKey('run', 'a.b@1', { y: 2, x: 1 })).toBe(asked[0])
    expect(asked[0]).not.toContain('1,')
  })

  it('keeps neither the key nor the input', () => {
    const { keys } = opened()
    const row = keys.row(caller, 'a.b@1', 'my key', { x: 'my input' })
    expect(JSON.stringify([row, keys.write(row, answer)])).not.toMatch(/my key|my input/)
  })
})
