// Views as readers see them: versions, pages, and nothing before it is published.

import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../kit/canonical-json.ts'
import { systemEnv } from '../env.ts'
import { Integer, Name } from '../schema/schema.ts'
import { emptyMemoryData, memoryStore } from '../store/memory/memory-store.ts'
import { entryType, sealEntry } from './entry.ts'
import { view, viewsOf, viewTable } from './view.ts'
import { openViews } from './views.ts'
import { openWriter } from './writer.ts'

const Moved = entryType('piece.moved@1', { piece: Name, by: Integer })
const Taken = entryType('piece.taken@1', { piece: Name })
type Fact = typeof Moved | typeof Taken
const pieces = view<{ readonly at: number }, Fact>('pieces', 1, {
  from: [Moved, Taken],
  keys: ({ data }) => [data.piece],
  fold: (row, { data }) => ('by' in data ? { at: (row?.value.at ?? 0) + (data.by as number) } : null),
})

const env = systemEnv()

async function board() {
  const data = emptyMemoryData()
  const store = memoryStore(data)
  const writer = await openWriter({
    store,
    views: viewsOf({ pieces }),
    vaultKey: new Uint8Array(32),
    env,
    onCommitted: () => undefined,
  })
  const propose = (draft: Parameters<typeof sealEntry>[0]) =>
    writer.propose({ entries: [sealEntry(draft, { source: 'polity://board' }, env).text] })
  return { data, store, propose, views: openViews(store, new Uint8Array(32)) }
}

/** Stands in for the log's gate: everybody waits until `open` lets sizes up to it pass. */
function gate() {
  let passing = -1
  let waiting: { readonly size: number; readonly pass: () => void }[] = []
  return {
    published: (size: number) =>
      size <= passing ? Promise.resolve() : new Promise<void>((pass) => waiting.push({ size, pass })),
    open(size: number) {
      passing = size
      for (const each of waiting.filter((other) => other.size <= size)) each.pass()
      waiting = waiting.filter((other) => other.size > size)
    },
  }
}

describe('views', () => {
  it('give rows by key with the version that an expectation wants', async () => {
    const { propose, views } = await board()
    expect(await views.get(pieces, 'king')).toBeUndefined()
    expect(await views.read(pieces, 'king')).toEqual({ version: 0 })
    await propose(Moved({ piece: 'king', by: 1 }))
    await propose(Moved({ piece: 'king', by: 2 }))
    expect(await views.get(pieces, 'king')).toEqual({ key: 'king', version: 2, value: { at: 3 } })
    expect(await views.read(pieces, 'king')).toMatchObject({ version: 2, value: { at: 3 } })
    await propose(Taken({ piece: 'king' }))
    expect(await views.get(pieces, 'king')).toBeUndefined()
    expect(await views.read(pieces, 'king')).toEqual({ version: 3 })
    await propose(Moved({ piece: 'king', by: 5 }))
    expect(await views.get(pieces, 'king')).toEqual({ key: 'king', version: 4, value: { at: 5 } })
  })

  it('list rows in pages, both ways, never more than their bound', async () => {
    const { propose, views } = await board()
    for (const piece of ['a', 'b', 'ba', 'c']) await propose(Moved({ piece, by: 1 }))
    const keys = async (options: Parameters<typeof views.list>[1]) =>
      (await views.list(pieces, options)).map(({ key }) => key)
    expect(await keys({ limit: 2 })).toEqual(['a', 'b'])
    expect(await keys({ limit: 2, after: 'b' })).toEqual(['ba', 'c'])
    expect(await keys({ limit: 9, prefix: 'b', isReverse: true })).toEqual(['ba', 'b'])
    for (let n = 0; n < 1010; n++) await propose(Moved({ piece: `x${n}`, by: 1 }))
    expect((await keys({ limit: 5000 })).length).toBe(1000)
  })

  it('of another version are another table', async () => {
    const { propose, views } = await board()
    await propose(Moved({ piece: 'king', by: 1 }))
    expect(viewTable({ name: 'pieces', version: 2 })).not.toBe(viewTable(pieces))
    expect(await views.get({ name: 'pieces', version: 2 }, 'king')).toBeUndefined()
  })

  it('answer nothing that is not published yet: no row, no version, no list, not even that a row is gone', async () => {
    const { store, propose, views: committed } = await board()
    await propose(Moved({ piece: 'king', by: 1 }))
    await propose(Taken({ piece: 'queen' }))
    const { published, open } = gate()
    const views = openViews(store, new Uint8Array(32), { published })
    const answered: string[] = []
    const asked = [
      views.get(pieces, 'king').then(() => answered.push('row')),
      views.get(pieces, 'queen').then(() => answered.push('gone')),
      views.read(pieces, 'knight').then(() => answered.push('version')),
      views.list(pieces, { limit: 1 }).then(() => answered.push('list')),
      views.list(pieces, { limit: 1, prefix: 'no such' }).then(() => answered.push('empty list')),
    ]
    open(1)
    await committed.get(pieces, 'king')
    await new Promise(setImmediate)
    expect(answered).toEqual([])
    open(2)
    await Promise.all(asked)
    expect(answered.length).toBe(asked.length)
  })

  it('have a digest: SHA-256 chained over the visible rows in key order', async () => {
    const { propose, views, data } = await board()
    const empty = hash('sha256', viewTable(pieces), 'hex')
    expect(await views.digest(pieces)).toBe(empty)
    await propose(Moved({ piece: 'b', by: 1 }))
    await propose(Moved({ piece: 'a', by: 2 }))
    await propose(Taken({ piece: 'c' }))
    const first = hash('sha256', empty + canonicalize(['a', 1, { at: 2 }]), 'hex')
    expect(await views.digest(pieces)).toBe(hash('sha256', first + canonicalize(['b', 1, { at: 1 }]), 'hex'))
    const row = data.tables.get(viewTable(pieces))?.get('a')
    data.tables.get(viewTable(pieces))?.set('a', { version: row?.version ?? 0, value: '{"at":3}' })
    expect(await views.digest(pieces)).not.toBe(
      hash('sha256', first + canonicalize(['b', 1, { at: 1 }]), 'hex'),
    )
  })
})
