// C2SP tlog-proof: a text that proves offline that an entry is in a log whose key the reader knows.

import { decodeBase64, encodeBase64 } from './base64.ts'
import { parseCheckpoint } from './checkpoint.ts'
import { KitError } from './error.ts'
import { HASH_SIZE_BYTES, verifyInclusion } from './merkle.ts'
import { type NoteKey, openNote } from './signed-note.ts'

export interface TlogProof {
  /** Of the entry, zero-based. */
  readonly index: number
  /** The RFC 6962 inclusion proof, from the leaf's sibling upwards. */
  readonly hashes: readonly Uint8Array[]
  /** The signed note, verbatim. */
  readonly checkpoint: string
  /** Opaque and, says the spec, not authenticated: never trust it. */
  readonly extra?: Uint8Array
}

export interface VerifiedProof {
  readonly origin: string
  readonly index: number
  readonly size: number
  readonly root: Uint8Array
  /** Those of the given keys that signed the checkpoint. */
  readonly verified: readonly NoteKey[]
}

const HEADER = 'c2sp.org/tlog-proof@v1'
const MAX_PROOF_CHARS = 1_200_000
const MAX_EXTRA_BYTES = 65_535
// An index has 53 bits here, so no path is longer.
const MAX_HASHES = 53

/** The text of a `.tlog-proof` file. Throws KitError `proof`. */
export function formatProof({ index, hashes, checkpoint, extra }: TlogProof): string {
  if (!Number.isSafeInteger(index) || index < 0) throw new KitError('proof', `${index} is not a leaf index`)
  if (hashes.length > MAX_HASHES || hashes.some((hash) => hash.length !== HASH_SIZE_BYTES)) {
    throw new KitError('proof', `a proof holds up to ${MAX_HASHES} hashes of 32 bytes`)
  }
  if (extra !== undefined && (extra.length === 0 || extra.length > MAX_EXTRA_BYTES)) {
    throw new KitError('proof', `extra data has 1 to ${MAX_EXTRA_BYTES} bytes`)
  }
  const extraLines = extra === undefined ? [] : [`extra ${encodeBase64(extra)}`]
  return [HEADER, ...extraLines, `index ${index}`, ...hashes.map(encodeBase64), '', checkpoint].join('\n')
}

/** Reads a proof without believing it. Throws KitError `proof` for anything but the exact form. */
export function parseProof(text: string): TlogProof {
  const end = text.length <= MAX_PROOF_CHARS ? text.indexOf('\n\n') : -1
  if (end < 0) throw new KitError('proof', 'the proof is too long or has no checkpoint')
  const [header, ...lines] = text.slice(0, end).split('\n')
  if (header !== HEADER) throw new KitError('proof', `a proof starts with ${HEADER}`)
  const extraLine = lines[0]?.startsWith('extra ') ? lines.shift() : undefined
  const index = parseIndex(lines.shift())
  const hashes = lines.map(parseHash)
  if (hashes.length > MAX_HASHES) throw new KitError('proof', `the proof holds over ${MAX_HASHES} hashes`)
  const checkpoint = text.slice(end + 2)
  return extraLine === undefined
    ? { index, hashes, checkpoint }
    : { index, hashes, checkpoint, extra: parseExtra(extraLine) }
}

/**
 * Checks that the entry with `leafHash` is in a log of which one of `keys` signed the checkpoint. The
 * caller still decides whether `origin` is the log it meant. Throws KitError `proof` (form), `inclusion`
 * (the leaf is not there), and what `openNote` and `parseCheckpoint` throw.
 */
export function verifyProof(text: string, leafHash: Uint8Array, keys: readonly NoteKey[]): VerifiedProof {
  const { index, hashes, checkpoint } = parseProof(text)
  const note = openNote(checkpoint, keys)
  const { origin, size, root } = parseCheckpoint(note.text)
  if (!verifyInclusion({ index, size, leaf: leafHash, proof: hashes, root })) {
    throw new KitError('inclusion', `the entry is not at index ${index} of ${origin}`)
  }
  return { origin, index, size, root, verified: note.verified }
}

function parseExtra(line: string): Uint8Array {
  const extra = decodeBase64(line.slice('extra '.length))
  if (extra === undefined || extra.length === 0 || extra.length > MAX_EXTRA_BYTES) {
    throw new KitError('proof', 'the extra data is not base64 or too long')
  }
  return extra
}

// "an ASCII decimal with no leading zeroes (unless the index is 0)".
function parseIndex(line: string | undefined): number {
  const digits = /^index (0|[1-9][0-9]{0,15})$/.exec(line ?? '')?.[1]
  const index = digits === undefined ? Number.NaN : Number(digits)
  if (!Number.isSafeInteger(index)) throw new KitError('proof', 'the proof has no index line')
  return index
}

function parseHash(line: string): Uint8Array {
  const hash = decodeBase64(line)
  if (hash?.length !== HASH_SIZE_BYTES) throw new KitError('proof', 'a proof line is not base64 of 32 bytes')
  return hash
}
