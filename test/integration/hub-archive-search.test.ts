// Searching through a hub: what is found is what the archive holds now, also after the index was lost, replaced or left behind.

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { archiveModule } from '../../src/modules/archive/module.ts'
import { codeOf, ENGINES, openTestHub, owner, settle, tempFolder } from './lab/hubs.ts'

interface Answer {
  readonly items: readonly { readonly scroll: string; readonly title: string; readonly snippet: string }[]
  readonly after?: string
  readonly isBehind: boolean
}

const modules = [archiveModule()]

async function act<T>(hub: Hub, name: string, input: object): Promise<T> {
  const answer = await hub.invoke(owner, name, input)
  if (answer.status !== 'done') throw new Error(`${name}: ${answer.status}`)
  await settle(hub)
  return answer.output as T
}
const preserve = (hub: Hub, title: string, content: unknown, over: object = {}) =>
  act<{ scroll: string }>(hub, 'archive.preserve', { title, content, ...over })
const search = async (hub: Hub, input: object): Promise<Answer> =>
  (await hub.ask(owner, 'archive.search', input)).output as Answer
const titles = async (hub: Hub, input: object): Promise<string[]> =>
  (await search(hub, input)).items.map(({ title }) => title)

describe.each(ENGINES)('the search (%s)', (engine) => {
  it('sees what was just preserved: title, content, values in JSON and metadata, but no bytes', async () => {
    const hub = await openTestHub(engine, { modules })
    await preserve(hub, 'one', 'a lighthouse')
    await preserve(hub, 'two', { keeper: ['of the lighthouse'] })
    await preserve(hub, 'three', 'x', { metadata: { place: 'Lighthouse Point' } })
    await preserve(hub, 'the lighthouse', Buffer.from('secret').toString('base64'), { encoding: 'base64' })
    expect(await titles(hub, { q: 'lighthouse' })).toEqual(['the lighthouse', 'three', 'two', 'one'])
    expect(await titles(hub, { q: 'secret' })).toEqual([])
    expect(await titles(hub, { q: '!!!' })).toEqual([])
    expect(await titles(hub, { q: '   ' })).toHaveLength(4)
    expect((await search(hub, { q: 'keeper' })).items[0]?.snippet).toContain('lighthouse')
  })

  it('shows the newest version alone, and the one before it when that is deleted', async () => {
    const hub = await openTestHub(engine, { modules })
    const { scroll } = await preserve(hub, 'draft', 'alpha')
    expect(await titles(hub, { q: 'alpha' })).toEqual(['draft'])
    await preserve(hub, 'final', 'omega', { scroll })
    expect(await titles(hub, { q: 'alpha' })).toEqual([])
    expect(await titles(hub, { q: 'omega' })).toEqual(['final'])
    await act(hub, 'archive.delete', { scroll, version: 2 })
    expect(await titles(hub, { q: 'omega' })).toEqual([])
    expect(await titles(hub, { q: 'alpha' })).toEqual(['draft'])
    await act(hub, 'archive.delete', { scroll, version: 1 })
    expect(await titles(hub, {})).toEqual([])
  })

  it('is not asked about times that there are not', async () => {
    const hub = await openTestHub(engine, { modules })
    for (const time of ['2026-99-99T00:00:00Z', '2026-01-01T23:59:60Z'])
      for (const edge of ['since', 'until'])
        expect(await codeOf(hub.ask(owner, 'archive.search', { [edge]: time }))).toBe('input.invalid')
    for (const time of ['0000-01-01T00:00:00Z', '2026-02-30T00:00:00Z', '9999-12-31T23:59:59Z'])
      expect(await search(hub, { since: time, until: time })).toMatchObject({ items: [] })
  })

  it('filters, and pages from the newest to the oldest', async () => {
    const hub = await openTestHub(engine, { modules })
    for (let n = 0; n < 7; n++)
      await preserve(hub, `t${n}`, 'word', { category: n % 2 === 0 ? 'even' : 'odd', tags: [`n${n}`] })
    expect(await titles(hub, { category: 'odd', q: 'word' })).toEqual(['t5', 't3', 't1'])
    expect(await titles(hub, { tag: 'n4' })).toEqual(['t4'])
    const { items } = await search(hub, { tag: 'n3' })
    const preservedAt = (items[0] as unknown as { preservedAt: string }).preservedAt
    expect(await titles(hub, { since: preservedAt, limit: 100 })).toContain('t3')
    expect(await titles(hub, { until: preservedAt, limit: 100 })).not.toContain('t6')
    expect(await titles(hub, { since: '9999-01-01T00:00:00Z' })).toEqual([])
    expect(await titles(hub, { until: '1970-01-01T00:00:00Z' })).toEqual([])
    const seen: string[] = []
    let after: string | undefined
    do {
      const page = await search(hub, { q: 'word', limit: 3, ...(after ? { after } : {}) })
      seen.push(...page.items.map(({ title }) => title))
      after = page.after
    } while (after !== undefined)
    expect(seen).toEqual(['t6', 't5', 't4', 't3', 't2', 't1', 't0'])
  })
})

describe('the index on disk', () => {
  async function openOnDisk() {
    const place = tempFolder()
    const open = () => openTestHub('sqlite', { modules, dir: place.dir, anchorPath: place.anchorPath })
    const file = join(place.dir, 'cache', 'archive', 'search.db')
    return { open, file }
  }

  it('is made anew when it is found damaged in the middle of everything', async () => {
    const { open, file } = await openOnDisk()
    const first = await open()
    const words = Array.from({ length: 4000 }, (_, n) => `word${n}`).join(' ')
    for (let n = 0; n < 5; n++) await preserve(first, `t${n}`, words)
    expect(await titles(first, { q: 'word7' })).toHaveLength(5)
    await first.close()
    // All but the first pages, so that it opens and is found out later.
    const bytes = readFileSync(file)
    writeFileSync(file, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0x5a)]))
    const hub = await open()
    expect(await titles(hub, { q: 'word7' })).toEqual(['t4', 't3', 't2', 't1', 't0'])
    expect(await titles(hub, { q: 'word3999' })).toHaveLength(5)
  })

  it('is rebuilt from the archive when it was lost, damaged, or is another one', async () => {
    const { open, file } = await openOnDisk()
    const other = await openOnDisk()
    const stranger = await other.open()
    await preserve(stranger, 'stranger', 'word')
    await titles(stranger, {})
    await stranger.close()
    const harms: (() => void)[] = [
      () => rmSync(file),
      () => writeFileSync(file, 'no database'),
      () => writeFileSync(file, readFileSync(other.file)),
    ]
    const first = await open()
    for (let n = 0; n < 3; n++) await preserve(first, `t${n}`, 'word')
    expect(await titles(first, { q: 'word' })).toEqual(['t2', 't1', 't0'])
    await first.close()
    for (const harm of harms) {
      expect(existsSync(file)).toBe(true)
      for (const name of readdirSync(join(file, '..')))
        if (name !== 'search.db') rmSync(join(file, '..', name))
      harm()
      const hub = await open()
      expect(await search(hub, { q: 'word' })).toMatchObject({
        items: [{ title: 't2' }, { title: 't1' }, { title: 't0' }],
        isBehind: false,
      })
      await hub.close()
    }
  })
})
