// How a question is read: words, phrases, beginnings, and what is none of them.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { termsOf } from './searching.ts'

describe('the words of a question', () => {
  it('stand alone, together in quotes, or at their beginning with a star', () => {
    expect(termsOf('  red "wax seal"  parch* "old parch"* ')).toEqual([
      { words: 'red', isPrefix: false },
      { words: 'wax seal', isPrefix: false },
      { words: 'parch', isPrefix: true },
      { words: 'old parch', isPrefix: true },
    ])
  })

  it('are none where there is no letter and no digit', () => {
    for (const q of ['', '  ', '*', '"', '""', '" "', '- + ( ) : ^ ~', '"*"*', '\u0000\u0001'])
      expect(termsOf(q)).toEqual([])
  })

  it('hold no quote, no control character and no broken text, whatever is asked, and are bounded in number', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 512 }), (q) => {
        const terms = termsOf(q)
        expect(terms.length).toBeLessThanOrEqual(16)
        for (const { words } of terms) {
          expect(words).toMatch(/[\p{L}\p{N}]/u)
          expect(words).not.toMatch(/["\p{Cc}]/u)
          expect(words.isWellFormed()).toBe(true)
        }
      }),
    )
    expect(termsOf('word '.repeat(100))).toHaveLength(16)
  })
})
