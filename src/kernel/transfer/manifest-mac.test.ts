import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalize } from '../../kit/canonical-json.ts'
import { isMacOf, macOf } from './manifest-mac.ts'

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
const hmac = (secret: Uint8Array, ...parts: readonly Uint8Array[]) =>
  createHmac('sha256', secret).update(Buffer.concat(parts)).digest()

describe('the code of a manifest', () => {
  it('is HMAC over canonical JSON, under the first block of HKDF as RFC 5869 spells it out', () => {
    fc.assert(
      fc.property(key, fc.dictionary(fc.string(), fc.integer()), (vaultKey, manifest) => {
        const extracted = hmac(new Uint8Array(32), vaultKey)
        const expanded = hmac(extracted, Buffer.from('polity backup manifest'), Uint8Array.of(1))
        const expected = hmac(expanded, Buffer.from(canonicalize(manifest))).toString('hex')
        expect(macOf(manifest, vaultKey)).toBe(expected)
        expect(isMacOf(expected, manifest, vaultKey)).toBe(true)
      }),
    )
  })

  it('is the same for the same facts in another order, and for no other facts', () => {
    const vaultKey = new Uint8Array(32)
    const mac = macOf({ rows: 1, size: 2 }, vaultKey)
    expect(isMacOf(mac, { size: 2, rows: 1 }, vaultKey)).toBe(true)
    for (const other of [{ rows: 2, size: 1 }, { rows: 1 }, { rows: 1, size: 2, tail: 0 }, {}])
      expect(isMacOf(mac, other, vaultKey)).toBe(false)
  })

  it('is wrong with any one bit of it, or of the key, turned', () => {
    fc.assert(
      fc.property(key, fc.nat({ max: 255 }), (vaultKey, bit) => {
        const turned = (bytes: Uint8Array) =>
          bytes.map((byte, at) => (at === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte))
        const mac = macOf({ rows: 1 }, vaultKey)
        const other = Buffer.from(turned(Buffer.from(mac, 'hex'))).toString('hex')
        expect(isMacOf(other, { rows: 1 }, vaultKey)).toBe(false)
        expect(isMacOf(mac, { rows: 1 }, turned(vaultKey))).toBe(false)
      }),
    )
  })
})
