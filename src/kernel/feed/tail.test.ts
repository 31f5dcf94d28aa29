// The tail answers what the store would, whoever asks for what in whatever order, and asks the store once.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { memoryStore } from '../store/memory/memory-store.ts'
import type { EntryRange, Store, StoredEntry } from '../store/store.ts'
import { withTail } from './tail.ts'

const TYPES = ['a@1', 'b@1', 'c@1']

const entry = (seq: number, sizeBytes = 1): StoredEntry => ({
  seq,
  id: `${seq}`,
  source: 'test',
  type: TYPES[seq % TYPES.length] ?? '',
  leaf: new Uint8Array(32),
  bytes: new Uint8Array(sizeBytes),
})

/** A store that grows, and counts how often it is asked for entries. */
function lab() {
  const store = memoryStore()
  let asked = 0
  const counted: Store = {
    ...store,
    entries: (range) => {
      asked += 1
      return store.entries(range)
    },
  }
  const grow = async (count: number, sizeBytes?: number) => {
    const from = await store.size()
    const entries = Array.from({ length: count }, (_, each) => entry(from + each, sizeBytes))
    await store.commit({ entries, nodes: [], rows: [] })
    return from + count
  }
  return { store, tail: withTail(counted), grow, asked: () => asked }
}

const seqs = (entries: readonly StoredEntry[]) => entries.map(({ seq }) => seq)

describe('the tail of a log', () => {
  it('is read once, however many follow it', async () => {
    const { tail, grow, asked } = lab()
    const first = await grow(10)
    await tail.entries({ from: first - 1, to: first, limit: 100 })
    const to = await grow(6)
    const before = asked()
    const answers = await Promise.all(
      TYPES.map((type) => tail.entries({ from: first, to, limit: 100, type })),
    )
    expect(answers.map(seqs)).toEqual([
      [12, 15],
      [10, 13],
      [11, 14],
    ])
    expect(asked() - before).toBe(1)
  })

  it('answers what the store answers, for every way of asking', async () => {
    const move = fc.oneof(
      fc.record({ grow: fc.integer({ min: 1, max: 700 }), sizeBytes: fc.constantFrom(1, 9000) }),
      fc.record({
        back: fc.integer({ min: 0, max: 1500 }),
        width: fc.integer({ min: 0, max: 1500 }),
        limit: fc.integer({ min: 1, max: 300 }),
        type: fc.option(fc.constantFrom(...TYPES), { nil: undefined }),
        reverse: fc.boolean(),
      }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(move, { maxLength: 30 }), async (moves) => {
        const { store, tail, grow } = lab()
        let size = 0
        for (const each of moves) {
          if ('grow' in each) {
            size = await grow(each.grow, each.sizeBytes)
            continue
          }
          const from = Math.max(0, size - each.back)
          const { type, limit, reverse } = each
          const range: EntryRange = {
            from,
            to: from + each.width,
            limit,
            reverse,
            ...(type === undefined ? {} : { type }),
          }
          expect(seqs(await tail.entries(range))).toEqual(seqs(await store.entries(range)))
        }
      }),
      { numRuns: 100 },
    )
  })

  it('passes the failure of the store on, and goes on afterwards', async () => {
    const { store, grow } = lab()
    let isBroken = true
    const tail = withTail({
      ...store,
      entries: (range) => (isBroken ? Promise.reject(new Error('gone')) : store.entries(range)),
    })
    const to = await grow(5)
    await expect(tail.entries({ from: 0, to, limit: 100 })).rejects.toThrow('gone')
    isBroken = false
    expect(seqs(await tail.entries({ from: 0, to, limit: 100 }))).toEqual([0, 1, 2, 3, 4])
  })
})
