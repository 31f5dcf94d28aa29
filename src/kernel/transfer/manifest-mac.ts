// Who wrote a backup: a code over its manifest, and so over every file, that only the holder of the vault's key can make.

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { canonicalize } from '../../kit/canonical-json.ts'

export const MAC_PATTERN = '^[0-9a-f]{64}$'

const MAC_KEY_SIZE_BYTES = 32
/** Keeps this key apart from all others that are derived from the vault's (RFC 5869 section 3.2). */
const MAC_KEY_INFO = 'polity backup manifest'

/**
 * HMAC-SHA-256 (RFC 2104) over the canonical JSON (RFC 8785) of a manifest, in lower-case hex, under a key derived
 * from the vault's with HKDF-SHA-256 (RFC 5869).
 */
export const macOf = (manifest: object, vaultKey: Uint8Array): string =>
  codeOf(manifest, vaultKey).toString('hex')

/** Whether `mac`, which must match `MAC_PATTERN`, is that code; takes the same time wherever they differ. */
export const isMacOf = (mac: string, manifest: object, vaultKey: Uint8Array): boolean =>
  timingSafeEqual(Buffer.from(mac, 'hex'), codeOf(manifest, vaultKey))

function codeOf(manifest: object, vaultKey: Uint8Array): Buffer {
  const key = new Uint8Array(hkdfSync('sha256', vaultKey, '', MAC_KEY_INFO, MAC_KEY_SIZE_BYTES))
  return createHmac('sha256', key).update(canonicalize(manifest)).digest()
}
