// Notes as evidence: what was signed and by whom, without the lines that nobody checked.

import { type Checkpoint, parseCheckpoint } from '../../kit/checkpoint.ts'
import { KitError } from '../../kit/error.ts'
import {
  formatNote,
  type NoteKey,
  type NoteSignature,
  parseNote,
  verifySignatures,
} from '../../kit/signed-note.ts'
import { PolityError } from '../errors.ts'

/** Extension lines are allowed, but not without end: a note is stored, and stands in alerts. */
const CHECKPOINT_TEXT_MAX_BYTES = 4096

export interface SignedCheckpoint {
  readonly checkpoint: Required<Checkpoint>
  /** What is signed. */
  readonly text: string
  /** The text and the signatures that were checked. */
  readonly note: string
  readonly signatures: readonly NoteSignature[]
  /** Those of the given keys that signed. */
  readonly keys: readonly NoteKey[]
}

/** A checkpoint as somebody shows it, signed or not. */
export type Shown = Pick<SignedCheckpoint, 'checkpoint' | 'note'>

/**
 * Reads a checkpoint under some keys. Throws `input.malformed` (its form), `witness.signature` (none of the keys
 * signed it, or a signature of one of them is wrong).
 */
export function openCheckpoint(noteText: string, keys: readonly NoteKey[]): SignedCheckpoint {
  const { note, checkpoint } = readNote(noteText)
  const verified = verifyBy(note, keys)
  const signatures = verified.map(({ signature }) => signature)
  return {
    checkpoint,
    text: note.text,
    note: formatNote(note.text, signatures),
    signatures,
    keys: verified.map(({ key }) => key),
  }
}

/** What a note says, whoever signed it. Throws `input.malformed`. */
export const claimOf = (noteText: string): Shown => ({
  checkpoint: readNote(noteText).checkpoint,
  note: noteText,
})

function readNote(noteText: string) {
  try {
    const note = parseNote(noteText)
    if (Buffer.byteLength(note.text) > CHECKPOINT_TEXT_MAX_BYTES)
      throw new KitError('checkpoint', `a checkpoint may have ${CHECKPOINT_TEXT_MAX_BYTES} bytes here`)
    return { note, checkpoint: parseCheckpoint(note.text) }
  } catch (error) {
    throw asMalformed(error)
  }
}

function verifyBy(note: ReturnType<typeof parseNote>, keys: readonly NoteKey[]) {
  try {
    const verified = verifySignatures(note, keys)
    if (verified.length === 0) throw new KitError('unsigned', 'no known key signed the checkpoint')
    return verified
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    throw new PolityError('witness.signature', error.message, {}, error)
  }
}

/** What the kit refuses as malformed, in the language of the hub. */
export function asMalformed(error: unknown): unknown {
  return error instanceof KitError ? new PolityError('input.malformed', error.message, {}, error) : error
}
