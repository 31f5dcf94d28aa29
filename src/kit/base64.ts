// Standard base64 (RFC 4648 section 4) read strictly, so that every value has exactly one spelling.

export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

/** The bytes, or undefined where padding, alphabet or unused trailing bits differ from what `encodeBase64` writes. */
export function decodeBase64(text: string): Uint8Array | undefined {
  // Buffer.from skips what it does not know, so the way back is the check.
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? new Uint8Array(bytes) : undefined
}
