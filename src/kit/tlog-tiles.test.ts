// Tile paths in their one spelling, and entry bundles that end where they say.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coded } from './codes.fixture.ts'
import { tilesOfSize } from './tile-tree.ts'
import { decodeEntries, encodeEntries, entriesPath, parseTilePath, tilePath } from './tlog-tiles.ts'

describe('paths', () => {
  it.each([
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ level: 0, index: 273, width: 112 }, 'tile/0/273.p/112'],
    [{ level: 63, index: 1000, width: 1 }, 'tile/63/x001/000.p/1'],
    [{ level: 1, index: 1234067, width: 256 }, 'tile/1/x001/x234/067'],
    [{ level: 2, index: Number.MAX_SAFE_INTEGER, width: 255 }, 'tile/2/x009/x007/x199/x254/x740/991.p/255'],
  ])('spell %j as %s', (ref, path) => {
    expect(tilePath(ref)).toBe(path)
    expect(parseTilePath(path)).toEqual({ kind: 'hash', ...ref })
    expect(entriesPath(ref.index, ref.width)).toBe(path.replace(/^tile\/\d+/, 'tile/entries'))
    expect(parseTilePath(entriesPath(ref.index, ref.width))).toEqual({
      kind: 'entries',
      index: ref.index,
      width: ref.width,
    })
  })

  it('are all different in one tree', () => {
    const tiles = tilesOfSize(70_000)
    expect(new Set(tiles.map(tilePath)).size).toBe(tiles.length)
  })

  it.each([
    '',
    'tile/0/',
    '/tile/0/000',
    'tile/0/000/',
    'tile/00/000',
    'tile/01/000',
    'tile/64/000',
    'tile/-1/000',
    'tile/0/0',
    'tile/0/0000',
    'tile/0/x000/001',
    'tile/0/001/x000',
    'tile/0/x000',
    'tile/0/X001/000',
    'tile/0/000.p/0',
    'tile/0/000.p/01',
    'tile/0/000.p/256',
    'tile/0/000.p/',
    'tile/0/000.p/1/2',
    'tile/0/000\n',
    'tile/entries/../000',
    'tile/entry/000',
    'tile/0/٠٠٠',
    'tile/0/x999/x999/x999/x999/x999/999',
    `tile/0/${'x000/'.repeat(1000)}000`,
  ])('are not read from %j', (path) => {
    expect(parseTilePath(path)).toBeUndefined()
  })

  it('have one spelling: whatever is read is written back the same', () => {
    const pathlike = fc.stringMatching(
      /^tile\/(entries|[0-9]{1,3})\/(x[0-9]{3}\/){0,3}[0-9]{3}(\.p\/[0-9]{1,3})?$/,
    )
    fc.assert(
      fc.property(pathlike, (path) => {
        const named = parseTilePath(path)
        if (named === undefined) return
        expect(named.kind === 'hash' ? tilePath(named) : entriesPath(named.index, named.width)).toBe(path)
      }),
    )
  })

  it.each([
    [-1, 0, 1],
    [64, 0, 1],
    [0.5, 0, 1],
    [0, -1, 1],
    [0, 2 ** 53, 1],
    [0, 0, 0],
    [0, 0, 257],
    [0, 0, 1.5],
  ])('do not exist for level %d, index %d, width %d', (level, index, width) => {
    expect(() => tilePath({ level, index, width })).toThrow(coded('range'))
  })
})

describe('entry bundles', () => {
  it('are lengths in two bytes, high byte first, and leaves', () => {
    expect(
      [...encodeEntries([Buffer.from('ab'), new Uint8Array(0), new Uint8Array(258)])].slice(0, 8),
    ).toEqual([0, 2, 97, 98, 0, 0, 1, 2])
  })

  it('come back as they were, from any place in a larger buffer', () => {
    const leaves = fc.array(fc.uint8Array({ maxLength: 400 }), { minLength: 1, maxLength: 256 })
    fc.assert(
      fc.property(leaves, fc.nat(9), (entries, offset) => {
        const bundle = encodeEntries(entries)
        const buffer = new Uint8Array(bundle.length + 20).fill(255)
        buffer.set(bundle, offset)
        const decoded = decodeEntries(buffer.subarray(offset, offset + bundle.length))
        expect(decoded.map((leaf) => [...leaf])).toEqual(entries.map((leaf) => [...leaf]))
      }),
      { numRuns: 50 },
    )
  })

  it('never decode to all leaves when cut', () => {
    const bundle = encodeEntries([Buffer.from('first'), Buffer.from('second')])
    for (let end = 0; end < bundle.length; end++) {
      const cut = bundle.subarray(0, end)
      if (end === 7) expect(decodeEntries(cut)).toHaveLength(1)
      else expect(() => decodeEntries(cut)).toThrow(coded('entries'))
    }
  })

  it('hold 1 to 256 entries of up to 65,535 bytes', () => {
    const full = Array.from({ length: 256 }, () => new Uint8Array(1))
    expect(decodeEntries(encodeEntries(full))).toHaveLength(256)
    expect(() => encodeEntries([...full, new Uint8Array(1)])).toThrow(coded('entries'))
    expect(() => encodeEntries([])).toThrow(coded('entries'))
    expect(() => decodeEntries(new Uint8Array(2 * 257))).toThrow(coded('entries'))
    expect(decodeEntries(encodeEntries([new Uint8Array(65_535)]))[0]).toHaveLength(65_535)
    expect(() => encodeEntries([new Uint8Array(65_536)])).toThrow(coded('entry'))
  })
})
