// C2SP tlog-cosignature: the bytes that a cosigner signs, and the signature that carries their time.

import { verify } from 'node:crypto'
import { parseCheckpoint } from './checkpoint.ts'
import { KitError } from './error.ts'
import { ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, type NoteKey, publicKeyOf } from './note-key.ts'

const TIMESTAMP_BYTES = 8
const SIGNATURE_BYTES: ReadonlyMap<number, number> = new Map([
  [ED25519_COSIGNATURE, 64],
  [ML_DSA_44_COSIGNATURE, 2420],
])
const SUBTREE_LABEL = Buffer.from('subtree/v1\n\0', 'latin1')
const MAX_ORIGIN_BYTES = 255

/**
 * The message that `key` signs, as of `timestampSeconds` (POSIX, 0 to 2^53 - 1), about a checkpoint (its
 * text, without signatures). The Ed25519 message holds the whole text; that of ML-DSA-44 holds the names of
 * cosigner and log, the size and the root, but **no extension lines**. Zero means "no statement about the
 * time". Throws KitError `checkpoint` (the text, or its origin over 255 bytes), `timestamp` and `algorithm`.
 * Source: C2SP tlog-cosignature, sections "Ed25519 signed message" and "ML-DSA-44 signed message".
 */
export function cosignatureMessage(
  key: NoteKey,
  checkpointText: string,
  timestampSeconds: number,
): Uint8Array {
  if (!Number.isSafeInteger(timestampSeconds) || timestampSeconds < 0) {
    throw new KitError('timestamp', 'a timestamp is a whole number of seconds from 0 to 2^53 - 1')
  }
  const { origin, size, root } = parseCheckpoint(checkpointText)
  if (key.algorithm === ED25519_COSIGNATURE) {
    return Buffer.from(`cosignature/v1\ntime ${timestampSeconds}\n${checkpointText}`, 'utf8')
  }
  signatureLength(key)
  return Buffer.concat([
    SUBTREE_LABEL,
    opaque255(key.name),
    uint64(timestampSeconds),
    opaque255(origin),
    uint64(0),
    uint64(size),
    root,
  ])
}

/** `timestamp || signature`, as a signature line holds it. Throws KitError `signature` for a wrong length. */
export function timestampedSignature(
  key: NoteKey,
  timestampSeconds: number,
  signature: Uint8Array,
): Uint8Array {
  if (signature.length !== signatureLength(key)) {
    throw new KitError('signature', `the signature of ${key.name} has ${signature.length} bytes`)
  }
  return Buffer.concat([uint64(timestampSeconds), signature])
}

/**
 * The time, in POSIX seconds, for which `key` signed the checkpoint. Throws KitError `signature` (it does
 * not fit, or its time lies beyond 2^53 - 1), and what `cosignatureMessage` throws.
 */
export function verifyTimestamped(checkpointText: string, key: NoteKey, timestamped: Uint8Array): number {
  const length = TIMESTAMP_BYTES + signatureLength(key)
  const timestampSeconds = timestampOf(timestamped)
  if (timestampSeconds === undefined || timestamped.length !== length) {
    throw new KitError('signature', `the cosignature of ${key.name} has a wrong length or time`)
  }
  const message = cosignatureMessage(key, checkpointText, timestampSeconds)
  if (!verify(null, message, publicKeyOf(key), timestamped.subarray(TIMESTAMP_BYTES))) {
    throw new KitError('signature', `the signature of ${key.name} does not fit the text`)
  }
  return timestampSeconds
}

function signatureLength({ algorithm }: NoteKey): number {
  const length = SIGNATURE_BYTES.get(algorithm)
  if (length === undefined) throw new KitError('algorithm', `signature type ${algorithm} is no cosignature`)
  return length
}

// "It MUST NOT exceed 2^63 - 1, and verifiers MAY reject cosignatures with timestamps in the future": what
// lies between 2^53 and 2^63 is 285 million years away.
function timestampOf(timestamped: Uint8Array): number | undefined {
  if (timestamped.length < TIMESTAMP_BYTES) return undefined
  const view = new DataView(timestamped.buffer, timestamped.byteOffset, TIMESTAMP_BYTES)
  const seconds = view.getBigUint64(0)
  return seconds <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seconds) : undefined
}

// opaque<1..2^8-1>: one byte of length, then the bytes (RFC 8446 section 3.4).
function opaque255(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length > MAX_ORIGIN_BYTES) {
    throw new KitError('checkpoint', `an origin that ML-DSA-44 signs has up to ${MAX_ORIGIN_BYTES} bytes`)
  }
  return Buffer.concat([Uint8Array.of(bytes.length), bytes])
}

function uint64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}
