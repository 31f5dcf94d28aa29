// Reads the public key of a credential (COSE_Key, RFC 9052 section 7) for the algorithms with which votes are signed.

import { createPublicKey, type KeyObject } from 'node:crypto'

/** RFC 9053 sections 2 and 7, RFC 8230 section 4: labels and values of the three kinds of keys that are taken. */
const KEY_TYPE = 1
const ALGORITHM = 3
const FIRST = -1
const SECOND = -2
const THIRD = -3

const FIELDS_MAX = 8
/** Initial bytes of CBOR (RFC 8949 section 3): the kind in the upper three bits, the size in the lower five. */
const UNSIGNED = 0
const NEGATIVE = 1
const BYTES = 2
const MAP = 5
const ONE_BYTE = 24
const TWO_BYTES = 25

type Field = number | Uint8Array

/** The key at the start of the bytes, and where it ends. Undefined for every other algorithm, curve or form. */
export function readCoseKey(
  bytes: Uint8Array,
): { readonly key: KeyObject; readonly end: number } | undefined {
  const read = readMap(bytes)
  const jwk = read && jwkOf(read.fields)
  if (jwk === undefined) return undefined
  try {
    return { key: createPublicKey({ key: jwk, format: 'jwk' }), end: read?.end ?? 0 }
  } catch {
    // Not a point on the curve, or no modulus: as unusable as another algorithm.
    return undefined
  }
}

/** ES256 on P-256, EdDSA on Ed25519, RS256. */
function jwkOf(fields: ReadonlyMap<number, Field>): Record<string, string> | undefined {
  const [first, second, third] = [fields.get(FIRST), fields.get(SECOND), fields.get(THIRD)]
  switch (`${fields.get(KEY_TYPE)} ${fields.get(ALGORITHM)}`) {
    case '2 -7':
      return first === 1 ? jwk({ kty: 'EC', crv: 'P-256' }, { x: second, y: third }) : undefined
    case '1 -8':
      return first === 6 ? jwk({ kty: 'OKP', crv: 'Ed25519' }, { x: second }) : undefined
    case '3 -257':
      return jwk({ kty: 'RSA' }, { n: first, e: second })
  }
}

function jwk(
  named: Readonly<Record<string, string>>,
  parts: Readonly<Record<string, Field | undefined>>,
): Record<string, string> | undefined {
  const encoded: Record<string, string> = { ...named }
  for (const [name, part] of Object.entries(parts)) {
    if (!(part instanceof Uint8Array)) return undefined
    encoded[name] = Buffer.from(part).toString('base64url')
  }
  return encoded
}

/** A map of numbers to numbers and bytes, which is all that such a key is; every label once. */
function readMap(bytes: Uint8Array): { fields: Map<number, Field>; end: number } | undefined {
  const head = readHead(bytes, 0)
  if (head?.kind !== MAP || head.size > FIELDS_MAX) return undefined
  const fields = new Map<number, Field>()
  let end = head.end
  for (let left = head.size; left > 0; left -= 1) {
    const label = readField(bytes, end)
    const value = label && readField(bytes, label.end)
    if (value === undefined || typeof label?.field !== 'number' || fields.has(label.field)) return undefined
    fields.set(label.field, value.field)
    end = value.end
  }
  return { fields, end }
}

function readField(bytes: Uint8Array, at: number): { field: Field; end: number } | undefined {
  const head = readHead(bytes, at)
  switch (head?.kind) {
    case UNSIGNED:
      return { field: head.size, end: head.end }
    case NEGATIVE:
      return { field: -1 - head.size, end: head.end }
    case BYTES: {
      const end = head.end + head.size
      return end > bytes.length ? undefined : { field: bytes.subarray(head.end, end), end }
    }
  }
  return undefined
}

function readHead(bytes: Uint8Array, at: number): { kind: number; size: number; end: number } | undefined {
  const initial = bytes[at]
  if (initial === undefined) return undefined
  const kind = initial >> 5
  const size = initial & 0x1f
  if (size < ONE_BYTE) return { kind, size, end: at + 1 }
  const [high, low] = [bytes[at + 1], bytes[at + 2]]
  if (size === ONE_BYTE && high !== undefined) return { kind, size: high, end: at + 2 }
  if (size === TWO_BYTES && high !== undefined && low !== undefined)
    return { kind, size: high * 256 + low, end: at + 3 }
  return undefined
}
