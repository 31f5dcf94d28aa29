// Private fields: what outsiders see of them, and who can open them.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../kit/canonical-json.ts'
import { coded } from '../coded.fixture.ts'
import {
  checkLabels,
  commitmentOf,
  commitmentsIn,
  commitPrivate,
  KnownOpenings,
  PRIVATE_SIZE_MAX_BYTES,
  reveal,
  SALT_SIZE_BYTES,
} from './privacy.ts'
import { Closed, Committed, Json, Name, Private, Secret, type TSchema, Type } from './schema.ts'

/** Salts that are told apart, and reproducible. */
function salts(): (sizeBytes: number) => Uint8Array {
  let next = 0
  return (sizeBytes) => new Uint8Array(sizeBytes).fill(next++)
}
const commit = (schema: TSchema, value: unknown) => commitPrivate(schema, value, salts())

const Person = Closed({
  name: Name,
  birth: Private(Type.String()),
  address: Type.Optional(Closed({ city: Type.String(), street: Private(Type.String()) })),
  visits: Type.Optional(Type.Array(Closed({ day: Type.String(), note: Type.Optional(Private(Json)) }))),
})

describe('the public form', () => {
  it('holds commitments where private values were, wherever they were', () => {
    const ada = {
      name: 'ada',
      birth: '1815-12-10',
      address: { city: 'London', street: 'St James’s Square' },
      visits: [{ day: 'monday', note: { tea: true } }, { day: 'tuesday' }],
    }
    const { public: shown, openings } = commit(Person, ada)
    const [birth, street, note] = openings.map(({ commitment }) => commitment)
    expect(shown).toEqual({
      name: 'ada',
      birth: { $private: birth },
      address: { city: 'London', street: { $private: street } },
      visits: [{ day: 'monday', note: { $private: note } }, { day: 'tuesday' }],
    })
    expect(openings.map(({ canonical }) => canonical)).toEqual([
      '"1815-12-10"',
      '"St James’s Square"',
      '{"tea":true}',
    ])
    for (const { commitment, salt, canonical } of openings) {
      expect(salt.length).toBe(SALT_SIZE_BYTES)
      expect(commitmentOf(salt, canonical)).toBe(commitment)
    }
    expect(ada.birth).toBe('1815-12-10')
  })

  it('tells two equal values of two inputs apart by nothing but their salt', () => {
    const [first, second] = [
      commit(Person, { name: 'a', birth: 'x' }),
      commitPrivate(Person, { name: 'a', birth: 'x' }, (n) => new Uint8Array(n).fill(9)),
    ]
    expect(first.public).not.toEqual(second.public)
  })

  it('holds one commitment for one value of one invocation, so that both are erased together', () => {
    const known = new KnownOpenings()
    const [first, second] = [1, 2].map(() => commitPrivate(Person, { name: 'a', birth: 'x' }, salts(), known))
    expect(second).toEqual(first)
  })

  it('holds a commitment of its own for each subject; the first takes over that of the input', () => {
    const known = new KnownOpenings()
    const random = salts()
    const commitAs = (subject?: string) =>
      commitPrivate(Person, { name: 'a', birth: 'x' }, random, known, subject).openings[0]?.commitment
    const input = commitAs()
    expect(commitAs()).toBe(input)
    const attempt = known.copy()
    expect(commitAs('b')).toBe(input)
    const other = commitAs('c')
    expect(other).not.toBe(input)
    // A subject's equal values are one.
    expect([commitAs('b'), commitAs('c')]).toEqual([input, other])
    expect(known.claimRest('d')).toEqual([])
    // What was given away in one attempt is still there for the next.
    expect(
      commitPrivate(Person, { name: 'a', birth: 'x' }, random, attempt, 'c').openings[0]?.commitment,
    ).toBe(input)
  })

  it('that no entry took over can be given to one subject as a whole', () => {
    const known = new KnownOpenings()
    const random = salts()
    const { openings } = commitPrivate(Person, { name: 'a', birth: 'x' }, random, known)
    expect(known.claimRest('run/1')).toEqual(openings)
    expect(known.claimRest('run/2')).toEqual([])
    expect(commitPrivate(Person, { name: 'a', birth: 'x' }, random, known, 'run/1').openings).toEqual(
      openings,
    )
    expect(commitPrivate(Person, { name: 'a', birth: 'x' }, random, known, 'run/2').openings).not.toEqual(
      openings,
    )
  })

  it('leaves alone what is committed already', () => {
    const form = { input: { $private: 'a'.repeat(64) } }
    expect(commit(Closed({ record: Committed(Json) }), { record: form })).toEqual({
      public: { record: form },
      openings: [],
    })
  })

  it('opens again to the value it came from, and to tombstones without the openings', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (note, other) => {
        fc.pre([note, other].every(isPlain))
        const value = {
          name: 'a',
          birth: 'b',
          visits: [
            { day: 'd', note },
            { day: 'e', note: other },
          ],
        }
        const { public: shown, openings } = commit(Person, value)
        expect(commitmentsIn(shown)).toEqual(openings.map(({ commitment }) => commitment))
        const opened = new Map(
          openings.map(({ commitment, canonical }) => [commitment, JSON.parse(canonical) as unknown]),
        )
        expect(canonicalize(reveal(shown, opened))).toBe(canonicalize(value))
        const erased = JSON.stringify(reveal(shown, new Map()))
        expect(erased.match(/"\$erased"/g)?.length).toBe(openings.length)
        expect(erased).not.toContain('$private')
      }),
    )
  })

  it('does not open what a private value itself claims to refer to', () => {
    const note = { $private: 'b'.repeat(64) }
    const { public: shown, openings } = commit(Person, {
      name: 'a',
      birth: 'b',
      visits: [{ day: 'd', note }],
    })
    const opened = new Map<string, unknown>(
      openings.map(({ commitment, canonical }) => [commitment, JSON.parse(canonical)]),
    )
    opened.set('b'.repeat(64), 'somebody else’s')
    expect(JSON.stringify(reveal(shown, opened))).not.toContain('somebody')
  })

  it.each([
    ['a reference', { $private: 'a'.repeat(64) }],
    ['something like a reference', { $private: null }],
    ['a tombstone', { $erased: 'x' }],
    ['a reference deep inside', { a: [[{ b: { $private: 'a'.repeat(64) } }]] }],
  ])('refuses %s from a caller', (_what, value) => {
    expect(() => commit(Closed({ value: Json }), { value })).toThrow(coded('entry.invalid'))
    expect(() => commit(Json, value)).toThrow(coded('entry.invalid'))
  })

  it.each([
    ['too large', 'x'.repeat(PRIVATE_SIZE_MAX_BYTES), 'payload.too-large'],
    ['NaN', Number.NaN, 'entry.number'],
    ['a lone surrogate', '\ud800', 'entry.unicode'],
    ['a function', () => 1, 'entry.invalid'],
  ])('refuses a private value that is %s', (_what, value, code) => {
    expect(() => commit(Closed({ value: Private(Json) }), { value })).toThrow(coded(code))
  })

  it('takes a private value of just the largest size', () => {
    const value = 'x'.repeat(PRIVATE_SIZE_MAX_BYTES - 2)
    expect(commit(Closed({ value: Private(Json) }), { value }).openings.length).toBe(1)
  })

  it('does not mistake inherited names for fields', () => {
    const value = JSON.parse('{"constructor":{"$private":"x"},"toString":1}') as unknown
    expect(() => commit(Type.Object({}), value)).toThrow(coded('entry.invalid'))
  })
})

describe('labels', () => {
  it.each([
    ['a union', Type.Union([Closed({ a: Private(Json) }), Type.Null()])],
    ['an intersection', Type.Intersect([Type.Object({ a: Private(Json) }), Type.Object({ b: Json })])],
    ['a record', Type.Record(Type.String(), Private(Json))],
    ['a tuple', Type.Tuple([Private(Json)])],
    ['a union inside a field', Closed({ x: Type.Array(Type.Union([Private(Json), Type.Null()])) })],
  ])('cannot stand in %s, where they would be overlooked', (_what, schema) => {
    expect(() => checkLabels(schema)).toThrow(TypeError)
    expect(() => commit(schema, {})).toThrow(TypeError)
  })

  it('can stand on fields, on items, on optional ones and around anything', () => {
    const schema = Closed({
      a: Type.Optional(Private(Json)),
      b: Private(Type.Optional(Json)),
      c: Type.Array(Private(Type.Union([Type.String(), Type.Null()]))),
      d: Private(Closed({ token: Secret() })),
    })
    expect(() => checkLabels(schema)).not.toThrow()
    const { openings } = commit(schema, { a: 1, b: 2, c: ['x', null], d: { token: 'env:TOKEN' } })
    expect(openings.length).toBe(5)
  })
})

/** Whether canonical JSON can hold it and nothing in it looks like a reference. */
function isPlain(value: unknown): boolean {
  try {
    return !canonicalize(value).includes('$')
  } catch {
    return false
  }
}
