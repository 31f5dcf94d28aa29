// Rows of views put right after the log: in one step each, wherever the store fails.

import { describe, expect, it } from 'vitest'
import { leafHash } from '../../kit/merkle.ts'
import { systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import { catchUpViews, isDerivedTable } from '../log/catch-up.ts'
import { entryType, sealEntry } from '../log/entry.ts'
import { type View, view, viewsOf, viewTable } from '../log/view.ts'
import { Name } from '../schema/schema.ts'
import { emptyMemoryData, type MemoryData, memoryStore } from '../store/memory/memory-store.ts'
import type { Store } from '../store/store.ts'
import { rebuildViews, replaceViews } from './rebuild.ts'

const Seen = entryType('bird.seen@1', { bird: Name })
const Gone = entryType('bird.gone@1', { bird: Name })
const [birds] = viewsOf({
  only: view<{ readonly times: number }, typeof Seen>('birds', 1, {
    from: [Seen, Gone],
    keys: ({ data }) => [data.bird],
    fold: (row, { type }) => (type === Gone.name ? null : { times: (row?.value.times ?? 0) + 1 }),
  }),
}) as [View]

const env = systemEnv()
const source = 'polity://birds'

async function forged(): Promise<{ readonly data: MemoryData; readonly whole: object }> {
  const data = emptyMemoryData()
  const store = memoryStore(data)
  const drafts = [Seen({ bird: 'owl' }), Seen({ bird: 'jay' }), Gone({ bird: 'jay' }), Seen({ bird: 'owl' })]
  const entries = drafts.map((draft, seq) => {
    const bytes = Buffer.from(sealEntry(draft, { source }, env).text)
    return { seq, id: String(seq), source, type: draft.type.name, leaf: leafHash(bytes), bytes }
  })
  await store.commit({ entries, nodes: [], rows: [] })
  await catchUpViews(store, [birds])
  const whole = rowsOf(data)
  const table = viewTable(birds)
  const rows = [
    { table, key: 'owl', version: 9, value: '{"times":9}' },
    { table, key: 'dodo', version: 1, value: '{"times":1}' },
  ]
  await store.commit({ entries: [], nodes: [], rows, drop: [{ table, key: 'jay' }] })
  return { data, whole }
}

const rowsOf = (data: MemoryData): object => Object.fromEntries(data.tables.get(viewTable(birds)) ?? [])

function mortalStore(data: MemoryData, crashAt: number): Store {
  const store = memoryStore(data)
  let commits = 0
  return {
    ...store,
    async commit(batch) {
      if (commits++ >= crashAt) throw new PolityError('store.failed', 'killed')
      await store.commit(batch)
    },
  }
}

describe('views that are put right', () => {
  it('are the fold of the log afterwards, tombstones with their versions', async () => {
    const { data, whole } = await forged()
    expect(await replaceViews(memoryStore(data), [birds])).toMatchObject([
      { isEqual: false, firstDifference: 'dodo', rows: 1 },
    ])
    expect(rowsOf(data)).toEqual(whole)
    expect(await rebuildViews(memoryStore(data), [birds])).toMatchObject([{ isEqual: true }])
  })

  it('are as they were or as they should be, wherever it crashes', async () => {
    for (let crashAt = 0; ; crashAt++) {
      const { data, whole } = await forged()
      const before = rowsOf(data)
      const outcome = await replaceViews(mortalStore(data, crashAt), [birds]).then(
        () => 'whole',
        () => 'killed',
      )
      expect([before, whole]).toContainEqual(rowsOf(data))
      // Whoever opens the log next takes nothing over from the attempt.
      await catchUpViews(memoryStore(data), [birds])
      expect([before, whole]).toContainEqual(rowsOf(data))
      await replaceViews(memoryStore(data), [birds])
      expect(rowsOf(data)).toEqual(whole)
      const derived = [...data.tables].flatMap(([table, rows]) => (rows.size > 0 ? [table] : []))
      expect(derived.filter(isDerivedTable)).toEqual([viewTable(birds)])
      if (outcome === 'whole') return
    }
  })
})
