// Canonical JSON against RFC 8785's own examples, two independent implementations, and everything JSON cannot say.

import oracle from 'canonicalize'
import fc from 'fast-check'
import { canonicalize as secondOracle } from 'json-canonicalize'
import { describe, expect, it } from 'vitest'
import { canonicalize, isCanonical } from './canonical-json.ts'
import { codeOf } from './codes.fixture.ts'

const refusalOf = (value: unknown, maxDepth?: number) =>
  codeOf(() => canonicalize(value, maxDepth === undefined ? {} : { maxDepth }))

const anyText = fc.string({ unit: 'binary', maxLength: 20 })
const anyJson = fc.jsonValue({ stringUnit: 'binary', maxDepth: 6 }).filter((v) => !holdsUnsafeInteger(v))

function holdsUnsafeInteger(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsUnsafeInteger)
}

describe('canonicalize', () => {
  it('writes the example of RFC 8785 section 3.2.2', () => {
    const value: unknown = JSON.parse(String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`)
    // 1E30 is an integer that I-JSON readers round (RFC 7493 section 2.2), so it is refused here.
    expect(() => canonicalize(value)).toThrow(expect.objectContaining({ code: 'number' }))
    const { numbers, ...rest } = value as { numbers: number[] }
    expect(canonicalize({ ...rest, numbers: numbers.filter((n) => n !== 1e30) })).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    )
  })

  it('orders names by UTF-16 code units, as the example of RFC 8785 section 3.2.3', () => {
    const value = {
      '\u20ac': 'Euro Sign',
      '\r': 'Carriage Return',
      '\ufb33': 'Hebrew Letter Dalet With Dagesh',
      '1': 'One',
      '\ud83d\ude00': 'Emoji: Grinning Face',
      '\u0080': 'Control',
      '\u00f6': 'Latin Small Letter O With Diaeresis',
    }
    expect(Object.keys(JSON.parse(canonicalize(value)))).toHaveLength(7)
    expect([...canonicalize(value).matchAll(/:"(\w+)/g)].map((m) => m[1])).toEqual([
      'Carriage',
      'One',
      'Control',
      'Latin',
      'Euro',
      'Emoji',
      'Hebrew',
    ])
  })

  it.each([
    [0, '0'],
    [-0, '0'],
    [5e-324, '5e-324'],
    [-5e-324, '-5e-324'],
    [0.000001, '0.000001'],
    [1e-7, '1e-7'],
    [333333333.33333325, '333333333.33333325'],
    [9007199254740991, '9007199254740991'],
    [-9007199254740991, '-9007199254740991'],
    [4.35, '4.35'],
  ])('writes the number %d as %s (RFC 8785 appendix B)', (number, text) => {
    expect(canonicalize(number)).toBe(text)
  })

  it('agrees with two other implementations', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        const text = canonicalize(value)
        expect(text).toBe(oracle(value))
        expect(text).toBe(secondOracle(value))
        expect(canonicalize(JSON.parse(text))).toBe(text)
        expect(isCanonical(text)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('does not care in which order members were set', () => {
    fc.assert(
      fc.property(fc.uniqueArray(anyText, { maxLength: 60 }), (names) => {
        const pairs = names.map((name, i) => [name, i] as const)
        const forwards = canonicalize(Object.fromEntries(pairs))
        expect(canonicalize(Object.fromEntries([...pairs].reverse()))).toBe(forwards)
        expect(forwards).toBe(oracle(Object.fromEntries(pairs)))
      }),
    )
  })

  it('keeps a member named __proto__ and one of an object without prototype', () => {
    expect(canonicalize(JSON.parse('{"b":1,"__proto__":{"a":2}}'))).toBe('{"__proto__":{"a":2},"b":1}')
    expect(canonicalize(Object.assign(Object.create(null), { b: 1, a: 2 }))).toBe('{"a":2,"b":1}')
  })

  it('drops members that are undefined and nothing else', () => {
    expect(canonicalize({ c: 1, b: undefined, a: null })).toBe('{"a":null,"c":1}')
    expect(canonicalize({ a: undefined })).toBe('{}')
  })

  it.each([
    ['NaN', Number.NaN, 'number'],
    ['infinity', [Number.NEGATIVE_INFINITY], 'number'],
    ['2^53', { n: 2 ** 53 }, 'number'],
    ['-2^53', -(2 ** 53), 'number'],
    ['an integer far beyond', 1e300, 'number'],
    ['a lone surrogate', 'a\ud800b', 'unicode'],
    ['a lone surrogate at the end of a name', { 'x\udc00': 1 }, 'unicode'],
    ['surrogates in the wrong order', ['\udc00\ud800'], 'unicode'],
    ['undefined', undefined, 'type'],
    ['undefined in an array', [undefined], 'type'],
    ['a hole', new Array(1), 'type'],
    ['a function', { f: () => 1 }, 'type'],
    ['a bigint', [1n], 'type'],
    ['a symbol', Symbol('s'), 'type'],
    ['a date', new Date(0), 'type'],
    ['a map', new Map(), 'type'],
    ['bytes', new Uint8Array(2), 'type'],
    ['a boxed number', Object(1), 'type'],
    ['an object that explains itself', { toJSON: () => 'x' }, 'type'],
  ])('refuses %s', (_name, value, code) => {
    expect(refusalOf(value)).toBe(code)
  })

  it('refuses what is nested too deeply, including itself', () => {
    const nest = (depth: number): unknown => (depth === 0 ? 1 : [nest(depth - 1)])
    expect(refusalOf(nest(64))).toBe('none')
    expect(refusalOf(nest(65))).toBe('depth')
    expect(refusalOf({ a: {} }, 1)).toBe('depth')
    expect(refusalOf({ a: 1 }, 1)).toBe('none')
    const loop: Record<string, unknown> = {}
    loop.self = loop
    expect(refusalOf(loop)).toBe('depth')
  })
})

describe('isCanonical', () => {
  it.each([
    ' 1',
    '1\n',
    '1.0',
    '1e2',
    '-0',
    '{"b":1,"a":2}',
    '{"a":1,"a":1}',
    '{"a": 1}',
    '"\\u0041"',
    '"\\/"',
    '"\\u000A"',
    '9007199254740993',
    '"\\ud800"',
    'nope',
    '',
    '['.repeat(65) + ']'.repeat(65),
  ])('finds fault with %j', (text) => {
    expect(isCanonical(text)).toBe(false)
  })
})
