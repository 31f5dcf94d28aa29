// The object that copies hold: opened by its key alone, and by no byte that was changed.

import { randomBytes } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { contentOf, contentValue, digestOf, openObject, packObject } from './object.ts'

describe('an object', () => {
  const key = randomBytes(32)

  it('holds any bytes, and is the same for the same content and key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
        const object = packObject(bytes, key)
        expect(openObject(object, key, digestOf(bytes)).equals(bytes)).toBe(true)
        expect(packObject(bytes, key).equals(object)).toBe(true)
        expect(packObject(bytes, randomBytes(32)).equals(object)).toBe(false)
      }),
    )
  })

  it('opens with no bit changed, nothing cut off, no other key and for no other hash', () => {
    const content = Buffer.from('words '.repeat(20))
    const object = packObject(content, key)
    const hash = digestOf(content)
    for (let bit = 0; bit < object.length * 8; bit++) {
      const bent = Buffer.from(object)
      bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(
        codeOf(() => openObject(bent, key, hash)),
        `bit ${bit}`,
      ).toBe('blob.corrupt')
    }
    for (let length = 0; length < object.length; length++)
      expect(codeOf(() => openObject(object.subarray(0, length), key, hash))).toBe('blob.corrupt')
    expect(codeOf(() => openObject(object, randomBytes(32), hash))).toBe('blob.corrupt')
    expect(codeOf(() => openObject(object, key, digestOf(Buffer.from('x'))))).toBe('blob.corrupt')
  })

  it('is not larger than what it holds by more than its frame, and never unpacks beyond what a scroll may have', () => {
    const noise = randomBytes(10_000)
    expect(packObject(noise, key).length).toBe(noise.length + 16 + 1 + 16)
    const bomb = Buffer.alloc(10_000_000)
    expect(zstdCompressSync(bomb).length).toBeLessThan(2000)
    expect(codeOf(() => openObject(packObject(bomb, key), key, digestOf(bomb)))).toBe('blob.corrupt')
  })
})

describe('the content of a scroll', () => {
  it('is the value that was given, through bytes of one form', () => {
    for (const value of ['', 'text', { b: 1, a: [null] }, 0, false, null, []]) {
      const { bytes, form } = contentOf(value)
      expect(contentValue(bytes, form)).toEqual(value)
    }
    expect(contentOf({ b: 1, a: 2 }).bytes.toString()).toBe('{"a":2,"b":1}')
    expect(contentOf('x', undefined, 'text/markdown').mediaType).toBe('text/markdown')
  })

  it('is base64 in its one canonical spelling', () => {
    expect(contentValue(contentOf('AP8K', 'base64').bytes, 'base64')).toBe('AP8K')
    for (const wrong of ['AP8', 'AP8K=', 'AP 8K', 'AP8K\n', '-_-_', 'AP9=', 7, null])
      expect(
        codeOf(() => contentOf(wrong, 'base64')),
        String(wrong),
      ).toBe('input.invalid')
  })
})
