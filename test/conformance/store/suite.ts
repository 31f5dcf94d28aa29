// What every Store adapter must do: one suite, run by each of them.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Batch,
  KEY_SIZE_MAX_BYTES,
  type RowWrite,
  type Store,
  type StoredEntry,
} from '../../../src/kernel/store/store.ts'
import { codeOf } from '../../../src/kit/codes.fixture.ts'

/** A fresh place for data: `writer` and `reader` are separate connections to it. */
export interface Opened {
  readonly writer: Store
  readonly reader: Store
  close(): Promise<void>
}

export const EMPTY: Batch = { entries: [], nodes: [], rows: [] }

export const entryAt = (seq: number, over: Partial<StoredEntry> = {}): StoredEntry => {
  const bytes = Buffer.from(`{"seq":${seq}}`)
  return { seq, id: `id-${seq}`, source: 'test', type: 'test.fact@1', leaf: digestOf(bytes), bytes, ...over }
}

export const row = (table: string, key: string, version: number, value: string | null): RowWrite => ({
  table,
  key,
  version,
  value,
})

/** The code with which a promise is rejected; fails where it is fulfilled or rejected otherwise. */
const digestOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(hash('sha256', bytes, 'buffer'))
const keysOf = async (found: ReturnType<Store['scan']>): Promise<string[]> =>
  (await found).value.map(({ key }) => key)

export function storeConformance(name: string, open: () => Promise<Opened>): void {
  describe(`${name} is a Store`, () => {
    let opened: Opened
    let writer: Store
    let reader: Store
    beforeEach(async () => {
      opened = await open()
      writer = opened.writer
      reader = opened.reader
    })
    afterEach(() => opened.close())
    const stores = () => ({ writer, reader })

    describe('commit', () => commitTests(stores))
    describe('rows', () => rowTests(stores))
    describe('keys', () => keyTests(stores))
    describe('entries', () => entryTests(stores))
    describe('tiles', () => tileTests(stores))
    describe('sweep', () => sweepTests(stores))
    describe('pruning', () => pruneTests(stores))
    describe('replacing a table', () => replaceTests(stores))
    describe('a snapshot', () => snapshotTests(stores))
    describe('all rows', () => allRowsTests(stores))
  })
}

type Stores = () => { readonly writer: Store; readonly reader: Store }

function commitTests(stores: Stores): void {
  it('shows a batch whole to writer and reader', async () => {
    const { writer, reader } = stores()
    const node = { level: 1, index: 0, hash: digestOf(Buffer.from('node')) }
    await writer.commit({
      entries: [entryAt(0), entryAt(1)],
      nodes: [node],
      rows: [row('t', 'k', 1, '{"a":1}')],
    })
    for (const store of [writer, reader]) {
      expect(await store.size()).toBe(2)
      expect((await store.load('t', ['k'])).value.get('k')).toMatchObject({ version: 1, value: '{"a":1}' })
      expect(Buffer.from(await store.tile(1, 0, 1))).toEqual(Buffer.from(node.hash))
    }
  })

  it('leaves nothing of a batch that holds one bad entry', async () => {
    const { writer, reader } = stores()
    await writer.commit({ ...EMPTY, entries: [entryAt(0)], rows: [row('t', 'k', 1, '1')] })
    const bad: Batch = {
      entries: [entryAt(1), entryAt(2, { id: 'id-0' })],
      nodes: [{ level: 1, index: 0, hash: digestOf(Buffer.from('x')) }],
      rows: [row('t', 'k', 2, '2'), row('t', 'new', 1, '1')],
      drop: [{ table: 't', key: 'k' }],
    }
    expect(await codeOf(writer.commit(bad))).toBe('entry.duplicate')
    expect(await reader.size()).toBe(1)
    expect([...(await reader.load('t', ['k', 'new'])).value.keys()]).toEqual(['k'])
    expect(await codeOf(reader.tile(1, 0, 1))).toBe('log.corrupt')
    // And the store goes on as if it had never been asked.
    await writer.commit({ ...EMPTY, entries: [entryAt(1)] })
    expect(await reader.size()).toBe(2)
  })

  it('refuses a repeated source and id, in the log and in the batch', async () => {
    const { writer } = stores()
    await writer.commit({ ...EMPTY, entries: [entryAt(0)] })
    expect(await codeOf(writer.commit({ ...EMPTY, entries: [entryAt(1, { id: 'id-0' })] }))).toBe(
      'entry.duplicate',
    )
    const twins = [entryAt(1, { id: 'twin' }), entryAt(2, { id: 'twin' })]
    expect(await codeOf(writer.commit({ ...EMPTY, entries: twins }))).toBe('entry.duplicate')
    // The same id of another source is another entry, however the two texts are split.
    await writer.commit({ ...EMPTY, entries: [entryAt(1, { id: 'id-0', source: 'other' })] })
    await writer.commit({
      ...EMPTY,
      entries: [entryAt(2, { id: 'a b', source: 'c' }), entryAt(3, { id: 'a', source: 'b c' })],
    })
    expect(await writer.size()).toBe(4)
  })

  it.each([
    ['a gap', [entryAt(2)]],
    ['a seq that is taken', [entryAt(0, { id: 'fresh' })]],
    ['a gap inside the batch', [entryAt(1), entryAt(3)]],
    ['seqs out of order', [entryAt(2), entryAt(1)]],
    ['a negative seq', [entryAt(-1)]],
  ])('refuses %s', async (_what, entries) => {
    const { writer } = stores()
    await writer.commit({ ...EMPTY, entries: [entryAt(0)] })
    expect(await codeOf(writer.commit({ ...EMPTY, entries, rows: [row('t', 'k', 1, '1')] }))).toBe(
      'store.failed',
    )
    expect(await writer.size()).toBe(1)
    expect((await writer.load('t', ['k'])).value.size).toBe(0)
  })

  it('drops before it writes, so a key can be erased and renewed in one batch', async () => {
    const { writer } = stores()
    await writer.commit({ ...EMPTY, rows: [row('t', 'k', 4, '"old"')] })
    await writer.commit({ ...EMPTY, rows: [row('t', 'k', 5, '"new"')], drop: [{ table: 't', key: 'k' }] })
    expect((await writer.load('t', ['k'])).value.get('k')).toMatchObject({ version: 5, value: '"new"' })
    await writer.commit({
      ...EMPTY,
      drop: [
        { table: 't', key: 'k' },
        { table: 't', key: 'never' },
      ],
    })
    expect((await writer.load('t', ['k'])).value.size).toBe(0)
  })

  it('takes an empty batch', async () => {
    const { writer } = stores()
    await writer.commit(EMPTY)
    expect(await writer.size()).toBe(0)
  })

  it('can be migrated again without harm', async () => {
    const { writer } = stores()
    await writer.commit({ ...EMPTY, entries: [entryAt(0)] })
    await writer.migrate()
    await writer.migrate()
    expect(await writer.size()).toBe(1)
  })
}

function rowTests(stores: Stores): void {
  it('keeps the version of a removed row, and hides it from scans', async () => {
    const { writer } = stores()
    await writer.commit({ ...EMPTY, rows: [row('t', 'a', 1, '1'), row('t', 'b', 1, '1')] })
    await writer.commit({ ...EMPTY, rows: [row('t', 'a', 2, null)] })
    expect((await writer.load('t', ['a'])).value.get('a')).toMatchObject({ version: 2, value: null })
    expect(await keysOf(writer.scan('t', { limit: 10 }))).toEqual(['b'])
    await writer.commit({ ...EMPTY, rows: [row('t', 'a', 3, '3')] })
    expect((await writer.load('t', ['a'])).value.get('a')).toMatchObject({ version: 3, value: '3' })
  })

  it('answers absent keys by absence, tables apart', async () => {
    const { writer } = stores()
    await writer.commit({ ...EMPTY, rows: [row('t', 'k', 1, '1')] })
    expect((await writer.load('t', ['k', 'nope', 'k'])).value.size).toBe(1)
    expect((await writer.load('u', ['k'])).value.size).toBe(0)
    expect((await writer.load('t', [])).value.size).toBe(0)
    expect(await keysOf(writer.scan('u', { limit: 10 }))).toEqual([])
  })

  it('scans in the order of UTF-8 bytes, which is not that of UTF-16', async () => {
    const { writer } = stores()
    const ordered = [
      '',
      ' ',
      'A',
      'Z',
      'a',
      'ab',
      'b',
      '\u00e9',
      '\ud7ff',
      '\ue000',
      '\ufffd',
      '\uffff',
      '\u{10000}',
      '\u{1f600}',
      '\u{10ffff}',
    ]
    await writer.commit({ ...EMPTY, rows: ordered.toReversed().map((key) => row('t', key, 1, '1')) })
    expect(await keysOf(writer.scan('t', { limit: 100 }))).toEqual(ordered)
    expect(await keysOf(writer.scan('t', { limit: 100, reverse: true }))).toEqual(ordered.toReversed())
  })

  it('pages with prefix, after and limit, both ways', async () => {
    const { writer } = stores()
    const keys = ['a', 'ab', 'aba', 'abb', 'ac', 'b']
    await writer.commit({ ...EMPTY, rows: keys.map((key) => row('t', key, 1, '1')) })
    expect(await keysOf(writer.scan('t', { prefix: 'ab', limit: 10 }))).toEqual(['ab', 'aba', 'abb'])
    expect(await keysOf(writer.scan('t', { prefix: 'ab', after: 'ab', limit: 1 }))).toEqual(['aba'])
    expect(await keysOf(writer.scan('t', { prefix: 'ab', after: 'abb', limit: 10 }))).toEqual([])
    expect(await keysOf(writer.scan('t', { prefix: 'ab', after: 'abb', limit: 10, reverse: true }))).toEqual([
      'aba',
      'ab',
    ])
    expect(await keysOf(writer.scan('t', { after: 'zzz', limit: 2, reverse: true }))).toEqual(['b', 'ac'])
    expect(await keysOf(writer.scan('t', { after: 'aa', limit: 2 }))).toEqual(['ab', 'aba'])
    expect(await keysOf(writer.scan('t', { limit: 0 }))).toEqual([])
  })

  it('ends a prefix where the prefix ends, at the last code points too', async () => {
    const { writer } = stores()
    const last = '\u{10ffff}'
    const keys = [`p${last}${last}x`, `p${last}`, 'p', 'q', `${last}z`, last, '\ud7ffx', '\ue000']
    await writer.commit({ ...EMPTY, rows: keys.map((key) => row('t', key, 1, '1')) })
    expect(await keysOf(writer.scan('t', { prefix: 'p', limit: 10 }))).toEqual([
      'p',
      `p${last}`,
      `p${last}${last}x`,
    ])
    expect(await keysOf(writer.scan('t', { prefix: `p${last}`, limit: 10 }))).toEqual([
      `p${last}`,
      `p${last}${last}x`,
    ])
    expect(await keysOf(writer.scan('t', { prefix: last, limit: 10 }))).toEqual([last, `${last}z`])
    expect(await keysOf(writer.scan('t', { prefix: '\ud7ff', limit: 10 }))).toEqual(['\ud7ffx'])
    expect(await keysOf(writer.scan('t', { prefix: '\ud83d', limit: 10 }))).toEqual([])
  })

  it('keeps a value of 1 MiB to the byte', async () => {
    const { writer, reader } = stores()
    const value = JSON.stringify('é😀\0'.repeat(150_000))
    expect(Buffer.byteLength(value)).toBeGreaterThan(2 ** 20)
    await writer.commit({ ...EMPTY, rows: [row('t', 'big', 1, value)] })
    expect((await reader.load('t', ['big'])).value.get('big')?.value).toBe(value)
  })

  it('tells the log size of the same snapshot', async () => {
    const { writer, reader } = stores()
    expect((await reader.load('t', ['k'])).size).toBe(0)
    await writer.commit({ ...EMPTY, entries: [entryAt(0), entryAt(1)], rows: [row('t', 'k', 1, '1')] })
    expect(await reader.load('t', ['k'])).toMatchObject({ size: 2 })
    expect(await reader.scan('t', { limit: 1 })).toMatchObject({ size: 2 })
  })
}

function keyTests(stores: Stores): void {
  const hostile = [
    `'; DROP TABLE row; --`,
    `" OR 1=1 --`,
    '%',
    '_',
    '*',
    '[a-z]',
    '\\',
    '\u0001',
    '\u007f',
    '$.a',
    '["a"]',
    '{"a":1}',
    'null',
    '1',
    '01',
    '1e3',
    '__proto__',
    'constructor',
    '%00',
    '\u00e9',
    'e\u0301',
  ]

  it('takes hostile text as text', async () => {
    const { writer, reader } = stores()
    await writer.commit({
      ...EMPTY,
      rows: hostile.map((key, place) => row(key, key, place + 1, JSON.stringify(key))),
    })
    for (const [place, key] of hostile.entries()) {
      expect((await reader.load(key, hostile)).value).toEqual(
        new Map([[key, { version: place + 1, value: JSON.stringify(key) }]]),
      )
      expect(await keysOf(reader.scan(key, { limit: 10 }))).toEqual([key])
      expect(await keysOf(reader.scan(key, { limit: 10, prefix: key }))).toEqual([key])
    }
  })

  it('takes hostile ids, sources and types', async () => {
    const { writer, reader } = stores()
    const entries = hostile.map((text, seq) => entryAt(seq, { id: text, source: text, type: text }))
    await writer.commit({ ...EMPTY, entries })
    const pairs = entries.map(({ id, source }) => ({ id, source }))
    expect(await reader.known(pairs)).toEqual(entries.map(({ seq }) => seq))
    for (const { seq, type } of entries)
      expect(
        (await reader.entries({ from: 0, to: 100, limit: 100, type })).map((entry) => entry.seq),
      ).toEqual([seq])
  })

  it.each([
    ['one byte too long', 'k'.repeat(KEY_SIZE_MAX_BYTES + 1)],
    ['too long in UTF-8', '€'.repeat(Math.ceil(KEY_SIZE_MAX_BYTES / 3) + 1)],
    ['holding U+0000', 'a\0b'],
    ['holding a lone high surrogate', 'a\ud800'],
    ['holding a lone low surrogate', '\udc00b'],
  ])('refuses a key %s, and the batch with it', async (_what, key) => {
    const { writer, reader } = stores()
    expect(
      await codeOf(
        writer.commit({
          ...EMPTY,
          entries: [entryAt(0)],
          rows: [row('t', 'ok', 1, '1'), row('t', key, 1, '1')],
        }),
      ),
    ).toBe('input.invalid')
    expect(await reader.size()).toBe(0)
    expect((await reader.load('t', ['ok', key])).value.size).toBe(0)
  })

  it('takes keys as long as they may be', async () => {
    const { writer, reader } = stores()
    const keys = ['k'.repeat(KEY_SIZE_MAX_BYTES), '😀'.repeat(KEY_SIZE_MAX_BYTES / 4)]
    await writer.commit({ ...EMPTY, rows: keys.map((key) => row('t', key, 1, '1')) })
    expect([...(await reader.load('t', keys)).value.keys()].sort()).toEqual(keys.toSorted())
  })

  it('does not take one key for another', async () => {
    const { writer, reader } = stores()
    await writer.commit({ ...EMPTY, rows: [row('t', 'a', 1, '1'), row('t', 'a\ufffd', 1, '1')] })
    expect((await reader.load('t', ['a\0b', 'a\ud800', 'A', 'a '])).value.size).toBe(0)
  })
}

function entryTests(stores: Stores): void {
  const fill = async (writer: Store) => {
    const entries = Array.from({ length: 10 }, (_, seq) =>
      entryAt(seq, { type: seq % 3 === 0 ? 'third@1' : 'other@1' }),
    )
    await writer.commit({ ...EMPTY, entries })
  }
  const seqs = async (found: ReturnType<Store['entries']>) => (await found).map(({ seq }) => seq)

  it('gives back what was stored, to the byte', async () => {
    const { writer, reader } = stores()
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i)
    await writer.commit({ ...EMPTY, entries: [entryAt(0, { bytes, leaf: digestOf(bytes) })] })
    const [entry] = await reader.entries({ from: 0, to: 1, limit: 1 })
    expect(entry).toMatchObject({ seq: 0, id: 'id-0', source: 'test', type: 'test.fact@1' })
    expect(Buffer.from(entry?.bytes ?? [])).toEqual(Buffer.from(bytes))
    expect(Buffer.from(entry?.leaf ?? [])).toEqual(Buffer.from(digestOf(bytes)))
  })

  it('ranges, inclusive to exclusive, both ways, limited', async () => {
    const { writer, reader } = stores()
    await fill(writer)
    expect(await seqs(reader.entries({ from: 2, to: 5, limit: 10 }))).toEqual([2, 3, 4])
    expect(await seqs(reader.entries({ from: 2, to: 5, limit: 2, reverse: true }))).toEqual([4, 3])
    expect(await seqs(reader.entries({ from: 8, to: 1000, limit: 10 }))).toEqual([8, 9])
    expect(await seqs(reader.entries({ from: 8, to: 1000, limit: 10, reverse: true }))).toEqual([9, 8])
    expect(await seqs(reader.entries({ from: 5, to: 5, limit: 10 }))).toEqual([])
    expect(await seqs(reader.entries({ from: 5, to: 2, limit: 10 }))).toEqual([])
    expect(await seqs(reader.entries({ from: 0, to: 10, limit: 0 }))).toEqual([])
  })

  it('filters by type within the range', async () => {
    const { writer, reader } = stores()
    await fill(writer)
    expect(await seqs(reader.entries({ from: 1, to: 10, limit: 10, type: 'third@1' }))).toEqual([3, 6, 9])
    expect(await seqs(reader.entries({ from: 0, to: 9, limit: 2, type: 'third@1', reverse: true }))).toEqual([
      6, 3,
    ])
    expect(await seqs(reader.entries({ from: 0, to: 10, limit: 10, type: 'third@2' }))).toEqual([])
  })

  it('knows pairs by their positions in the question', async () => {
    const { writer, reader } = stores()
    await fill(writer)
    const pairs = [
      { source: 'test', id: 'no' },
      { source: 'test', id: 'id-3' },
      { source: 'other', id: 'id-3' },
      { source: 'test', id: 'id-3' },
      { source: 'test', id: 'id-0' },
    ]
    expect(await reader.known(pairs)).toEqual([1, 3, 4])
    expect(await reader.known([])).toEqual([])
  })
}

function tileTests(stores: Stores): void {
  it('reads leaf hashes at level 0, full and partial', async () => {
    const { writer, reader } = stores()
    const entries = Array.from({ length: 300 }, (_, seq) => entryAt(seq))
    await writer.commit({ ...EMPTY, entries })
    expect(Buffer.from(await reader.tile(0, 0, 256))).toEqual(
      Buffer.concat(entries.slice(0, 256).map(({ leaf }) => leaf)),
    )
    expect(Buffer.from(await reader.tile(0, 1, 44))).toEqual(
      Buffer.concat(entries.slice(256).map(({ leaf }) => leaf)),
    )
    expect(Buffer.from(await reader.tile(0, 1, 1))).toEqual(Buffer.from(entries[256]?.leaf ?? []))
  })

  it('reads nodes above, in their places', async () => {
    const { writer, reader } = stores()
    const nodes = [0, 1, 255, 256].map((index) => ({
      level: 1,
      index,
      hash: digestOf(Buffer.from(`n${index}`)),
    }))
    await writer.commit({ ...EMPTY, nodes })
    expect(Buffer.from(await reader.tile(1, 0, 2))).toEqual(
      Buffer.concat(nodes.slice(0, 2).map(({ hash }) => hash)),
    )
    expect(Buffer.from(await reader.tile(1, 1, 1))).toEqual(Buffer.from(nodes[3]?.hash ?? []))
  })

  it.each([
    ['beyond the log', 0, 0, 4],
    ['in a tile that is not there', 0, 7, 1],
    ['with a hole', 1, 0, 3],
    ['at a level that is not there', 5, 0, 1],
  ])('says log.corrupt for hashes %s', async (_what, level, index, width) => {
    const { writer, reader } = stores()
    const nodes = [0, 2].map((place) => ({ level: 1, index: place, hash: digestOf(Buffer.from('n')) }))
    await writer.commit({ ...EMPTY, entries: [entryAt(0), entryAt(1), entryAt(2)], nodes })
    expect(await codeOf(reader.tile(level, index, width))).toBe('log.corrupt')
  })
}

function sweepTests(stores: Stores): void {
  it('drops what expired, up to its limit, in its table only', async () => {
    const { writer } = stores()
    const expiring = (table: string, key: string, expiresAtMs: number): RowWrite => ({
      ...row(table, key, 1, '1'),
      expiresAtMs,
    })
    const rows = [1, 2, 3].map((n) => expiring('t', `old${n}`, 100))
    rows.push(expiring('t', 'later', 200), row('t', 'forever', 1, '1'), expiring('u', 'old', 100))
    await writer.commit({ ...EMPTY, rows })
    expect(await writer.sweep('t', 99, 10)).toBe(0)
    expect(await writer.sweep('t', 100, 2)).toBe(2)
    expect(await writer.sweep('t', 100, 2)).toBe(1)
    expect(await keysOf(writer.scan('t', { limit: 10 }))).toEqual(['forever', 'later'])
    expect(await keysOf(writer.scan('u', { limit: 10 }))).toEqual(['old'])
  })

  it('does not drop a row whose expiry was renewed or taken away', async () => {
    const { writer } = stores()
    const write = (key: string, version: number, expiresAtMs?: number): RowWrite => ({
      ...row('t', key, version, '1'),
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    })
    await writer.commit({ ...EMPTY, rows: [write('a', 1, 100), write('b', 1, 100)] })
    await writer.commit({ ...EMPTY, rows: [write('a', 2, 300), write('b', 2)] })
    expect(await writer.sweep('t', 200, 10)).toBe(0)
  })
}

/** A log of `size` entries with the inner nodes of its full tiles, whose hashes need not be right here. */
async function writeLog(writer: Store, size: number): Promise<void> {
  const entries = Array.from({ length: size }, (_, seq) => entryAt(seq))
  const nodes = Array.from({ length: Math.floor(size / 256) }, (_, index) => ({
    level: 1,
    index,
    hash: digestOf(Buffer.from(`node ${index}`)),
  }))
  await writer.commit({ entries, nodes, rows: [] })
}

function pruneTests(stores: Stores): void {
  it('takes entries and their leaf hashes, and leaves inner nodes, size and what follows', async () => {
    const { writer, reader } = stores()
    await writeLog(writer, 600)
    expect(await reader.minimumIndex()).toBe(0)
    await writer.commit({ ...EMPTY, pruneBelow: 512 })
    expect(await reader.minimumIndex()).toBe(512)
    expect(await reader.size()).toBe(600)
    expect((await reader.entries({ from: 0, to: 600, limit: 1 }))[0]?.seq).toBe(512)
    expect(await codeOf(reader.tile(0, 1, 256))).toBe('log.pruned')
    expect((await reader.tile(0, 2, 88)).length).toBe(88 * 32)
    expect((await reader.tile(1, 0, 2)).length).toBe(2 * 32)
    expect(await reader.known([{ source: 'test', id: 'id-511' }])).toEqual([])
    expect(await reader.known([{ source: 'test', id: 'id-512' }])).toEqual([0])
    await writer.commit({ ...EMPTY, entries: [entryAt(600)] })
    expect(await reader.size()).toBe(601)
  })

  it('is whole tiles, and never the whole log', async () => {
    const { writer, reader } = stores()
    await writeLog(writer, 512)
    for (const pruneBelow of [1, 255, 512, 768, -256, 0.5])
      expect(await codeOf(writer.commit({ ...EMPTY, rows: [row('t', 'k', 1, '1')], pruneBelow }))).toBe(
        'store.failed',
      )
    expect((await reader.load('t', ['k'])).value.size).toBe(0)
    await writer.commit({ ...EMPTY, pruneBelow: 256 })
    await writer.commit({ ...EMPTY, pruneBelow: 256 })
    expect(await reader.minimumIndex()).toBe(256)
  })
}

function replaceTests(stores: Stores): void {
  it('puts the rows made aside in the place of the old ones, tombstones and versions included', async () => {
    const { writer, reader } = stores()
    await writer.commit({ ...EMPTY, rows: [row('live', 'a', 3, '1'), row('live', 'b', 1, '1')] })
    await writer.commit({ ...EMPTY, rows: [row('aside', 'a', 4, '2'), row('aside', 'c', 7, null)] })
    await writer.commit({ ...EMPTY, replace: { from: 'aside', to: 'live' } })
    expect(await keysOf(reader.scan('live', { limit: 10 }))).toEqual(['a'])
    expect((await reader.load('live', ['a', 'b', 'c'])).value).toEqual(
      new Map([
        ['a', expect.objectContaining({ version: 4, value: '2' })],
        ['c', expect.objectContaining({ version: 7, value: null })],
      ]),
    )
    expect((await reader.load('aside', ['a', 'c'])).value.size).toBe(0)
  })

  it('by a table that does not exist empties it', async () => {
    const { writer, reader } = stores()
    await writer.commit({ ...EMPTY, rows: [row('live', 'a', 1, '1')] })
    await writer.commit({ ...EMPTY, replace: { from: 'absent', to: 'live' } })
    expect((await reader.load('live', ['a'])).value.size).toBe(0)
  })
}

function snapshotTests(stores: Stores): void {
  it('keeps what it saw while the store goes on', async () => {
    const { writer } = stores()
    await writeLog(writer, 300)
    await writer.commit({ ...EMPTY, rows: [row('t', 'k', 1, '1'), row('t', 'gone', 1, '1')] })
    const snapshot = await writer.snapshot()
    await writer.commit({
      ...EMPTY,
      entries: [entryAt(300)],
      rows: [row('t', 'k', 2, '2')],
      drop: [{ table: 't', key: 'gone' }],
      pruneBelow: 256,
    })
    expect(await snapshot.size()).toBe(300)
    expect(await snapshot.minimumIndex()).toBe(0)
    expect((await snapshot.entries({ from: 0, to: 1000, limit: 1000 })).length).toBe(300)
    expect((await snapshot.tile(0, 0, 256)).length).toBe(256 * 32)
    expect((await snapshot.load('t', ['k', 'gone'])).value.get('k')?.version).toBe(1)
    expect(await keysOf(snapshot.scan('t', { limit: 9 }))).toEqual(['gone', 'k'])
    expect((await snapshot.rows({ limit: 9 })).length).toBe(2)
    await snapshot.close()
    expect(await writer.size()).toBe(301)
  })
}

function allRowsTests(stores: Stores): void {
  it('come in pages, by table and key, with tombstones and expiry', async () => {
    const { writer, reader } = stores()
    await writer.commit({
      ...EMPTY,
      rows: [
        row('b', '', 1, '1'),
        { ...row('a', 'z', 2, '{}'), expiresAtMs: 77 },
        row('a', '\ue000', 1, '1'),
        row('a', '\u{1f600}', 1, '1'),
        row('a', 'dead', 5, null),
      ],
    })
    const places: string[] = []
    let after: { readonly table: string; readonly key: string } | undefined
    for (;;) {
      const page = await reader.rows({ limit: 2, ...(after === undefined ? {} : { after }) })
      places.push(...page.map(({ table, key }) => `${table}/${key}`))
      if (page.length < 2) break
      after = page.at(-1)
    }
    expect(places).toEqual(['a/dead', 'a/z', 'a/\ue000', 'a/\u{1f600}', 'b/'])
    const [dead, kept] = await reader.rows({ limit: 2 })
    expect(dead).toEqual({ table: 'a', key: 'dead', version: 5, value: null })
    expect(kept).toEqual({ table: 'a', key: 'z', version: 2, value: '{}', expiresAtMs: 77 })
  })
}
