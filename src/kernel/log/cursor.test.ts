// Cursors: opaque, of one log, and never any other text.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCursor, parseCursor } from './cursor.ts'

const coded = expect.objectContaining({ name: 'PolityError', code: 'cursor.invalid' })

describe('a cursor', () => {
  it('comes back as the position it was made of', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.nat({ max: 10 ** 15 - 1 }), (origin, position) => {
        expect(parseCursor(origin, formatCursor(origin, position))).toBe(position)
      }),
    )
  })

  it('of another log is refused, not misread', () => {
    expect(() => parseCursor('a.example/log', formatCursor('b.example/log', 3))).toThrow(coded)
  })

  it('fits into a URL and a header as it is', () => {
    expect(formatCursor('a', 2 ** 49)).toMatch(/^[A-Za-z0-9_-]+$/)
  })

  it.each([
    '',
    '0',
    'null',
    '../..',
    'x'.repeat(10_000),
    formatCursor('a', 1).slice(0, -3),
    `${formatCursor('a', 1)}AAAA`,
  ])('is not %s', (text) => {
    expect(() => parseCursor('a', text)).toThrow(coded)
  })

  it('is never any text that we did not give out', () => {
    fc.assert(fc.property(fc.string(), (text) => void expect(() => parseCursor('a', text)).toThrow(coded)))
    const foreign = (text: string) => Buffer.from(text).toString('base64url')
    for (const position of ['-1', '1.5', '1e3', ' 1', '99999999999999999', 'Infinity'])
      expect(() => parseCursor('a', foreign(`ca978112.${position}`))).toThrow(coded)
  })
})
