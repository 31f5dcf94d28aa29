import { hash } from 'node:crypto'
import { expect, it } from 'vitest'
import { ownToken, readText, SECRET_SIZE_BYTES } from './token-text.ts'

const BYTES = Uint8Array.from({ length: SECRET_SIZE_BYTES }, (_, at) => at)

it('is known in full to whoever makes the secret, before the hub has heard of it', () => {
  const { id, text, digest } = ownToken(BYTES)
  expect(text).toBe(`pol_${id}_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8`)
  const read = readText(text)
  expect(read).toEqual({ id, secret: text.slice(-43) })
  expect(hash('sha256', text.slice(-43), 'hex')).toBe(digest)
  expect(digest.startsWith(id)).toBe(true)
})

it('is made of 256 bits and no fewer', () => {
  for (const size of [0, 16, 31, 33]) expect(() => ownToken(new Uint8Array(size))).toThrow(RangeError)
})

it.each([
  '',
  'pol_',
  'pol_0_x',
  `pol_${'0'.repeat(16)}_${'a'.repeat(42)}`,
  `pol_${'G'.repeat(16)}_${'a'.repeat(43)}`,
])('is not %s', (text) => expect(readText(text)).toBeUndefined())
