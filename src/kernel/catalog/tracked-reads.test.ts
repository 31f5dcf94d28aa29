// What an atomic command saw is what must still hold: every row once, as it was at first sight.

import { describe, expect, it } from 'vitest'
import { openViews } from '../log/views.ts'
import { emptyMemoryData, memoryStore } from '../store/memory/memory-store.ts'
import { trackedReads } from './tracked-reads.ts'

const view = { name: 'lab.rows', version: 1 }
const table = 'view:lab.rows@1'

/** Views over rows that change whenever they were loaded. */
function restless() {
  const data = emptyMemoryData()
  const store = memoryStore(data)
  const versions = new Map<string, number>()
  const write = async (key: string, value: string | null = '{}') => {
    const version = (versions.get(key) ?? 0) + 1
    versions.set(key, version)
    await store.commit({ entries: [], nodes: [], rows: [{ table, key, version, value }] })
  }
  const load: typeof store.load = async (...asked) => {
    const loaded = await store.load(...asked)
    if (asked[0] === table) for (const key of asked[1]) await write(key)
    return loaded
  }
  return { write, ...trackedReads(openViews({ ...store, load }, new Uint8Array(32))) }
}

describe('tracked reads', () => {
  it('expect of a missing row that it is still missing, though it appears at once', async () => {
    const { reads, expectations } = restless()
    expect(await reads.get(view, 'a')).toBeUndefined()
    expect(expectations()).toEqual([{ table, key: 'a', version: 0 }])
  })

  it('expect of a removed row the version of its removal', async () => {
    const { write, reads, expectations } = restless()
    await write('a')
    await write('a', null)
    expect(await reads.get(view, 'a')).toBeUndefined()
    expect(expectations()).toEqual([{ table, key: 'a', version: 2 }])
  })

  it('keep to the first sight of a row that was seen twice', async () => {
    const { write, reads, expectations } = restless()
    await write('a')
    expect((await reads.get(view, 'a'))?.version).toBe(1)
    expect((await reads.get(view, 'a'))?.version).toBe(2)
    await reads.list(view, { limit: 10 })
    expect(expectations()).toEqual([{ table, key: 'a', version: 1 }])
  })

  it('expect of every listed row that it is as it was', async () => {
    const { write, reads, expectations } = restless()
    for (const key of ['a', 'b', 'b', 'c', 'd']) await write(key)
    expect((await reads.list(view, { limit: 3 })).map(({ key }) => key)).toEqual(['a', 'b', 'c'])
    expect(expectations().map(({ key, version }) => [key, version])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 1],
    ])
  })
})
