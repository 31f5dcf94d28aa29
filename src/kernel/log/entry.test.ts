// Entries: the one form a fact can have, and everything that is refused.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../kit/canonical-json.ts'
import { coded } from '../coded.fixture.ts'
import { systemEnv } from '../env.ts'
import { Closed, Integer, Json, Name, Private, Type } from '../schema/schema.ts'
import { type Draft, ENTRY_SIZE_MAX_BYTES, entryType, parseEntry, sealEntry } from './entry.ts'

const Stored = entryType('shelf.stored@1', { name: Name, value: Json, note: Type.Optional(Private(Json)) })
const SOURCE = { source: 'polity://shelf' }
const env = systemEnv()

const seal = (draft: Draft) => sealEntry(draft, SOURCE, env)

describe('an entry', () => {
  it('is a canonical CloudEvents 1.0 object', () => {
    const { text } = seal(
      Stored({ name: 'a', value: { b: 1, a: [null] } }, { subject: 's', actor: 'user:ada' }),
    )
    expect(text).toBe(canonicalize(JSON.parse(text)))
    const event = JSON.parse(text)
    expect(event).toEqual({
      actor: 'user:ada',
      data: { name: 'a', value: { a: [null], b: 1 } },
      datacontenttype: 'application/json',
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      source: 'polity://shelf',
      specversion: '1.0',
      subject: 's',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      type: 'shelf.stored@1',
    })
  })

  it('takes id, source and time from its draft where they are given', () => {
    const given = { id: 'mine', source: 'https://elsewhere.example/', time: '2026-01-01T00:00:00Z' }
    expect(JSON.parse(seal(Stored({ name: 'a', value: 1 }, given)).text)).toMatchObject(given)
  })

  it('comes back as it went in', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        fc.pre(isPlain(value))
        const entry = parseEntry(7, Buffer.from(seal(Stored({ name: 'a', value })).text))
        expect(entry.seq).toBe(7)
        expect(canonicalize(entry.data)).toBe(canonicalize({ name: 'a', value }))
      }),
    )
  })

  it('shows no private value, only its salted commitment, and keeps the opening apart', () => {
    const { text, openings, vaultSubject } = seal(
      Stored({ name: 'a', value: 1, note: 'hidden' }, { subject: 'ada' }),
    )
    expect(text).not.toContain('hidden')
    const [opening] = openings
    expect(openings.length).toBe(1)
    expect(opening?.salt.length).toBe(32)
    expect(opening?.canonical).toBe('"hidden"')
    const commitment = hash(
      'sha256',
      Buffer.concat([opening?.salt ?? new Uint8Array(), Buffer.from('"hidden"')]),
      'hex',
    )
    expect(JSON.parse(text).data.note).toEqual({ $private: commitment })
    expect(vaultSubject).toBe('ada')
    expect(seal(Stored({ name: 'a', value: 1 })).vaultSubject).toBe('polity://shelf')
  })

  it('is refused when it is too large, and taken when it just fits', () => {
    const fill = (sizeBytes: number) =>
      Stored({ name: 'a', value: 'x'.repeat(sizeBytes) }, { id: 'i', time: '2026-01-01T00:00:00Z' })
    const rest = Buffer.byteLength(seal(fill(0)).text)
    expect(Buffer.byteLength(seal(fill(ENTRY_SIZE_MAX_BYTES - rest)).text)).toBe(ENTRY_SIZE_MAX_BYTES)
    expect(() => seal(fill(ENTRY_SIZE_MAX_BYTES - rest + 1))).toThrow(coded('entry.too-large'))
    // The bound is in bytes of UTF-8, not in characters.
    expect(() => seal(Stored({ name: 'a', value: 'é'.repeat(40_000) }))).toThrow(coded('entry.too-large'))
  })

  it.each([
    ['NaN', Number.NaN, 'entry.number'],
    ['infinity', Number.POSITIVE_INFINITY, 'entry.number'],
    ['2^53', 2 ** 53, 'entry.number'],
    ['1e300', 1e300, 'entry.number'],
    ['a lone surrogate', 'a\ud800b', 'entry.unicode'],
    ['a lone surrogate in a name', { 'a\udc00': 1 }, 'entry.unicode'],
    ['undefined in a list', [undefined], 'entry.invalid'],
    ['a bigint', 1n, 'entry.invalid'],
    ['a date', new Date(0), 'entry.invalid'],
    ['deep nesting', nested(70), 'input.too-deep'],
    ['bottomless nesting', nested(100_000), 'input.too-deep'],
  ])('is refused when it holds %s, publicly or privately', (_what, value, code) => {
    expect(() => seal(Stored({ name: 'a', value }))).toThrow(coded(code))
    expect(() => seal(Stored({ name: 'a', value: 1, note: value }))).toThrow(coded(code))
  })

  it('takes numbers that every reader reads alike', () => {
    for (const value of [2 ** 53 - 1, -(2 ** 53 - 1), 0.1, -0, 1e-7, 5e-324])
      expect(() => seal(Stored({ name: 'a', value }))).not.toThrow()
  })

  it.each([
    ['an unknown field', { name: 'a', value: 1, extra: 1 }],
    ['a wrong type', { name: 1, value: 1 }],
    ['a missing field', { value: 1 }],
    ['a name with a slash', { name: 'a/b', value: 1 }],
    ['no object', null],
    ['__proto__', JSON.parse('{"name":"a","value":1,"__proto__":{"x":1}}')],
    ['constructor', JSON.parse('{"name":"a","value":1,"constructor":1}')],
  ])('is refused with %s', (_what, data) => {
    expect(() => seal({ type: Stored, data: data as Record<string, unknown> })).toThrow(
      coded('input.invalid'),
    )
  })

  it.each([
    ['at the top', { $private: 'a'.repeat(64) }],
    ['deep inside', [{ x: { $private: 'a'.repeat(64) } }]],
    ['as a tombstone', { $erased: 'a'.repeat(64) }],
    ['with a value that is no commitment', { $private: 1 }],
  ])('is refused when a caller writes a reference to somebody else’s payload %s', (_what, value) => {
    expect(() => seal(Stored({ name: 'a', value }))).toThrow(coded('entry.invalid'))
  })

  it.each([
    ['an empty actor', { actor: '' }],
    ['a subject too long', { subject: 'x'.repeat(513) }],
    ['a line break in the source', { source: 'a\nb' }],
    ['U+0000 in the id', { id: 'a\0' }],
    ['U+0001 in the subject', { subject: 'a\u0001b' }],
    ['a number for an id', { id: 7 as unknown as string }],
  ])('is refused with %s', (_what, attributes) => {
    expect(() => seal(Stored({ name: 'a', value: 1 }, attributes))).toThrow(coded('entry.invalid'))
  })

  it('cannot be given another shape through its attributes', () => {
    const hostile = {
      specversion: '9',
      type: 'other@1',
      data: { x: 1 },
      datacontenttype: 'text/html',
      id: undefined,
    }
    const { text } = seal({ ...hostile, type: Stored, data: { name: 'a', value: 1 } } as unknown as Draft)
    expect(JSON.parse(text)).toMatchObject({
      specversion: '1.0',
      type: 'shelf.stored@1',
      data: { name: 'a', value: 1 },
    })
    expect(JSON.parse(text).datacontenttype).toBe('application/json')
    expect(JSON.parse(text).id).toMatch(/^[0-9a-f-]{36}$/)
  })
})

describe('an entry type', () => {
  it.each([
    'stored@1',
    'Shelf.stored@1',
    'shelf.stored',
    'shelf.stored@0',
    'shelf.stored@1x',
    'shelf..stored@1',
  ])('is not named %s', (name) => {
    expect(() => entryType(name, {})).toThrow(TypeError)
  })

  it('cannot hide a private field where it would be written in the clear', () => {
    const secret = Closed({ kind: Type.Literal('a'), pin: Private(Type.String()) })
    expect(() =>
      entryType('shelf.odd@1', { x: Type.Union([secret, Closed({ kind: Type.Literal('b') })]) }),
    ).toThrow(TypeError)
    expect(() => entryType('shelf.odd@1', { x: Type.Record(Type.String(), Private(Type.String())) })).toThrow(
      TypeError,
    )
    expect(() => entryType('shelf.odd@1', { x: Type.Tuple([Private(Type.String())]) })).toThrow(TypeError)
    expect(() =>
      entryType('shelf.fine@1', { x: Private(Type.Union([Closed({}), Type.String()])) }),
    ).not.toThrow()
    expect(() =>
      entryType('shelf.fine@1', { x: Type.Array(Closed({ y: Type.Optional(Private(Integer)) })) }),
    ).not.toThrow()
  })
})

describe('stored bytes', () => {
  it.each([
    ['no JSON', '{'],
    ['no object', 'null'],
    ['no CloudEvent', '{"id":"a"}'],
    ['another version', '{"specversion":"0.3","datacontenttype":"application/json"}'],
  ])('that are %s are damage', (_what, bytes) => {
    expect(() => parseEntry(3, bytes)).toThrow(coded('log.corrupt'))
  })

  it('cannot lie about their place', () => {
    const bytes = '{"specversion":"1.0","datacontenttype":"application/json","seq":99}'
    expect(parseEntry(3, bytes).seq).toBe(3)
  })
})

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

/** Whether canonical JSON can hold it: fast-check also makes numbers and names that it refuses. */
function isPlain(value: unknown): boolean {
  const text = JSON.stringify(value)
  try {
    canonicalize(JSON.parse(text))
    return !text.includes('$private') && !text.includes('$erased')
  } catch {
    return false
  }
}
