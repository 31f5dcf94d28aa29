// Base64 with one spelling per value.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBase64, encodeBase64 } from './base64.ts'

describe('base64', () => {
  it('knows the examples of RFC 4648 section 10', () => {
    const texts = ['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar'].map((text) =>
      encodeBase64(Buffer.from(text)),
    )
    expect(texts).toEqual(['', 'Zg==', 'Zm8=', 'Zm9v', 'Zm9vYg==', 'Zm9vYmE=', 'Zm9vYmFy'])
  })

  it('comes back from any place in a larger buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(5), (bytes, offset) => {
        const buffer = new Uint8Array(bytes.length + 10).fill(255)
        buffer.set(bytes, offset)
        expect(decodeBase64(encodeBase64(buffer.subarray(offset, offset + bytes.length)))).toEqual(bytes)
      }),
    )
  })

  it('has one spelling: whatever is read is written back the same', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-D+/_=\n -]{0,8}$/), (text) => {
        const bytes = decodeBase64(text)
        if (bytes !== undefined) expect(encodeBase64(bytes)).toBe(text)
      }),
    )
  })

  it.each(['Zg', 'Zg=', 'Zh==', 'Zm9=', 'Zm9v\n', ' Zm9v', 'Zm 9v', 'Zm-_', 'Z', '====', 'Zg==Zg==', 'Zmé9'])(
    'does not read %j',
    (text) => {
      expect(decodeBase64(text)).toBeUndefined()
    },
  )
})
