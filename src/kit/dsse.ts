// DSSE (Dead Simple Signing Envelope, v1.0): a payload with its type and one or more signatures over both.

import { type KeyObject, verify } from 'node:crypto'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { KitError } from './error.ts'

/** The JSON envelope of the DSSE specification; payload and signatures are base64. */
export interface Envelope {
  readonly payload: string
  readonly payloadType: string
  readonly signatures: readonly EnvelopeSignature[]
}

export interface EnvelopeSignature {
  /** A hint which key to try. The specification forbids to trust it for more. */
  readonly keyid: string
  readonly sig: string
}

export interface EnvelopeSigner {
  readonly keyid: string
  /** Signs the pre-authentication encoding. */
  readonly sign: (bytes: Uint8Array) => Uint8Array
}

export interface EnvelopeKey {
  readonly keyid: string
  /** Ed25519. */
  readonly publicKey: KeyObject
}

export interface OpenedEnvelope {
  readonly payloadType: string
  readonly payload: Uint8Array
  readonly signatures: readonly { readonly keyid: string; readonly signature: Uint8Array }[]
}

const MAX_PAYLOAD_BYTES = 4 * 1024 * 1024
const MAX_TYPE_CHARS = 256
const MAX_SIGNATURES = 16
const MAX_KEYS = 256
const MAX_SIGNATURE_CHARS = 8192
const MAX_KEYID_CHARS = 512

/** The bytes that are signed: `DSSEv1 <len> <type> <len> <payload>`, lengths in bytes as ASCII decimals. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType, 'utf8')
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ])
}

/** Signs a payload with every signer, in their order. Throws KitError `envelope` where a bound is passed. */
export function signEnvelope(
  payloadType: string,
  payload: Uint8Array,
  signers: readonly EnvelopeSigner[],
): Envelope {
  const bytes = preAuthEncoding(payloadType, payload)
  const signatures = signers.map(({ keyid, sign }) => ({ keyid, sig: encodeBase64(sign(bytes)) }))
  const envelope: Envelope = { payload: encodeBase64(payload), payloadType, signatures }
  openEnvelope(envelope)
  return envelope
}

/**
 * The keyids of those of `keys` that signed, each key counted once; what they signed is what `openEnvelope`
 * returns. Signatures that fit no given key are passed over, as the specification asks. Throws KitError
 * `envelope` (form or bounds), `unsigned` (no given key signed) and `algorithm` (a key that is not Ed25519).
 */
export function verifyEnvelope(envelope: unknown, keys: readonly EnvelopeKey[]): string[] {
  if (keys.length > MAX_KEYS) throw new KitError('envelope', `at most ${MAX_KEYS} keys can be tried`)
  if (keys.some(({ publicKey }) => publicKey.asymmetricKeyType !== 'ed25519')) {
    throw new KitError('algorithm', 'an envelope key is an Ed25519 key')
  }
  const { payloadType, payload, signatures } = openEnvelope(envelope)
  const bytes = preAuthEncoding(payloadType, payload)
  const accepted: EnvelopeKey[] = []
  for (const { keyid, signature } of signatures) {
    const key = keys.find(
      (k) => (keyid === '' || keyid === k.keyid) && verify(null, bytes, k.publicKey, signature),
    )
    // Two names of one key are one signer: a threshold must not be met by signing twice.
    if (key !== undefined && !accepted.some((a) => a.publicKey.equals(key.publicKey))) accepted.push(key)
  }
  if (accepted.length === 0) throw new KitError('unsigned', 'no known key signed the envelope')
  return accepted.map(({ keyid }) => keyid)
}

/** Reads an envelope without believing it. Throws KitError `envelope`. */
export function openEnvelope(envelope: unknown): OpenedEnvelope {
  const { payload, payloadType, signatures } = recordOf(envelope)
  const bytes = bytesOf(payload, Math.ceil(MAX_PAYLOAD_BYTES / 3) * 4)
  if (typeof payloadType !== 'string' || payloadType.length > MAX_TYPE_CHARS || !payloadType.isWellFormed()) {
    throw new KitError('envelope', 'the payload type is no text or too long')
  }
  if (!Array.isArray(signatures) || signatures.length === 0 || signatures.length > MAX_SIGNATURES) {
    throw new KitError('envelope', `an envelope has 1 to ${MAX_SIGNATURES} signatures`)
  }
  return { payloadType, payload: bytes, signatures: signatures.map(openSignature) }
}

function openSignature(value: unknown): { keyid: string; signature: Uint8Array } {
  const { keyid = '', sig } = recordOf(value)
  if (typeof keyid !== 'string' || keyid.length > MAX_KEYID_CHARS) {
    throw new KitError('envelope', 'a keyid is no text or too long')
  }
  return { keyid, signature: bytesOf(sig, MAX_SIGNATURE_CHARS) }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null)
    throw new KitError('envelope', 'an envelope is a JSON object')
  return value as Readonly<Record<string, unknown>>
}

// "Either standard or URL-safe encoding is allowed."
function bytesOf(text: unknown, maxChars: number): Uint8Array {
  const bytes =
    typeof text === 'string' && text.length <= maxChars
      ? decodeBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
      : undefined
  if (bytes === undefined) throw new KitError('envelope', 'a field is not base64 or too long')
  return bytes
}
