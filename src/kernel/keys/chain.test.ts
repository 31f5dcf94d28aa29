// Following a log's keys from the one that is trusted: honest handovers, and every way in which one could be made up.

import { Buffer } from 'node:buffer'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ed25519NoteKey, formatVkey, type NoteKey, parseVkey, rawOfEd25519 } from '../../kit/signed-note.ts'
import { KEY_ENTRIES, KeyChain, type KeyEntry } from './chain.ts'
import { checkRotation, type Rotation, rotationStatement } from './rotation.ts'

const ORIGIN = 'keys.example/log'

interface Pair {
  readonly privateKey: KeyObject
  readonly key: NoteKey
  readonly vkey: string
}

function pair(origin = ORIGIN): Pair {
  const { privateKey } = generateKeyPairSync('ed25519')
  const key = ed25519NoteKey(origin, rawOfEd25519(privateKey))
  return { privateKey, key, vkey: formatVkey(key) }
}

const signed = (text: string, { privateKey }: Pair): string =>
  sign(null, Buffer.from(text), privateKey).toString('base64')

function rotation(from: Pair, to: Pair, over: Partial<Rotation> = {}): Rotation {
  const claim = { from: from.vkey, to: to.vkey, at: '2026-01-02T03:04:05.678Z', reason: 'scheduled' as const }
  const statement = rotationStatement(claim)
  return { ...claim, signatureByOld: signed(statement, from), signatureByNew: signed(statement, to), ...over }
}

const opened = ({ vkey }: Pair, seq = 0): KeyEntry => ({ seq, type: KEY_ENTRIES.opened, data: { vkey } })
const rotated = (seq: number, data: Rotation): KeyEntry => ({ seq, type: KEY_ENTRIES.rotated, data })
const retired = (seq: number, { vkey }: Pair): KeyEntry => ({
  seq,
  type: KEY_ENTRIES.retired,
  data: { vkey },
})

function chainOf({ key, vkey }: Pair, ...entries: readonly KeyEntry[]): KeyChain {
  const chain = new KeyChain(key, vkey)
  for (const entry of entries) chain.add(entry)
  return chain
}
const inForce = (chain: KeyChain, size: number) => chain.inForce(size).map(formatVkey)
const forged = expect.objectContaining({ code: 'keys.forged' })

describe('the keys of a log', () => {
  const [a, b, c] = [pair(), pair(), pair()]
  const entries = [
    opened(a),
    rotated(10, rotation(a, b)),
    retired(20, a),
    rotated(30, rotation(b, c)),
    retired(30.5, b),
  ]

  it.each([
    ['first', a],
    ['second', b],
    ['last', c],
  ])('are followed from the %s one', (_name, trusted) => {
    const chain = chainOf(trusted, ...entries)
    expect(chain.keys().map(({ vkey }) => vkey)).toEqual([a.vkey, b.vkey, c.vkey])
    expect(inForce(chain, 0)).toEqual([a.vkey])
    expect(inForce(chain, 10)).toEqual([a.vkey])
    expect(inForce(chain, 11)).toEqual([a.vkey, b.vkey])
    expect(inForce(chain, 20)).toEqual([a.vkey, b.vkey])
    expect(inForce(chain, 21)).toEqual([b.vkey])
    expect(inForce(chain, 31)).toEqual([c.vkey])
  })

  it('are one where nothing was handed over', () => {
    expect(inForce(chainOf(a, opened(a)), 5)).toEqual([a.vkey])
    expect(inForce(chainOf(a), 5)).toEqual([a.vkey])
  })

  it('may start without the entry that opened the log', () => {
    expect(inForce(chainOf(b, rotated(4, rotation(a, b)), retired(5, a)), 9)).toEqual([b.vkey])
  })

  it("pass over another log's, whose entries this one took over", () => {
    const [x, y] = [pair('other.example/log'), pair('other.example/log')]
    const chain = chainOf(a, opened(a), opened(x, 1), rotated(2, rotation(x, y)), retired(3, x))
    expect(inForce(chain, 9)).toEqual([a.vkey])
  })
})

describe('a rotation that was made up', () => {
  const [a, b, c] = [pair(), pair(), pair()]
  const honest = rotation(a, b)
  const other = rotation(a, c)

  it.each([
    ['without the old signature', { signatureByOld: '' }],
    ['signed by the new key twice', { signatureByOld: honest.signatureByNew }],
    ['signed by the old key twice', { signatureByNew: honest.signatureByOld }],
    ['with the signatures of another', { signatureByOld: other.signatureByOld }],
    ['with another reason', { reason: 'compromised' as const }],
    ['with another time', { at: '2026-01-02T03:04:05.679Z' }],
    ['with a time that is a line of its own', { at: '2026-01-02T03:04:05Z\nreason x' }],
    ['to another key', { to: c.vkey }],
    ['to itself', { to: a.vkey }],
    ['to a key of another log', { to: pair('other.example/log').vkey }],
    ['to something that is no key', { to: 'nothing' }],
  ])('is refused: %s', (_name, over) => {
    expect(() => checkRotation({ ...honest, ...over })).toThrow(forged)
    expect(() => chainOf(a, opened(a), rotated(1, { ...honest, ...over }))).toThrow(forged)
  })

  it('is refused in every byte of either signature', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('signatureByOld' as const, 'signatureByNew' as const),
        fc.nat(63),
        fc.integer({ min: 1, max: 255 }),
        (which, at, mask) => {
          const bytes = Buffer.from(honest[which], 'base64')
          bytes[at] = (bytes[at] ?? 0) ^ mask
          expect(() => checkRotation({ ...honest, [which]: bytes.toString('base64') })).toThrow(forged)
        },
      ),
      { numRuns: 50 },
    )
  })

  it.each([null, 7, {}, { from: 1 }])('is refused when it is %j', (data) => {
    expect(() => chainOf(a, { seq: 1, type: KEY_ENTRIES.rotated, data })).toThrow(forged)
  })

  it('cannot fork: an old key hands over once', () => {
    expect(() => chainOf(a, opened(a), rotated(1, honest), rotated(2, other))).toThrow(forged)
  })

  it('cannot bring an older key back', () => {
    expect(() => chainOf(a, opened(a), rotated(1, honest), rotated(2, rotation(b, a)))).toThrow(forged)
  })

  it('cannot lead to a key that no entry leads to', () => {
    const chain = chainOf(c, opened(a), rotated(1, honest))
    expect(() => chain.keys()).toThrow(forged)
  })

  it('cannot retire the newest key, or one that the log never had', () => {
    expect(() => chainOf(a, opened(a), retired(1, a))).toThrow(forged)
    expect(() => chainOf(a, opened(a), rotated(1, honest), retired(2, b))).toThrow(forged)
    expect(() => chainOf(a, opened(a), rotated(1, honest), retired(2, c))).toThrow(forged)
  })

  it('is no checkpoint: no origin starts like the statement of a rotation', () => {
    const statement = rotationStatement(honest)
    expect(statement.split('\n')[0]).toBe('polity.key-rotation/v1')
    expect(statement).toContain(`origin ${parseVkey(a.vkey).name}\n`)
    expect(/^\d+$/.test(statement.split('\n')[1] ?? '')).toBe(false)
  })
})
