// Whatever the API answers, the page reads something it can show, and text cannot deceive the eye.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { printable, text } from './json.ts'
import { readAnalysis, readCheckpoint, readEntry, readRepository } from './shapes.ts'
import { tell, who } from './words.ts'

describe('text for people', () => {
  it('shows what would reorder or hide text as an escape, and keeps the rest', () => {
    expect(printable('evil\u202etxt.exe')).toBe('evil\\u{202e}txt.exe')
    expect(printable('a\u0000b\u001b[31m')).toBe('a\\u{0}b\\u{1b}[31m')
    expect(printable('zero\u200bwidth \ud800')).toBe('zero\\u{200b}width \\u{d800}')
    expect(printable('José 日本 👍\nsecond line')).toBe('José 日本 👍\nsecond line')
  })

  it('says that a value was erased or is private, and is bounded', () => {
    expect(text({ $erased: 'ab' })).toBe('(erased)')
    expect(text({ $private: 'ab' })).toBe('(private)')
    expect(text(undefined)).toBe('')
    expect(text('x'.repeat(1_000_000)).length).toBeLessThan(3000)
  })
})

describe('any JSON at all', () => {
  it('is read without an error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        readRepository(value)
        readAnalysis(value)
        readCheckpoint(value)
        const entry = readEntry(value)
        expect(tell(entry).what).toBeTypeOf('string')
        expect(who(entry)).not.toBe('')
      }),
    )
  })

  it('in the data of every known type of entry is told without an error', () => {
    const types = fc.constantFrom(
      ...['action.decided@1', 'action.finished@1', 'mirror.repository-analyzed@1', 'mirror.health-fell@1'],
      ...['mirror.analysis-completed@1', 'identity.token-issued@1', 'gate.bundle-activated@1', 'toString'],
    )
    fc.assert(
      fc.property(types, fc.dictionary(fc.string(), fc.jsonValue()), (type, data) => {
        expect(tell(readEntry({ type, data })).what).toBeTypeOf('string')
      }),
    )
  })
})
