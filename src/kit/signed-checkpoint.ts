// A checkpoint as a log shows it: a note that the log's key has signed, in the name of that key.

import { type Checkpoint, parseCheckpoint } from './checkpoint.ts'
import { KitError } from './error.ts'
import { type NoteKey, openNote } from './signed-note.ts'

/**
 * Opens a note that `key` has signed, whoever else has. The key's name should match the origin (C2SP
 * tlog-checkpoint, "Signatures"); here it must. Throws the KitErrors of `openNote` and `parseCheckpoint`, and
 * `checkpoint` for one that speaks for another log.
 */
export function openCheckpoint(note: string, key: NoteKey): Required<Checkpoint> {
  const checkpoint = parseCheckpoint(openNote(note, [key]).text)
  if (checkpoint.origin !== key.name)
    throw new KitError('checkpoint', `the checkpoint speaks for ${checkpoint.origin}, not for ${key.name}`)
  return checkpoint
}
