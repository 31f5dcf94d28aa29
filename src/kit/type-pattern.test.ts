// Type patterns: what they mean, one by one and all at once.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KitError } from './error.ts'
import { matchesType, PATTERNS_MAX, PatternIndex, parsePattern } from './type-pattern.ts'

const matches = (pattern: string, type: string) => matchesType(parsePattern(pattern), type)

describe('a pattern', () => {
  it.each([
    ['state.document-written', 'state.document-written@1', true],
    ['state.document-written', 'state.document-written@12', true],
    ['state.document-written@1', 'state.document-written@1', true],
    ['state.document-written@1', 'state.document-written@11', false],
    ['state.document-written@1', 'state.document-written', false],
    ['state.document-written', 'state.document-written-again@1', false],
    ['health.*', 'health.failed@1', true],
    ['health.*', 'healthy.failed@1', false],
    ['health.*', 'health@1', false],
    ['health.*', 'health.check.failed@1', false],
    ['health.*@2', 'health.failed@2', true],
    ['health.*@2', 'health.failed@1', false],
    ['health.**', 'health@1', true],
    ['health.**', 'health.check.failed@1', true],
    ['health.**', 'healthy@1', false],
    ['**', 'anything', true],
    ['**', '', true],
    ['**.failed', 'failed@3', true],
    ['**.failed', 'a.b.failed@3', true],
    ['**.failed', 'a.b.failed.c@3', false],
    ['a.**.z', 'a.z@1', true],
    ['a.**.z', 'a.b.z.c.z@1', true],
    ['a.**.b.*', 'a.b.b@1', true],
    ['a.**.b.*', 'a.b@1', false],
    ['*.*', 'a.b@1', true],
    ['*', 'a.b@1', false],
    ['com.GitHub.push', 'com.GitHub.push', true],
    ['com.github.push', 'com.GitHub.push', false],
    ['a', 'a@01', false],
    ['a', 'a@1@2', false],
    ['constructor', '__proto__', false],
  ])('%s and %s: %s', (pattern, type, expected) => {
    expect(matches(pattern, type)).toBe(expected)
  })

  it.each([
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a*',
    '*a',
    '***',
    'a b',
    'a\n',
    'a.\u0000',
    'x'.repeat(257),
    `${'a.'.repeat(40)}a`,
    '@1',
  ])('%j is refused', (text) => {
    expect(() => parsePattern(text)).toThrow(expect.objectContaining({ code: 'pattern' }))
  })
})

describe('an index', () => {
  const token = fc.constantFrom('a', 'b', 'c')
  const wild = fc.oneof({ weight: 3, arbitrary: token }, fc.constantFrom('*', '**'))
  const major = fc.constantFrom('', '@1', '@2')
  const pattern = fc
    .tuple(fc.array(wild, { minLength: 1, maxLength: 6 }), major)
    .map(([t, m]) => t.join('.') + m)
  const type = fc
    .tuple(fc.array(token, { minLength: 1, maxLength: 7 }), major)
    .map(([t, m]) => t.join('.') + m)

  it('agrees with matching one by one, and each with a regular expression', () => {
    fc.assert(
      fc.property(
        fc.array(pattern, { maxLength: 12 }),
        fc.array(type, { minLength: 1, maxLength: 6 }),
        (patterns, types) => {
          const index = new PatternIndex<number>()
          patterns.forEach((each, i) => {
            index.add(parsePattern(each), i)
          })
          for (const each of types) {
            const expected = patterns.flatMap((one, i) => (naive(one, each) ? [i] : []))
            expect(patterns.flatMap((one, i) => (matches(one, each) ? [i] : []))).toEqual(expected)
            expect(index.match(each)).toEqual(expected)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('forgets what is removed, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(pattern, fc.nat(2), fc.boolean()), { maxLength: 12 }),
        type,
        (steps, each) => {
          const index = new PatternIndex<number>()
          const held = new Map<string, [string, number]>()
          for (const [text, value, isAdded] of steps) {
            const key = `${text} ${value}`
            if (isAdded) index.add(parsePattern(text), value)
            else expect(index.remove(parsePattern(text), value)).toBe(held.has(key))
            if (!isAdded) held.delete(key)
            else if (!held.has(key)) held.set(key, [text, value])
          }
          expect(index.size).toBe(held.size)
          const expected = new Set(
            [...held.values()].flatMap(([text, value]) => (matches(text, each) ? [value] : [])),
          )
          expect(index.match(each)).toEqual([...expected])
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('finds one pattern among many without looking at the others', () => {
    const index = new PatternIndex<number>()
    for (let i = 0; i < 50_000; i++) index.add(parsePattern(`area${i}.*.done`), i)
    expect(index.match('area4711.job.done@1')).toEqual([4711])
    expect(index.match('area4711.job.failed@1')).toEqual([])
  })

  it('does bounded work for hostile types', () => {
    const index = new PatternIndex<string>()
    index.add(parsePattern(`${'**.a.'.repeat(15)}b`), 'deep')
    const type = `${'a.'.repeat(20_000)}c`
    expect(index.match(type)).toEqual([])
    expect(matches(`${'**.a.'.repeat(15)}b`, type)).toBe(false)
    expect(index.match(`${'a.'.repeat(20_000)}b`)).toEqual(['deep'])
    expect(index.match('*.**.__proto__')).toEqual([])
  })

  it('is bounded, and a refused pair leaves nothing behind', () => {
    const index = new PatternIndex<number>()
    const shared = parsePattern('a')
    for (let i = 0; i < PATTERNS_MAX; i++) index.add(shared, i)
    index.add(shared, 0)
    expect(() => index.add(parsePattern('b.c'), 1)).toThrow(KitError)
    expect(index.match('b.c')).toEqual([])
    expect(index.remove(parsePattern('b.c'), 1)).toBe(false)
    expect(index.size).toBe(PATTERNS_MAX)
  })
})

/** The meaning of a pattern as a regular expression over tokens that each end in a dot. */
function naive(pattern: string, type: string): boolean {
  const [tokens = '', major] = pattern.split('@')
  const [path = '', typeMajor] = type.split('@')
  if (major !== undefined && major !== typeMajor) return false
  const source = tokens
    .split('.')
    .map((each) => (each === '**' ? '(?:[^.]*\\.)*' : each === '*' ? '[^.]*\\.' : `${each}\\.`))
    .join('')
  return new RegExp(`^${source}$`).test(`${path}.`)
}
