// Schemas: every violation named with its place, no value repeated.

import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import {
  Closed,
  Described,
  Integer,
  Key,
  Name,
  Private,
  privacyOf,
  Secret,
  Sha256,
  Timestamp,
  type TSchema,
  Type,
  type Violation,
  validate,
} from './schema.ts'

const Server = Closed({
  name: Name,
  port: Integer,
  tags: Type.Optional(Type.Array(Name)),
  login: Type.Optional(Closed({ user: Type.String(), password: Secret() })),
})

function refusal(schema: TSchema, value: unknown): PolityError {
  try {
    validate(schema, value, 'thing')
  } catch (error) {
    if (error instanceof PolityError) return error
    throw error
  }
  throw new Error('it was accepted')
}
const pointersOf = (schema: TSchema, value: unknown): string[] =>
  (refusal(schema, value).facts.violations as Violation[]).map(({ pointer }) => pointer)
const accepts = (schema: TSchema, value: unknown): boolean => {
  try {
    validate(schema, value, 'thing')
    return true
  } catch {
    return false
  }
}

describe('validate', () => {
  it('answers the value itself', () => {
    const value = { name: 'a', port: 1 }
    expect(validate(Server, value, 'server')).toBe(value)
  })

  it('names unknown members, however many there are', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k/${index}`, 1]))
    const { message } = refusal(Server, { name: 'a', port: 1, ...many })
    expect(message).toBe('thing is not valid: /k~10 is not a known field')
    expect(
      pointersOf(Server, { name: 'a', port: 1, ['x'.repeat(9999)]: 1, ...many })[0]?.length,
    ).toBeLessThan(200)
  })

  it('names every violation and where it is', () => {
    const value = {
      name: 'a/b',
      port: -1,
      tags: ['ok', ''],
      extra: true,
      login: { user: 1, password: 'env:P', 'o~/': 1 },
    }
    expect(pointersOf(Server, value).sort()).toEqual(
      ['/extra', '/login/o~0~1', '/login/user', '/name', '/port', '/tags/1', '/tags/1'].sort().filter(unique),
    )
  })

  it('says in words what a pattern wants, where the schema does', () => {
    const Flight = Closed({
      code: Described(Private(Name), 'a flight such as LH-400'),
      stops: Type.Optional(Type.Array(Name)),
      gate: Type.Optional(Type.String({ pattern: '^[A-Z]$' })),
    })
    const messageOf = (value: unknown) => (refusal(Flight, value).facts.violations as Violation[])[0]?.message
    expect(messageOf({ code: 'LH/400' })).toBe('must be a flight such as LH-400')
    expect(messageOf({ code: 'x', stops: ['a b'] })).toMatch(/^must be letters, digits/)
    expect(messageOf({ code: 'x', gate: 'AA' })).toContain('^[A-Z]$')
    expect(privacyOf(Flight.properties.code)).toBe('private')
  })

  it.each([
    ['a missing field', { name: 'a' }],
    ['no object', []],
    ['null', null],
    ['nothing', undefined],
    ['text', '{"name":"a","port":1}'],
    ['a float', { name: 'a', port: 1.5 }],
    ['a number beyond 2^53 - 1', { name: 'a', port: 2 ** 53 }],
    ['a number in quotes', { name: 'a', port: '1' }],
    ['NaN', { name: 'a', port: Number.NaN }],
    ['an own __proto__', JSON.parse('{"name":"a","port":1,"__proto__":{}}')],
  ])('refuses %s', (_what, value) => {
    const error = refusal(Server, value)
    expect(error.code).toBe('input.invalid')
    expect(error.message).toContain('thing is not valid')
    expect((error.facts.violations as Violation[]).length).toBeGreaterThan(0)
  })

  it('stops counting after a while, and cuts hostile names', () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`${n}${'x'.repeat(1000)}`, 1]))
    const pointers = pointersOf(Server, { name: 'a', port: 1, ...many })
    expect(pointers.length).toBeLessThanOrEqual(20)
    expect(Math.max(...pointers.map((pointer) => pointer.length))).toBeLessThanOrEqual(130)
  })

  it('never repeats the value it refuses', () => {
    const error = refusal(Server, { name: 'hunter2/secret', port: 'hunter2' })
    expect(JSON.stringify([error.message, error.facts])).not.toContain('hunter2')
  })
})

describe('a secret', () => {
  it.each(['env:TOKEN', 'env:_x1', 'file:/run/secrets/token', 'vault:mail/smtp'])(
    'is the reference %s',
    (password) => {
      expect(accepts(Server, { name: 'a', port: 1, login: { user: 'u', password } })).toBe(true)
    },
  )

  it.each([
    'hunter2',
    '',
    'env:',
    'env:1x',
    'env:A B',
    'file:relative',
    'vault:',
    'vault:../x\n',
    'https://x',
    'ENV:TOKEN',
    ' env:TOKEN',
  ])('is not the plaintext "%s", which is refused by its own code and not repeated', (password) => {
    const error = refusal(Server, { name: 'a', port: 1, login: { user: 'u', password } })
    expect(error.code).toBe('secret.plaintext')
    expect(error.facts).toEqual({ pointer: '/login/password' })
    if (password.length > 5) expect(error.message).not.toContain(password)
  })

  it('is found in lists too', () => {
    const error = refusal(Closed({ all: Type.Array(Closed({ key: Secret() })) }), {
      all: [{ key: 'env:A' }, { key: 'plain' }],
    })
    expect(error).toMatchObject({ code: 'secret.plaintext', facts: { pointer: '/all/1/key' } })
  })
})

describe('labels', () => {
  it('stay with the schema they were put on, and change nothing else', () => {
    const text = Type.String({ maxLength: 3 })
    expect(
      [text, Private(text), Secret(), Type.Optional(Private(text)), Private(Type.Optional(text))].map(
        privacyOf,
      ),
    ).toEqual(['public', 'private', 'secret', 'private', 'private'])
    expect(accepts(Private(text), 'abc')).toBe(true)
    expect(accepts(Private(text), 'abcd')).toBe(false)
    expect(accepts(Closed({ a: Private(Type.Optional(text)) }), {})).toBe(true)
    expect(accepts(Closed({ a: Type.Optional(Private(text)) }), {})).toBe(true)
  })
})

describe('the shared forms', () => {
  it.each([
    [
      'Name',
      Name,
      ['a', 'A-1.b_c', 'x'.repeat(128)],
      ['', '-a', '.a', 'a b', 'a/b', 'é', 'a\n', 'x'.repeat(129)],
    ],
    ['Key', Key, ['a b/c', 'é', '../x', '😀'], ['', 'a\0', 'a\n', '\u007f', 'x'.repeat(257)]],
    ['Integer', Integer, [0, 2 ** 53 - 1], [-1, 0.5, 2 ** 53, '1', null]],
    [
      'Timestamp',
      Timestamp,
      ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.123Z', '0000-12-31T23:59:59Z'],
      [
        ...['2026-01-01', '2026-01-01T00:00:00+01:00', '2026-01-01T00:00:00Z\n'],
        // Of these Date.parse makes NaN, and BigInt of that throws.
        ...['2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2026-01-32T00:00:00Z', '2026-01-00T00:00:00Z'],
        ...['2026-01-01T25:00:00Z', '2026-01-01T00:60:00Z', '2026-01-01T23:59:60Z'],
      ],
    ],
    [
      'Sha256',
      Sha256,
      [`sha256:${'a'.repeat(64)}`],
      ['a'.repeat(64), `sha256:${'A'.repeat(64)}`, `sha256:${'a'.repeat(63)}`],
    ],
  ])('%s', (_name, schema, good, bad) => {
    for (const value of good) expect(accepts(schema, value), JSON.stringify(value)).toBe(true)
    for (const value of bad) expect(accepts(schema, value), JSON.stringify(value)).toBe(false)
  })
})

function unique<T>(value: T, place: number, all: readonly T[]): boolean {
  return all.indexOf(value) === place
}
