// Text from strangers reaches the terminal as text.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { escapeText, jsonText } from './escape.ts'

const STEERING =
  /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c\ufeff]|[\u{e0000}-\u{e007f}]/u

describe('escapeText', () => {
  it.each([
    ['plain', 'Grüße, 世界 👍', 'Grüße, 世界 👍'],
    ['a colour', '\u001b[31mred', '\\x1b[31mred'],
    ['the one-byte form of the same', '\u009b31mred', '\\x9b31mred'],
    ['a new window title', '\u001b]0;owned\u0007', '\\x1b]0;owned\\x07'],
    ['lines', 'a\r\nb\tc', 'a\\r\\nb\\tc'],
    ['reordering', 'user\u202egnp.exe', 'user\\u{202e}gnp.exe'],
    ['invisible tags', 'a\u{e0041}b', 'a\\u{e0041}b'],
    ['half a character', 'a\ud800b', 'a\\u{d800}b'],
    ['an emoji that is joined', '👩‍💻', '👩‍💻'],
  ])('%s', (_, text, shown) => expect(escapeText(text)).toBe(shown))

  it('leaves nothing that steers, whatever comes in', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(escapeText(text)).not.toMatch(STEERING)
      }),
    )
  })
})

describe('jsonText', () => {
  it('is the same value, with nothing that steers in it', () => {
    const unit = fc.string({ unit: 'binary' })
    fc.assert(
      fc.property(fc.dictionary(unit, fc.oneof(unit, fc.integer(), fc.array(unit))), (value) => {
        const text = jsonText(value)
        expect(text).not.toMatch(STEERING)
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('has something to say about nothing', () => expect(jsonText(undefined)).toBe('null'))
})
