// LIKE against a naive matcher, whatever the pattern and however long the text.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CesqlEvent, compile } from './cesql.ts'
import { printed } from './syntax.ts'

const EVENT = { specversion: '1.0', id: 'id', source: '/source', type: 'a.type' }
const answerOf = (text: string, event: CesqlEvent = EVENT) => compile(text).evaluate(event).value

describe('LIKE', () => {
  const alphabet = fc.constantFrom('a', 'b', '%', '_', '\\', '😀')
  const words = fc.string({ unit: alphabet, maxLength: 12 })
  const quoted = (pattern: string) => printed({ kind: 'literal', value: pattern, offset: 0 })

  it('agrees with a naive model', () => {
    fc.assert(
      fc.property(words, words, (text, pattern) => {
        fc.pre(!pattern.endsWith('\\'))
        const expected = naiveLike(Array.from(text), Array.from(pattern))
        expect(answerOf(`x LIKE ${quoted(pattern)}`, { x: text })).toBe(expected)
        expect(answerOf(`x NOT LIKE ${quoted(pattern)}`, { x: text })).toBe(!expected)
      }),
      { numRuns: 5_000 },
    )
  })

  it('agrees with it over segments of many words', () => {
    const long = fc.string({ unit: fc.constantFrom('a', 'b', '_'), minLength: 28, maxLength: 70 })
    fc.assert(
      fc.property(long, long, long, fc.boolean(), (before, middle, after, isBroken) => {
        const spelled = middle.replaceAll('_', 'a')
        const text = `${before}${isBroken ? `${spelled.slice(0, -1)}c` : spelled}${after}`
        expect(answerOf(`x LIKE '%${middle}%'`, { x: text })).toBe(
          naiveSearch(Array.from(text), Array.from(middle)),
        )
      }),
      { numRuns: 500 },
    )
  })

  it('does work that grows with the text alone', () => {
    const matches = compile(`x LIKE '%${'a_'.repeat(40)}%${'%a'.repeat(500)}b'`)
    expect(matches.matches({ x: 'a'.repeat(60_000) })).toBe(false)
    expect(matches.matches({ x: `${'a'.repeat(60_000)}b` })).toBe(true)
  })
})

function naiveLike(text: readonly string[], pattern: readonly string[]): boolean {
  const [head, ...rest] = pattern
  if (head === undefined) return text.length === 0
  if (head === '%') return naiveLike(text, rest) || (text.length > 0 && naiveLike(text.slice(1), pattern))
  if (head === '_') return text.length > 0 && naiveLike(text.slice(1), rest)
  const isEscape = head === '\\' && (rest[0] === '%' || rest[0] === '_')
  const [wanted, after] = isEscape ? [rest[0], rest.slice(1)] : [head, rest]
  return text[0] === wanted && naiveLike(text.slice(1), after)
}

const naiveSearch = (text: readonly string[], segment: readonly string[]) =>
  text.some(
    (_, at) =>
      at + segment.length <= text.length &&
      segment.every((wanted, i) => wanted === '_' || wanted === text[at + i]),
  )
