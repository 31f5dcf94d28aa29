// Paging: every row once, whatever the size of a page.

import { describe, expect, it } from 'vitest'
import { memoryStore } from './memory/memory-store.ts'
import { pages } from './pages.ts'

async function filled(count: number) {
  const store = memoryStore()
  const rows = Array.from({ length: count }, (_, n) => ({
    table: 't',
    key: `${n % 2 === 0 ? 'even' : 'odd'}/${n}`,
    version: 1,
    value: `${n}`,
  }))
  await store.commit({ entries: [], nodes: [], rows })
  return store
}

describe('pages', () => {
  it.each([1, 2, 3, 10, 11, 1000])('of %i rows show each row once and are never empty', async (limit) => {
    const store = await filled(10)
    const keys: string[] = []
    for await (const page of pages(store, 't', { limit })) {
      expect(page.length).toBeGreaterThan(0)
      expect(page.length).toBeLessThanOrEqual(limit)
      keys.push(...page.map(({ key }) => key))
    }
    expect(keys).toHaveLength(10)
    expect(new Set(keys).size).toBe(10)
  })

  it('keep to a prefix', async () => {
    const store = await filled(10)
    const sizes: number[] = []
    for await (const page of pages(store, 't', { prefix: 'odd/', limit: 3 })) sizes.push(page.length)
    expect(sizes).toEqual([3, 2])
  })

  it('of nothing are none', async () => {
    for await (const page of pages(memoryStore(), 't')) expect(page).toBe('never')
  })

  it('go on behind rows that their reader has dropped', async () => {
    const store = await filled(5)
    let rows = 0
    for await (const page of pages(store, 't', { limit: 2 })) {
      rows += page.length
      const drop = page.map(({ key }) => ({ table: 't', key }))
      await store.commit({ entries: [], nodes: [], rows: [], drop })
    }
    expect(rows).toBe(5)
  })

  it('end when they are cancelled', async () => {
    const store = await filled(5)
    const cancelling = new AbortController()
    const reading = async () => {
      for await (const page of pages(store, 't', { limit: 2, signal: cancelling.signal }))
        cancelling.abort(new Error(`after ${page.length}`))
    }
    await expect(reading()).rejects.toMatchObject({ code: 'cancelled' })
  })
})
