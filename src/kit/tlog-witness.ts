// C2SP tlog-witness: the bodies that a log and its witness exchange over a checkpoint.

import { decodeBase64, encodeBase64 } from './base64.ts'
import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { verifyCosignature } from './cosignature.ts'
import { KitError } from './error.ts'
import { HASH_SIZE_BYTES, sha256 } from './merkle.ts'
import { isBy, type NoteKey, type NoteSignature, parseNote, parseSignatureLines } from './signed-note.ts'

export interface AddCheckpoint {
  /** Size of the tree that the witness cosigned last; 0 when it never did. At most that of the checkpoint. */
  readonly old: number
  /** The RFC 6962 consistency proof from `old`: hashes of 32 bytes. */
  readonly proof: readonly Uint8Array[]
  /** The signed note, verbatim. */
  readonly checkpoint: string
}

export interface ReceivedCheckpoint extends AddCheckpoint {
  /** The text of `checkpoint`, which a witness needs in order to cosign it. */
  readonly text: string
  /** What the text says. Its signatures are still to be checked: its origin tells by which keys. */
  readonly claimed: Required<Checkpoint>
}

export interface Cosignature {
  readonly key: NoteKey
  readonly signature: NoteSignature
  /** POSIX seconds, above 0. */
  readonly timestampSeconds: number
}

/** The `Content-Type` of the answer with status 409, which `parseTreeSize` reads. */
export const SIZE_MEDIA_TYPE = 'text/x.tlog.size'
/** The largest request body that is read. Ten ML-DSA-44 signature lines take half of it. */
export const MAX_ADD_CHECKPOINT_BYTES = 65_536
/** The largest answer that is read. */
export const MAX_WITNESS_ANSWER_BYTES = 65_536

// "The client MUST NOT send more than 63 consistency proof lines."
const MAX_PROOF_LINES = 63

/** The body of `POST <submission prefix>/add-checkpoint`. Throws KitError `request`. */
export function formatAddCheckpoint({ old, proof, checkpoint }: AddCheckpoint): string {
  const body = [`old ${old}`, ...proof.map(encodeBase64), '', checkpoint].join('\n')
  parseAddCheckpoint(body)
  return body
}

/**
 * Reads the body of `add-checkpoint` without believing it. Throws KitError `request`, which a witness answers
 * with 400: for anything but the exact form, and for an old size above that of the checkpoint. Whether the
 * origin is known (404), signed for (403), at the old size (409) and consistent (422) is left to the witness.
 */
export function parseAddCheckpoint(body: string): ReceivedCheckpoint {
  if (Buffer.byteLength(body) > MAX_ADD_CHECKPOINT_BYTES) {
    throw refusal(`the body is over ${MAX_ADD_CHECKPOINT_BYTES} bytes long`)
  }
  const end = body.indexOf('\n\n')
  if (end < 0) throw refusal('the body has no empty line before the checkpoint')
  const [oldLine = '', ...proofLines] = body.slice(0, end).split('\n')
  if (proofLines.length > MAX_PROOF_LINES) throw refusal(`the proof has over ${MAX_PROOF_LINES} lines`)
  const old = oldLine.startsWith('old ') ? decimal(oldLine.slice('old '.length)) : undefined
  if (old === undefined) throw refusal('the body starts with: old <size>')
  const proof = proofLines.map(parseHash)
  const checkpoint = body.slice(end + 2)
  const { text, claimed } = readCheckpoint(checkpoint)
  if (old > claimed.size)
    throw refusal(`the old size ${old} is above ${claimed.size}, that of the checkpoint`)
  return { old, proof, checkpoint, text, claimed }
}

/** Reads the answer with status 200, one or more signature lines, without believing it. Throws KitError `answer`. */
export function parseCosignatures(body: string): NoteSignature[] {
  if (Buffer.byteLength(body) > MAX_WITNESS_ANSWER_BYTES) {
    throw new KitError('answer', `the answer is over ${MAX_WITNESS_ANSWER_BYTES} bytes long`)
  }
  try {
    return parseSignatureLines(body)
  } catch (error) {
    throw error instanceof KitError ? new KitError('answer', error.message) : error
  }
}

/**
 * Those of a witness's signatures that its known `keys` made on the checkpoint (its text); others are left
 * out, as the spec demands. Throws KitError `signature` (one of a known key is wrong or has no time),
 * `unsigned` (there is none of a known key), `algorithm` and `checkpoint`.
 */
export function verifyCosignatures(
  checkpointText: string,
  keys: readonly NoteKey[],
  signatures: readonly NoteSignature[],
): Cosignature[] {
  const verified = signatures.flatMap((signature) =>
    keys
      .filter((key) => isBy(key, signature))
      .map((key) => ({
        key,
        signature,
        timestampSeconds: verifyCosignature(checkpointText, key, signature),
      })),
  )
  if (verified.length === 0) throw new KitError('unsigned', 'no known key of the witness signed')
  // "The cosignature MUST NOT omit the timestamp, i.e. the timestamp MUST NOT be zero."
  const timeless = verified.find(({ timestampSeconds }) => timestampSeconds === 0)
  if (timeless) throw new KitError('signature', `the cosignature of ${timeless.key.name} has no time`)
  return verified
}

/** Reads the answer with status 409: the size that the witness cosigned last. Throws KitError `answer`. */
export function parseTreeSize(body: string): number {
  const size = body.endsWith('\n') ? decimal(body.slice(0, -1)) : undefined
  if (size === undefined) throw new KitError('answer', 'the answer is not a tree size and a newline')
  return size
}

/** The path segment of `GET <monitoring prefix>/<origin hash>/checkpoint`: lowercase hex of SHA-256. */
export function originHash(origin: string): string {
  return Buffer.from(sha256(Buffer.from(origin, 'utf8'))).toString('hex')
}

// "an ASCII decimal with no leading zeroes (unless the size is zero ...)".
function decimal(digits: string): number | undefined {
  const value = /^(?:0|[1-9][0-9]{0,15})$/.test(digits) ? Number(digits) : Number.NaN
  return Number.isSafeInteger(value) ? value : undefined
}

function parseHash(line: string): Uint8Array {
  const hash = decodeBase64(line)
  if (hash?.length !== HASH_SIZE_BYTES) throw refusal('a proof line is not base64 of 32 bytes')
  return hash
}

function readCheckpoint(note: string): { text: string; claimed: Required<Checkpoint> } {
  try {
    const { text } = parseNote(note)
    return { text, claimed: parseCheckpoint(text) }
  } catch (error) {
    throw error instanceof KitError ? refusal(error.message) : error
  }
}

function refusal(message: string): KitError {
  return new KitError('request', message)
}
