// Verification of logs held in memory: honest ones of every awkward size, and every way in which a hub could cheat.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../../kit/canonical-json.ts'
import { leafHash } from '../../../kit/merkle.ts'
import { tilePath } from '../../../kit/tlog-tiles.ts'
import { memoryStore } from '../../store/memory/memory-store.ts'
import {
  eventText,
  eventTexts,
  newKey,
  type SignedFiles,
  signedFiles,
  sourceOf,
} from '../fixtures/signed-files.ts'
import { storeSource } from '../sources/data.ts'
import { verifyLog } from './verify.ts'

const verify = (log: SignedFiles, vkey?: string) =>
  verifyLog(sourceOf(log), vkey === undefined ? {} : { vkey })
const finding = (reason: string, seq?: number) => ({
  code: 'verify.failed',
  facts: { reason, ...(seq === undefined ? {} : { seq }) },
})

describe('an honest log', () => {
  it.each([0, 1, 2, 255, 256, 257, 600])('of %d entries is derived from its bytes', async (size) => {
    const log = await signedFiles(eventTexts(size))
    expect(await verify(log, log.vkey)).toMatchObject({
      origin: 'log.example',
      size,
      entries: size,
      unsignedTail: 0,
      isPinned: true,
    })
  })

  it('of over 65,536 entries has three levels of tiles', async () => {
    const log = await signedFiles(eventTexts(65_800))
    expect(await verify(log)).toMatchObject({ size: 65_800, isPinned: false })
    flip(log, tilePath({ level: 2, index: 0, width: 1 }), 0)
    await expect(verify(log)).rejects.toMatchObject({ facts: { reason: 'node', seq: 0, level: 2 } })
  })

  it('tells its progress and can be cancelled', async () => {
    const log = await signedFiles(eventTexts(300))
    const seen: number[] = []
    await verifyLog(sourceOf(log), { onProgress: (done, total) => seen.push(done, total) })
    expect(seen).toEqual([256, 300, 300, 300])
    await expect(verifyLog(sourceOf(log), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    })
  })

  it('may keep an older checkpoint beside the newest one', async () => {
    const key = newKey()
    const [older, newer] = [await signedFiles(eventTexts(3), key), await signedFiles(eventTexts(9), key)]
    const source = sourceOf(newer)
    const checkpoints = [...source.checkpoints, { name: 'older', note: older.checkpoint }]
    expect(await verifyLog({ ...source, checkpoints })).toMatchObject({ size: 9 })
    const forked = await signedFiles(
      ['x', 'y', 'z'].map((id, n) => eventText(n, { id })),
      key,
    )
    await expect(
      verifyLog({
        ...source,
        checkpoints: [...source.checkpoints, { name: 'fork', note: forked.checkpoint }],
      }),
    ).rejects.toMatchObject({ facts: { reason: 'root', checkpoint: 'fork' } })
  })

  it('of which a reader misses a partial tile is read from the full one', async () => {
    const key = newKey()
    const [older, newer] = [await signedFiles(eventTexts(200), key), await signedFiles(eventTexts(256), key)]
    expect(await verify({ ...older, files: newer.files })).toMatchObject({ size: 200 })
  })
})

describe('a damaged export', () => {
  it('names a seq at or before the damaged entry, wherever one byte is flipped', async () => {
    const log = await signedFiles(eventTexts(300))
    const paths = [...log.files.keys()]
    await fc.assert(
      fc.asyncProperty(
        fc.nat(paths.length - 1),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (which, where, mask) => {
          const path = paths[which] as string
          const files = new Map(log.files)
          const at = where % (files.get(path) as Uint8Array).length
          const first = path.includes('001.p') ? 256 : 0
          flip({ ...log, files }, path, at, mask)
          const error = await verify({ ...log, files }).then(
            () => expect.unreachable(`${path} at ${at}`),
            (thrown: { code: string; facts: { seq: number } }) => thrown,
          )
          expect(error.code).toBe('verify.failed')
          expect(error.facts.seq).toBeGreaterThanOrEqual(first)
          expect(error.facts.seq).toBeLessThanOrEqual(seqAt(log, path, at))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('names the very entry whose bytes or leaf hash changed', async () => {
    const log = await signedFiles(eventTexts(300))
    const bundle = log.files.get('tile/entries/001.p/44') as Uint8Array
    const at = Buffer.from(bundle).indexOf('"n":280')
    flip(log, 'tile/entries/001.p/44', at)
    await expect(verify(log)).rejects.toMatchObject(finding('leaf', 280))
    flip(log, 'tile/entries/001.p/44', at)
    flip(log, 'tile/0/000', 32 * 17)
    await expect(verify(log)).rejects.toMatchObject(finding('leaf', 17))
  })

  it.each(['tile/0/001.p/44', 'tile/1/000.p/1', 'tile/entries/001.p/44', 'tile/entries/000'])(
    'lacks %s, or its end',
    async (path) => {
      const log = await signedFiles(eventTexts(300))
      const bytes = log.files.get(path) as Uint8Array
      const seq = path.includes('001') ? 256 : 0
      log.files.delete(path)
      await expect(verify(log)).rejects.toMatchObject(finding('missing', seq))
      for (const cut of [
        bytes.subarray(0, -1),
        bytes.subarray(0, 0),
        Buffer.concat([bytes, bytes.subarray(0, 32)]),
      ]) {
        log.files.set(path, cut)
        await expect(verify(log)).rejects.toMatchObject(finding('missing', seq))
      }
    },
  )

  it('has its entries in another order', async () => {
    const texts = eventTexts(40)
    const log = await signedFiles(texts)
    const swapped = await signedFiles([
      ...texts.slice(0, 7),
      texts[8] as string,
      texts[7] as string,
      ...texts.slice(9),
    ])
    const bundle = 'tile/entries/000.p/40'
    log.files.set(bundle, swapped.files.get(bundle) as Uint8Array)
    await expect(verify(log)).rejects.toMatchObject(finding('leaf', 7))
    // With the leaf hashes changed too, only the signed root is left to disagree.
    log.files.set('tile/0/000.p/40', swapped.files.get('tile/0/000.p/40') as Uint8Array)
    await expect(verify(log)).rejects.toMatchObject(finding('root', 0))
  })

  it('has entry and leaf hash changed together, which the level above places', async () => {
    const texts = eventTexts(600)
    const log = await signedFiles(texts)
    const forged = await signedFiles(texts.with(300, eventText(300, { data: { n: 'forged' } })))
    for (const path of ['tile/entries/001', 'tile/0/001'])
      log.files.set(path, forged.files.get(path) as Uint8Array)
    await expect(verify(log)).rejects.toMatchObject(finding('node', 256))
  })
})

describe('a checkpoint', () => {
  it('that is changed in any byte is refused', async () => {
    const log = await signedFiles(eventTexts(3))
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (where, mask) => {
        const bytes = Buffer.from(log.checkpoint)
        const at = where % bytes.length
        bytes[at] = (bytes[at] as number) ^ mask
        await expect(verify({ ...log, checkpoint: bytes.toString() })).rejects.toMatchObject(
          finding('checkpoint'),
        )
      }),
      { numRuns: 100 },
    )
  })

  it('by another key is refused, and so is a key that is none', async () => {
    const log = await signedFiles(eventTexts(3))
    const stranger = await signedFiles(eventTexts(3))
    await expect(verify({ ...log, checkpoint: stranger.checkpoint })).rejects.toMatchObject(
      finding('checkpoint'),
    )
    await expect(verify(log, stranger.vkey)).rejects.toMatchObject(finding('vkey'))
    await expect(verify({ ...log, vkey: 'log.example+00000000+AA==' })).rejects.toMatchObject(finding('vkey'))
    const { vkey: _, ...keyless } = sourceOf(log)
    await expect(verifyLog(keyless, { vkey: 'nonsense' })).rejects.toMatchObject({ code: 'usage' })
    await expect(verifyLog(keyless)).rejects.toMatchObject({ code: 'usage' })
    await expect(verifyLog(keyless, { vkey: stranger.vkey })).rejects.toMatchObject(finding('checkpoint'))
    await expect(verifyLog({ ...keyless, checkpoints: [] }, { vkey: log.vkey })).rejects.toMatchObject(
      finding('checkpoint'),
    )
  })

  it('must speak for the log whose key signed it', async () => {
    const log = await signedFiles(eventTexts(1), newKey(), 'other.example')
    await expect(verify(log)).rejects.toMatchObject(finding('origin'))
    const honest = sourceOf(await signedFiles(eventTexts(1)))
    await expect(verifyLog({ ...honest, origin: 'renamed.example' })).rejects.toMatchObject(finding('origin'))
  })
})

describe('a log that a dishonest hub hashed and signed', () => {
  it.each<[string, string | Uint8Array]>([
    ['members out of order', `{"type":"a.b@1",${eventText(1).slice(1)}`],
    ['a space', eventText(1).replace('{', '{ ')],
    ['a repeated member', eventText(1).replace('"id":"id-1"', '"id":"id-0","id":"id-1"')],
    ['a number in another spelling', eventText(1).replace('"n":1', '"n":1.0')],
    ['an escape that needs none', eventText(1).replace('id-1', '\\u0069d-1')],
    [
      'bytes that are no UTF-8',
      Buffer.concat([Buffer.from(eventText(1)).subarray(0, -3), Buffer.from([0xff, 0x7d, 0x7d])]),
    ],
    [
      'UTF-8 in a longer form',
      Buffer.from(eventText(1, { id: 'XY' })).map((byte) =>
        byte === 0x58 ? 0xc0 : byte === 0x59 ? 0x80 : byte,
      ),
    ],
    ['a byte order mark', `\ufeff${eventText(1)}`],
    ['nothing', ''],
    ['no object', '[]'],
    ['no type', eventText(1, { type: undefined })],
    ['an empty id', eventText(1, { id: '' })],
    ['no data', eventText(1, { data: undefined })],
    ['another version', eventText(1, { specversion: '2.0' })],
    ['another content type', eventText(1, { datacontenttype: 'text/plain' })],
    ['a subject that is no text', eventText(1, { subject: 7 })],
    ['a time that is none', eventText(1, { time: 'yesterday' })],
    ['an attribute with a forbidden name', eventText(1, { data_base64: 'AA==' })],
    ['an attribute that passes for the seq', eventText(1, { seq: 5 })],
    ['an attribute that is an object', eventText(1, { extra: {} })],
    ['a lone surrogate', eventText(1).replace('id-1', '\\ud800')],
    ['a prototype', eventText(1).replace('{', '{"__proto__":{},')],
    ['65 levels', canonicalize({}).replace('{}', '['.repeat(65) + ']'.repeat(65))],
  ])('with %s in an entry is refused', async (_name, evil) => {
    const log = await signedFiles([eventText(0), evil, eventText(2)])
    await expect(verify(log)).rejects.toMatchObject(finding('form', 1))
  })

  it('with source and id twice is refused at the second', async () => {
    const log = await signedFiles([eventText(0), eventText(1), eventText(2, { id: 'id-0' })])
    await expect(verify(log)).rejects.toMatchObject(finding('duplicate', 2))
    // The same id of another source is another entry, and no concatenation passes for it.
    const honest = [
      eventText(0, { id: 'a', source: 'bc' }),
      eventText(1, { id: 'ab', source: 'c' }),
      eventText(2, { id: 'a', source: 'c' }),
    ]
    expect(await verify(await signedFiles(honest))).toMatchObject({ size: 3 })
  })
})

describe('a store', () => {
  it('whose columns, leaves or nodes disagree with the bytes is named by seq', async () => {
    const log = await signedFiles(eventTexts(260))
    const entries = eventTexts(260).map((text, seq) => ({ seq, ...stored(text) }))
    const nodes = [{ level: 1, index: 0, hash: log.files.get('tile/1/000.p/1') as Uint8Array }]
    const verifyStored = async (change: Partial<(typeof entries)[0]>, at: number, hash?: Uint8Array) => {
      const store = memoryStore()
      await store.commit({
        entries: entries.with(at, { ...(entries[at] as (typeof entries)[0]), ...change }),
        nodes: hash === undefined ? nodes : [{ level: 1, index: 0, hash }],
        rows: [],
      })
      return verifyLog({ ...(await storeSource(store, sourceOf(log).checkpoints)), vkey: log.vkey })
    }
    expect(await verifyStored({}, 0)).toMatchObject({ size: 260 })
    await expect(verifyStored({ id: 'other' }, 5)).rejects.toMatchObject(finding('column', 5))
    await expect(verifyStored({ source: 'other' }, 6)).rejects.toMatchObject(finding('column', 6))
    await expect(verifyStored({ type: 'other' }, 259)).rejects.toMatchObject(finding('column', 259))
    await expect(verifyStored({ leaf: leafHash(Buffer.from('x')) }, 8)).rejects.toMatchObject(
      finding('leaf', 8),
    )
    await expect(verifyStored({ leaf: new Uint8Array(31) }, 8)).rejects.toMatchObject(finding('leaf', 8))
    await expect(verifyStored({}, 0, new Uint8Array(32))).rejects.toMatchObject(finding('node', 0))
  })

  it('may be ahead of its checkpoint, whose tail is checked, and never behind', async () => {
    const key = newKey()
    const signed = await signedFiles(eventTexts(3), key)
    const fill = async (texts: readonly string[]) => {
      const store = memoryStore()
      await store.commit({
        entries: texts.map((text, seq) => ({ seq, ...stored(text) })),
        nodes: [],
        rows: [],
      })
      return verifyLog({ ...(await storeSource(store, sourceOf(signed).checkpoints)), vkey: key.vkey })
    }
    expect(await fill(eventTexts(5))).toMatchObject({ size: 3, entries: 5, unsignedTail: 2 })
    await expect(fill([...eventTexts(4), eventText(4, { seq: 1 })])).rejects.toMatchObject(finding('form', 4))
    await expect(fill(eventTexts(2))).rejects.toMatchObject(finding('missing', 2))
  })
})

function stored(text: string) {
  const bytes = Buffer.from(text)
  const { id, source, type } = JSON.parse(text) as Record<'id' | 'source' | 'type', string>
  return { id, source, type, bytes, leaf: leafHash(bytes) }
}

function flip({ files }: SignedFiles, path: string, at: number, mask = 1): void {
  const bytes = Buffer.from(files.get(path) as Uint8Array)
  bytes[at] = (bytes[at] as number) ^ mask
  files.set(path, bytes)
}

/** The entry to which byte `at` of a file belongs. */
function seqAt({ files }: SignedFiles, path: string, at: number): number {
  const first = path.includes('001.p') ? 256 : 0
  if (!path.includes('entries')) return path.includes('tile/1') ? 0 : first + Math.floor(at / 32)
  const bytes = Buffer.from(files.get(path) as Uint8Array)
  let seq = first
  for (let end = 2 + bytes.readUInt16BE(0); end <= at; end += 2 + bytes.readUInt16BE(end)) seq += 1
  return seq
}
