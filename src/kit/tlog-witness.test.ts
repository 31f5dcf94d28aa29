// The messages of the witness protocol: the examples of the specification, and every form it does not allow.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCheckpoint } from './checkpoint.ts'
import { coded } from './codes.fixture.ts'
import { cosign } from './cosignature.ts'
import {
  PUBLIC_COSIGNED,
  PUBLIC_COSIGNED_AT_SECONDS,
  PUBLIC_WITNESS_VKEYS,
} from './fixtures/cosigned-checkpoints.ts'
import { cosigner, noteSigner } from './fixtures/note-signers.ts'
import { formatNote, formatSignatureLine, noteSignature, parseNote, parseVkey } from './signed-note.ts'
import {
  formatAddCheckpoint,
  MAX_ADD_CHECKPOINT_BYTES,
  MAX_WITNESS_ANSWER_BYTES,
  originHash,
  parseAddCheckpoint,
  parseCosignatures,
  parseTreeSize,
  SIZE_MEDIA_TYPE,
  verifyCosignatures,
} from './tlog-witness.ts'

// The examples of C2SP tlog-witness.
const HASHES = [
  'PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=',
  'jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=',
  '5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=',
  '/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=',
]
const TEXT = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
const NOTE = `${TEXT}
— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
`
const REQUEST = `old 20852014\n${HASHES.join('\n')}\n\n${NOTE}`
const ANSWER = `— witness.example/w1 CMp+6LWBU0anHGH5aNDTJkH/gj79sG+T6+iP2ThYN5krrDJbR1HDnucjL39QsZTSvVjyQLrdk3DXDqI5G2HgLatVs0pWh6Up69HVOw==
— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==
— witness.example/w2 AWui8Sk55XjYLOijihBjhqEH6nS1ndDymE0a+6idX7pLcnoB+dhnz0854aLZgrrKbYKA7nC3HNJhm/kWl7oJlqU3rXXvpysAdyP3wQ==
`

const hashes = (count: number) => Array.from({ length: count }, (_, i) => new Uint8Array(32).fill(i))

describe('add-checkpoint', () => {
  it('is read and written as the specification shows', () => {
    const request = parseAddCheckpoint(REQUEST)
    expect(request).toMatchObject({ old: 20_852_014, checkpoint: NOTE, text: TEXT })
    expect(request.proof.map((hash) => Buffer.from(hash).toString('base64'))).toEqual(HASHES)
    expect(request.claimed).toMatchObject({ origin: 'example.com/behind-the-sofa', size: 20_852_163 })
    expect(formatAddCheckpoint(request)).toBe(REQUEST)
  })

  it('comes back as it was sent, for any sizes and up to 63 hashes', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })
    const sizes = fc.tuple(fc.maxSafeNat(), fc.maxSafeNat()).map((pair) => pair.toSorted((a, b) => a - b))
    fc.assert(
      fc.property(sizes, fc.array(hash, { maxLength: 63 }), hash, ([old = 0, size = 0], proof, root) => {
        const text = formatCheckpoint({ origin: 'è.example/log', size, root })
        const signature = { name: 'n', id: new Uint8Array(4), signature: new Uint8Array(64) }
        const sent = { old, proof, checkpoint: formatNote(text, [signature]) }
        expect(parseAddCheckpoint(formatAddCheckpoint(sent))).toMatchObject(sent)
      }),
      { numRuns: 50 },
    )
  })

  it('may have no proof, from nothing or from the same size', () => {
    expect(parseAddCheckpoint(`old 0\n\n${NOTE}`)).toMatchObject({ old: 0, proof: [] })
    expect(parseAddCheckpoint(`old 20852163\n\n${NOTE}`)).toMatchObject({ old: 20_852_163 })
  })

  it.each([
    ['nothing', ''],
    ['no old size', `${HASHES[0]}\n\n${NOTE}`],
    ['an old size with leading zeroes', REQUEST.replace('old 2', 'old 02')],
    ['two zeroes', `old 00\n\n${NOTE}`],
    ['a sign', `old +5\n\n${NOTE}`],
    ['an old size below zero', `old -5\n\n${NOTE}`],
    ['an exponent', `old 1e3\n\n${NOTE}`],
    ['a hexadecimal size', `old 0x10\n\n${NOTE}`],
    ['two spaces', REQUEST.replace('old ', 'old  ')],
    ['a tab', REQUEST.replace('old ', 'old\t')],
    ['a space behind the size', `old 5 \n\n${NOTE}`],
    ['digits of another script', `old \u0665\n\n${NOTE}`],
    ['an old size that is no number', `old \n\n${NOTE}`],
    ['an old size that no checkpoint has', `old ${2 ** 53}\n\n${NOTE}`],
    ['an old size above the checkpoint', `old 20852164\n\n${NOTE}`],
    ['capitals', REQUEST.replace('old', 'Old')],
    ['an empty line before', `\n${REQUEST}`],
    ['lines that end in CR LF', REQUEST.replaceAll('\n', '\r\n')],
    ['a hash without padding', REQUEST.replace('kaw=', 'kaw')],
    ['a hash with unused bits', REQUEST.replace('kaw=', 'kax=')],
    ['a hash of 31 bytes', `old 1\n${Buffer.alloc(31).toString('base64')}\n\n${NOTE}`],
    ['a hash of 33 bytes', `old 1\n${Buffer.alloc(33).toString('base64')}\n\n${NOTE}`],
    ['a hash in URL base64', REQUEST.replace('5+pKlU', '5-pKlU')],
    ['64 hashes', `old 1\n${`${HASHES[0]}\n`.repeat(64)}\n${NOTE}`],
    ['no empty line before the checkpoint', REQUEST.replace('\n\n', '\n')],
    ['two empty lines before the checkpoint', REQUEST.replace('\n\n', '\n\n\n')],
    ['no checkpoint', `old 0\n\n`],
    ['a checkpoint without signatures', `old 0\n\n${TEXT}`],
    ['a checkpoint without a newline', REQUEST.slice(0, -1)],
    ['a note that is no checkpoint', `old 0\n\n${NOTE.replace('20852163', 'many')}`],
    ['a key name with a plus', `old 0\n\n${NOTE.replace('— example', '— ex+ample')}`],
    ['a lone surrogate', `old 0\n\n${NOTE.replace('sofa', 's\ud800fa')}`],
  ])('is refused with %s', (_name, body) => {
    expect(() => parseAddCheckpoint(body)).toThrow(coded('request'))
  })

  it('is bounded in bytes, not in characters', () => {
    const note = (extra: string) => `${TEXT}${extra}\n\n${NOTE.slice(TEXT.length + 1)}`
    const room = MAX_ADD_CHECKPOINT_BYTES - Buffer.byteLength(`old 0\n\n${note('')}`)
    expect(parseAddCheckpoint(`old 0\n\n${note('x'.repeat(room))}`).old).toBe(0)
    expect(() => parseAddCheckpoint(`old 0\n\n${note('x'.repeat(room + 1))}`)).toThrow(coded('request'))
    expect(() => parseAddCheckpoint(`old 0\n\n${note('è'.repeat(room - 1))}`)).toThrow(coded('request'))
  })

  it('is not written in a form that would be refused', () => {
    const good = { old: 1, proof: hashes(63), checkpoint: NOTE }
    expect(parseAddCheckpoint(formatAddCheckpoint(good)).proof).toHaveLength(63)
    for (const wrong of [
      { ...good, old: -1 },
      { ...good, old: 0.5 },
      { ...good, old: 20_852_164 },
      { ...good, proof: hashes(64) },
      { ...good, proof: [new Uint8Array(31)] },
      { ...good, proof: [new Uint8Array(0)] },
      { ...good, checkpoint: TEXT },
      { ...good, checkpoint: `\n${NOTE}` },
    ]) {
      expect(() => formatAddCheckpoint(wrong)).toThrow(coded('request'))
    }
  })
})

describe('the answer of a witness', () => {
  it('is read as the specification shows', () => {
    const signatures = parseCosignatures(ANSWER)
    expect(signatures.map(({ name }) => name)).toEqual([
      'witness.example/w1',
      'witness.example/w1',
      'witness.example/w2',
    ])
    expect(signatures.map(formatSignatureLine).join('')).toBe(ANSWER)
  })

  it.each([
    ['nothing', ''],
    ['an empty line', '\n'],
    ['no newline at the end', ANSWER.slice(0, -1)],
    ['an empty line behind', `${ANSWER}\n`],
    ['an empty line before', `\n${ANSWER}`],
    ['a hyphen', ANSWER.replace('—', '-')],
    ['lines that end in CR LF', ANSWER.replaceAll('\n', '\r\n')],
    ['a page of HTML', '<html>\n'],
    ['a whole note', NOTE],
    ['more lines than a note may have', ANSWER.repeat(34)],
    ['a name that no key has', ANSWER.replace('witness.example/w1', 'a+b')],
    ['too many bytes', `— w ${Buffer.alloc((MAX_WITNESS_ANSWER_BYTES * 3) / 4).toString('base64')}\n`],
  ])('is refused with %s', (_name, body) => {
    expect(() => parseCosignatures(body)).toThrow(coded('answer'))
  })

  it('tells the size that it cosigned last', () => {
    expect(SIZE_MEDIA_TYPE).toBe('text/x.tlog.size')
    expect(parseTreeSize('20852163\n')).toBe(20_852_163)
    expect(parseTreeSize('0\n')).toBe(0)
    expect(parseTreeSize(`${Number.MAX_SAFE_INTEGER}\n`)).toBe(Number.MAX_SAFE_INTEGER)
  })

  it.each([
    '',
    '\n',
    '5',
    '5\r\n',
    ' 5\n',
    '5 \n',
    '05\n',
    '00\n',
    '-1\n',
    '1e3\n',
    '5\n\n',
    `${2 ** 53}\n`,
    'x\n',
  ])('is no size: %j', (body) => {
    expect(() => parseTreeSize(body)).toThrow(coded('answer'))
  })
})

describe('verifyCosignatures', () => {
  const cosigners = [cosigner('ed25519', 'w'), cosigner('ml-dsa-44', 'w')]
  const keys = cosigners.map(({ key }) => key)
  const answer = async (timestampSeconds: number) => {
    const signatures = await Promise.all(cosigners.map((each) => cosign(TEXT, each, timestampSeconds)))
    return parseCosignatures(signatures.map(formatSignatureLine).join(''))
  }

  it('keeps those of known keys, with their times, and leaves the others out', async () => {
    const signatures = [...(await answer(9)), ...parseCosignatures(ANSWER)]
    const verified = verifyCosignatures(TEXT, keys, signatures)
    expect(verified.map(({ key, timestampSeconds }) => [key.algorithm, timestampSeconds])).toEqual([
      [4, 9],
      [6, 9],
    ])
    expect(verifyCosignatures(TEXT, keys.slice(1), signatures)).toHaveLength(1)
  })

  it('accepts what public witnesses answered', () => {
    const { text, signatures } = parseNote(PUBLIC_COSIGNED)
    const verified = verifyCosignatures(text, PUBLIC_WITNESS_VKEYS.map(parseVkey), signatures)
    expect(verified.map(({ timestampSeconds }) => timestampSeconds)).toEqual(
      PUBLIC_WITNESS_VKEYS.map(() => PUBLIC_COSIGNED_AT_SECONDS),
    )
  })

  it('refuses an answer without a time, about another checkpoint, or by nobody', async () => {
    const timeless = await answer(0)
    for (const key of keys) {
      expect(() => verifyCosignatures(TEXT, [key], timeless)).toThrow(coded('signature'))
    }
    const other = TEXT.replace('20852163', '20852164')
    const signatures = await answer(9)
    expect(() => verifyCosignatures(other, keys, signatures)).toThrow(coded('signature'))
    expect(() => verifyCosignatures(TEXT, keys, parseCosignatures(ANSWER))).toThrow(coded('unsigned'))
    expect(() => verifyCosignatures(TEXT, [], signatures)).toThrow(coded('unsigned'))
    expect(() => verifyCosignatures('hello\n', keys, signatures)).toThrow(coded('checkpoint'))
  })

  it('takes no plain note key for a witness', () => {
    const { key, sign } = noteSigner('w')
    const signature = noteSignature(TEXT, key, sign)
    expect(() => verifyCosignatures(TEXT, [key], [signature])).toThrow(coded('algorithm'))
  })
})

describe('originHash', () => {
  it('is the SHA-256 of the origin in lowercase hex', () => {
    expect(originHash('')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(originHash('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })
})
