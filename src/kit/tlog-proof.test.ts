// A proof file convinces offline, and does so for one leaf, one index and one log only.

import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCheckpoint } from './checkpoint.ts'
import { coded } from './codes.fixture.ts'
import { inclusionPath, rootOf } from './fixtures/naive-tree.ts'
import { leafHash } from './merkle.ts'
import { ed25519NoteKey, rawOfEd25519, signNote } from './signed-note.ts'
import { formatProof, parseProof, verifyProof } from './tlog-proof.ts'

const leaves = Array.from({ length: 11 }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)))
const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const key = ed25519NoteKey('example.com/log', rawOfEd25519(publicKey))
const checkpoint = signNote(
  formatCheckpoint({ origin: 'example.com/log', size: leaves.length, root: rootOf(leaves) }),
  key,
  (bytes) => sign(null, bytes, privateKey),
)
const proofOf = (index: number): string =>
  formatProof({ index, hashes: inclusionPath(index, leaves), checkpoint })
const leaf = (index: number): Uint8Array => leaves[index] as Uint8Array

describe('verifyProof', () => {
  it.each([...leaves.keys()])('accepts leaf %d where it is', (index) => {
    const verified = verifyProof(proofOf(index), leaf(index), [key])
    expect(verified).toEqual({
      origin: 'example.com/log',
      index,
      size: 11,
      root: new Uint8Array(rootOf(leaves)),
      verified: [key],
    })
  })

  it('rejects another leaf, another index and another key', () => {
    expect(() => verifyProof(proofOf(3), leaf(4), [key])).toThrow(coded('inclusion'))
    expect(() => verifyProof(proofOf(3).replace('index 3', 'index 4'), leaf(3), [key])).toThrow(
      coded('inclusion'),
    )
    expect(() => verifyProof(proofOf(3).replace('index 3', 'index 11'), leaf(3), [key])).toThrow(
      coded('inclusion'),
    )
    expect(() => verifyProof(proofOf(3), leaf(3), [])).toThrow(coded('unsigned'))
    const other = ed25519NoteKey('example.com/log', rawOfEd25519(generateKeyPairSync('ed25519').publicKey))
    expect(() => verifyProof(proofOf(3), leaf(3), [other])).toThrow(coded('unsigned'))
  })

  it('rejects a signed note that is no checkpoint', () => {
    const note = signNote('good morning\n', key, (bytes) => sign(null, bytes, privateKey))
    const text = formatProof({ index: 0, hashes: [], checkpoint: note })
    expect(() => verifyProof(text, leaf(0), [key])).toThrow(coded('checkpoint'))
  })

  it('does not survive any changed character', () => {
    const text = proofOf(5)
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ unit: 'binary', maxLength: 2 }), (at, other) => {
        const bent = text.slice(0, at) + other + text.slice(at + 1)
        fc.pre(bent !== text)
        expect(() => verifyProof(bent, leaf(5), [key])).toThrow(expect.objectContaining({ name: 'KitError' }))
      }),
      { numRuns: 300 },
    )
  })
})

describe('the text', () => {
  it('reads as the specification shows it', () => {
    const lines = formatProof({
      index: 10,
      hashes: inclusionPath(10, leaves),
      checkpoint,
      extra: Buffer.from('hi'),
    }).split('\n')
    expect(lines.slice(0, 3)).toEqual(['c2sp.org/tlog-proof@v1', 'extra aGk=', 'index 10'])
    expect(lines.slice(5, 8)).toEqual(['', 'example.com/log', '11'])
  })

  it('comes back as it was written', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(
        fc.maxSafeNat(),
        fc.array(hash),
        fc.option(fc.uint8Array({ minLength: 1 })),
        (index, hashes, extra) => {
          const proof = { index, hashes, checkpoint, ...(extra === null ? {} : { extra }) }
          expect(parseProof(formatProof(proof))).toEqual(proof)
        },
      ),
    )
  })

  it.each([
    ['another version', (t: string) => t.replace('@v1', '@v2')],
    ['no index', (t: string) => t.replace('index 3\n', '')],
    ['a leading zero', (t: string) => t.replace('index 3', 'index 03')],
    ['an index of 2^53', (t: string) => t.replace('index 3', 'index 9007199254740992')],
    ['extra data after the index', (t: string) => t.replace('index 3\n', 'index 3\nextra aGk=\n')],
    ['extra data that is empty', (t: string) => t.replace('index', 'extra \nindex')],
    ['extra data that is not base64', (t: string) => t.replace('index', 'extra !\nindex')],
    ['two lots of extra data', (t: string) => t.replace('index', 'extra aGk=\nextra aGk=\nindex')],
    ['a short hash', (t: string) => t.replace('index 3\n', 'index 3\naGk=\n')],
    ['54 hashes', (t: string) => t.replace('index 3\n', `index 3\n${`${'A'.repeat(43)}=\n`.repeat(54)}`)],
    ['no checkpoint', (t: string) => t.slice(0, t.indexOf('\n\n'))],
    ['carriage returns', (t: string) => t.replaceAll('\n', '\r\n')],
    ['a megabyte too much', (t: string) => t + 'x'.repeat(1_300_000)],
  ])('is not read with %s', (_name, bend) => {
    expect(() => parseProof(bend(proofOf(3)))).toThrow(coded('proof'))
  })

  it('is not written for what could not be read', () => {
    const good = { index: 0, hashes: [], checkpoint }
    expect(() => formatProof({ ...good, index: -1 })).toThrow(coded('proof'))
    expect(() => formatProof({ ...good, hashes: [new Uint8Array(31)] })).toThrow(coded('proof'))
    expect(() => formatProof({ ...good, extra: new Uint8Array(0) })).toThrow(coded('proof'))
    expect(() => formatProof({ ...good, extra: new Uint8Array(65_536) })).toThrow(coded('proof'))
  })
})
