// Bytes of a repository as text: always safe to show, always reversible.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bytesOfDisplay, displayText } from './display.ts'

const shown = (bytes: Uint8Array, max = 10_000) => displayText(Buffer.from(bytes).toString('latin1'), max)

describe('displayText', () => {
  it('leaves plain names and UTF-8 alone', () => {
    expect(shown(Buffer.from('src/größe/日本.ts'))).toBe('src/größe/日本.ts')
  })

  it.each([
    [[0x61, 0xff], 'a%FF'],
    [[0x25], '%25'],
    [[0x1b, 0x5b, 0x6d], '%1B[m'],
    [[0xed, 0xa0, 0x80], '%ED%A0%80'],
    [[0xc0, 0xaf], '%C0%AF'],
    [[0xe2, 0x80, 0xae], '%E2%80%AE'],
    [[0xc3], '%C3'],
    [[0xf4, 0x90, 0x80, 0x80], '%F4%90%80%80'],
    [[0xef, 0xbf, 0xbd], '\uFFFD'],
  ])('shows %j as %s', (bytes, text) => {
    expect(shown(Uint8Array.from(bytes))).toBe(text)
  })

  it('gives any bytes back, well-formed and without controls in between', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const text = shown(bytes)
        expect(text.isWellFormed()).toBe(true)
        expect(text).not.toMatch(/\p{Cc}/u)
        expect([...bytesOfDisplay(text)]).toEqual([...bytes])
      }),
    )
  })

  it('cuts what is too long, never in the middle of a character', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 4, max: 40 }), (bytes, max) => {
        const text = shown(bytes, max)
        expect(text.length).toBeLessThanOrEqual(max)
        expect(text.isWellFormed()).toBe(true)
      }),
    )
  })
})
