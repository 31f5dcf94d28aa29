// C2SP signed-note: a text followed by signature lines, each by a named key.

import { verify } from 'node:crypto'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { parseCheckpoint } from './checkpoint.ts'
import { verifyTimestamped } from './cosigned-message.ts'
import { KitError } from './error.ts'
import {
  checkKeyName,
  ED25519,
  KEY_ID_BYTES,
  ML_DSA_44_COSIGNATURE,
  type NoteKey,
  publicKeyOf,
} from './note-key.ts'

export {
  cosignerKey,
  ed25519NoteKey,
  ed25519PublicKeyOfRaw,
  formatVkey,
  type NoteKey,
  parseVkey,
  rawOfEd25519,
  rawOfMlDsa44,
} from './note-key.ts'

export interface NoteSignature {
  readonly name: string
  readonly id: Uint8Array
  readonly signature: Uint8Array
}

export interface Note {
  /** Ends with a newline, which is part of what is signed. */
  readonly text: string
  readonly signatures: readonly NoteSignature[]
}

/** One signature that was checked. */
export interface VerifiedSignature {
  readonly key: NoteKey
  readonly signature: NoteSignature
  /** When the cosigner says it signed, in POSIX seconds; undefined for signature type 0x01, which has no time. */
  readonly timestampSeconds: number | undefined
}

// The spec asks for at least 16; a post-quantum signature line takes up to 7 kB of base64.
const MAX_SIGNATURES = 100
const MAX_NOTE_CHARS = 1_000_000
const SIGNATURE_LINE_START = '\u2014 '

/** The note: text, blank line, one line per signature. Throws KitError `note` and `name`. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  checkText(text)
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) {
    throw new KitError('note', `a note carries 1 to ${MAX_SIGNATURES} signatures`)
  }
  return `${text}\n${signatures.map(formatSignatureLine).join('')}`
}

/** Reads a note without believing it. Throws KitError `note` where its form is wrong, `name` for a key name. */
export function parseNote(noteText: string): Note {
  if (noteText.length > MAX_NOTE_CHARS) throw new KitError('note', 'the note is too long')
  checkText(noteText)
  // The text may hold empty lines: the last one in the note separates it from the signatures.
  const end = noteText.lastIndexOf('\n\n')
  if (end < 0) throw new KitError('note', 'the note has no signatures')
  return { text: noteText.slice(0, end + 1), signatures: parseSignatureLines(noteText.slice(end + 2)) }
}

/** Reads signature lines, each ended by a newline, without believing them. Throws KitError `note` and `name`. */
export function parseSignatureLines(block: string): NoteSignature[] {
  if (block.length > MAX_NOTE_CHARS || !block.endsWith('\n')) {
    throw new KitError(
      'note',
      'the signature lines are too long, or the last one does not end with a newline',
    )
  }
  const lines = block.slice(0, -1).split('\n')
  if (lines.length > MAX_SIGNATURES) throw new KitError('note', `there are over ${MAX_SIGNATURES} signatures`)
  return lines.map(parseSignature)
}

/** Em dash, key name, base64 of id and signature, newline. Throws KitError `note` and `name`. */
export function formatSignatureLine({ name, id, signature }: NoteSignature): string {
  checkKeyName(name)
  if (id.length !== KEY_ID_BYTES || signature.length === 0) {
    throw new KitError('note', 'a signature is a key id of 4 bytes and at least one byte more')
  }
  return `${SIGNATURE_LINE_START}${name} ${encodeBase64(Buffer.concat([id, signature]))}\n`
}

/** Signs `text` and returns the whole note. `sign` gets the UTF-8 bytes of the text. */
export function signNote(text: string, key: NoteKey, sign: (bytes: Uint8Array) => Uint8Array): string {
  return formatNote(text, [noteSignature(text, key, sign)])
}

/** One signature line's worth, for notes with several signatures. */
export function noteSignature(
  text: string,
  key: NoteKey,
  sign: (bytes: Uint8Array) => Uint8Array,
): NoteSignature {
  checkText(text)
  return { name: key.name, id: key.id, signature: sign(Buffer.from(text, 'utf8')) }
}

/**
 * The text of a note together with those of `keys` that signed it, whatever their kind: type 0x01 signs any
 * text, 0x04 and 0x06 sign checkpoints. Signatures of other keys are ignored, as the spec demands. Throws
 * KitError `unsigned` (no known key signed; or extension lines that no known key covers, because ML-DSA-44
 * does not sign them), and what `parseNote` and `verifySignatures` throw.
 */
export function openNote(noteText: string, keys: readonly NoteKey[]): { text: string; verified: NoteKey[] } {
  const note = parseNote(noteText)
  const verified = [...new Set(verifySignatures(note, keys).map(({ key }) => key))]
  if (verified.length === 0) throw new KitError('unsigned', 'no known key signed the note')
  if (!verified.some((key) => coversText(key, note.text))) {
    throw new KitError('unsigned', 'no known key signed the extension lines of the checkpoint')
  }
  return { text: note.text, verified }
}

/**
 * Every signature of the note by one of `keys`, in the order of the note; those of other keys are left out.
 * Throws KitError `signature` (a known key's signature is wrong), `algorithm` (a known key of another type)
 * and `checkpoint` (a known cosigner signed a text that is no checkpoint).
 */
export function verifySignatures({ text, signatures }: Note, keys: readonly NoteKey[]): VerifiedSignature[] {
  return signatures.flatMap((signature) =>
    keys
      .filter((key) => isBy(key, signature))
      .map((key) => ({ key, signature, timestampSeconds: verifySignature(key, text, signature.signature) })),
  )
}

/** Whether a signature of `key` covers every byte of a checkpoint's text. Throws KitError `checkpoint`. */
export function coversText({ algorithm }: NoteKey, text: string): boolean {
  // "checkpoint extension lines are not included in the signed message for ML-DSA-44 cosignatures".
  return algorithm !== ML_DSA_44_COSIGNATURE || parseCheckpoint(text).extensions.length === 0
}

/** Whether the signature line says that it is by `key`: name and id, not proof. */
export function isBy(key: NoteKey, signature: NoteSignature): boolean {
  return key.name === signature.name && Buffer.compare(key.id, signature.id) === 0
}

// "MUST be valid UTF-8 and MUST NOT contain any ASCII control characters other than newline".
function checkText(text: string): void {
  if (!text.endsWith('\n')) throw new KitError('note', 'the text does not end with a newline')
  if (/[^\n -\uffff]/.test(text)) throw new KitError('note', 'the text holds a control character')
  if (!text.isWellFormed()) throw new KitError('note', 'the text is not well-formed Unicode')
}

function parseSignature(line: string): NoteSignature {
  const [name, encoded, ...rest] = line.startsWith(SIGNATURE_LINE_START) ? line.slice(2).split(' ') : []
  const bytes = encoded === undefined ? undefined : decodeBase64(encoded)
  if (name === undefined || bytes === undefined || rest.length > 0 || bytes.length <= KEY_ID_BYTES) {
    throw new KitError('note', 'a signature line reads: em dash, key name, base64')
  }
  checkKeyName(name)
  return { name, id: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) }
}

function verifySignature(key: NoteKey, text: string, signature: Uint8Array): number | undefined {
  if (key.algorithm !== ED25519) return verifyTimestamped(text, key, signature)
  if (!verify(null, Buffer.from(text, 'utf8'), publicKeyOf(key), signature)) {
    throw new KitError('signature', `the signature of ${key.name} does not fit the text`)
  }
  return undefined
}
