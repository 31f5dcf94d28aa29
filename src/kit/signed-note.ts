// C2SP signed-note: a text followed by signature lines, each by a named key.

import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { KitError } from './error.ts'
import { sha256 } from './merkle.ts'

export interface NoteKey {
  readonly name: string
  /** SHA-256(name || 0x0a || algorithm || publicKey)[:4]. */
  readonly id: Uint8Array
  /** The signature type byte assigned by C2SP signed-note, section "Signature types". */
  readonly algorithm: number
  readonly publicKey: Uint8Array
}

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

const ED25519 = 0x01

// The spec asks for at least 16; a post-quantum signature line takes up to 7 kB of base64.
const MAX_SIGNATURES = 100
const MAX_NOTE_CHARS = 1_000_000
const MAX_VKEY_CHARS = 16_384
const KEY_ID_BYTES = 4
const ED25519_KEY_BYTES = 32
const SIGNATURE_LINE_START = '\u2014 '

/** The key that signs notes as `name`. Throws KitError `name` and `key`. */
export function ed25519NoteKey(name: string, publicKeyRaw32: Uint8Array): NoteKey {
  return noteKey(name, ED25519, publicKeyRaw32)
}

/** `<name>+<8 hex digits of the id>+<base64 of algorithm || publicKey>`. */
export function formatVkey(key: NoteKey): string {
  return `${key.name}+${Buffer.from(key.id).toString('hex')}+${encodeBase64(typedKey(key.algorithm, key.publicKey))}`
}

/** Reads what `formatVkey` writes. Throws KitError `vkey` (form), `name`, `key` (length) and `algorithm` (not Ed25519). */
export function parseVkey(text: string): NoteKey {
  const match = text.length <= MAX_VKEY_CHARS ? /^([^+]+)\+([0-9a-f]{8})\+(.+)$/u.exec(text) : null
  const [, name = '', id = '', encoded = ''] = match ?? []
  const typed = match ? decodeBase64(encoded) : undefined
  const algorithm = typed?.[0]
  if (typed === undefined || algorithm === undefined) {
    throw new KitError('vkey', 'a verifier key reads <name>+<id>+<key>')
  }
  const key = noteKey(name, algorithm, typed.subarray(1))
  if (Buffer.from(key.id).toString('hex') !== id)
    throw new KitError('vkey', 'the key id does not fit the key')
  return key
}

/** The note: text, blank line, one line per signature. Throws KitError `note` and `name`. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  checkText(text)
  if (signatures.length === 0 || signatures.length > MAX_SIGNATURES) {
    throw new KitError('note', `a note carries 1 to ${MAX_SIGNATURES} signatures`)
  }
  return `${text}\n${signatures.map(formatSignature).join('')}`
}

/** Reads a note without believing it. Throws KitError `note` where its form is wrong, `name` for a key name. */
export function parseNote(noteText: string): Note {
  if (noteText.length > MAX_NOTE_CHARS) throw new KitError('note', 'the note is too long')
  checkText(noteText)
  // The text may hold empty lines: the last one in the note separates it from the signatures.
  const end = noteText.lastIndexOf('\n\n')
  if (end < 0) throw new KitError('note', 'the note has no signatures')
  const lines = noteText.slice(end + 2, -1).split('\n')
  if (lines.length > MAX_SIGNATURES)
    throw new KitError('note', `the note has over ${MAX_SIGNATURES} signatures`)
  return { text: noteText.slice(0, end + 1), signatures: lines.map(parseSignature) }
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
 * The text of a note together with those of `keys` that signed it. Signatures of other keys are
 * ignored, as the spec demands. Throws KitError `unsigned` (no known key signed), `signature`
 * (a known key's signature is wrong), `algorithm` (a known key of a kind that is not Ed25519),
 * and what `parseNote` throws.
 */
export function openNote(noteText: string, keys: readonly NoteKey[]): { text: string; verified: NoteKey[] } {
  const { text, signatures } = parseNote(noteText)
  const bytes = Buffer.from(text, 'utf8')
  const verified = new Set<NoteKey>()
  for (const signature of signatures) {
    for (const key of keys) {
      if (!isBy(key, signature)) continue
      if (!isValid(key, bytes, signature.signature)) {
        throw new KitError('signature', `the signature of ${key.name} does not fit the text`)
      }
      verified.add(key)
    }
  }
  if (verified.size === 0) throw new KitError('unsigned', 'no known key signed the note')
  return { text, verified: [...verified] }
}

// SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 section 4).
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** A key object of the 32 bytes of RFC 8032. Throws KitError `key`. */
export function ed25519PublicKeyOfRaw(raw: Uint8Array): KeyObject {
  if (raw.length !== ED25519_KEY_BYTES) throw new KitError('key', 'an Ed25519 public key has 32 bytes')
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' })
}

/** The 32 bytes of the public half of an Ed25519 key object. Throws KitError `key`. */
export function rawOfEd25519(key: KeyObject): Uint8Array {
  if (key.asymmetricKeyType !== 'ed25519') throw new KitError('key', 'not an Ed25519 key')
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length))
}

function noteKey(name: string, algorithm: number, publicKey: Uint8Array): NoteKey {
  checkName(name)
  if (algorithm !== ED25519) throw new KitError('algorithm', `signature type ${algorithm} is not supported`)
  if (publicKey.length !== ED25519_KEY_BYTES) throw new KitError('key', 'an Ed25519 public key has 32 bytes')
  const named = Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), typedKey(algorithm, publicKey)])
  return {
    name,
    id: new Uint8Array(sha256(named).subarray(0, KEY_ID_BYTES)),
    algorithm,
    publicKey: new Uint8Array(publicKey),
  }
}

function typedKey(algorithm: number, publicKey: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(algorithm), publicKey])
}

// "non-empty and MUST NOT contain any Unicode spaces or plus"; U+0085 is a Unicode space that \s leaves out.
function checkName(name: string): void {
  if (name === '' || /[\s\u0085+]|\p{Cc}/u.test(name) || !name.isWellFormed()) {
    throw new KitError('name', 'a key name has at least one character, no space and no plus')
  }
}

// "MUST be valid UTF-8 and MUST NOT contain any ASCII control characters other than newline".
function checkText(text: string): void {
  if (!text.endsWith('\n')) throw new KitError('note', 'the text does not end with a newline')
  if (/[^\n -\uffff]/.test(text)) throw new KitError('note', 'the text holds a control character')
  if (!text.isWellFormed()) throw new KitError('note', 'the text is not well-formed Unicode')
}

function formatSignature({ name, id, signature }: NoteSignature): string {
  checkName(name)
  if (id.length !== KEY_ID_BYTES || signature.length === 0) {
    throw new KitError('note', 'a signature is a key id of 4 bytes and at least one byte more')
  }
  return `${SIGNATURE_LINE_START}${name} ${encodeBase64(Buffer.concat([id, signature]))}\n`
}

function parseSignature(line: string): NoteSignature {
  const [name, encoded, ...rest] = line.startsWith(SIGNATURE_LINE_START) ? line.slice(2).split(' ') : []
  const bytes = encoded === undefined ? undefined : decodeBase64(encoded)
  if (name === undefined || bytes === undefined || rest.length > 0 || bytes.length <= KEY_ID_BYTES) {
    throw new KitError('note', 'a signature line reads: em dash, key name, base64')
  }
  checkName(name)
  return { name, id: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) }
}

function isBy(key: NoteKey, signature: NoteSignature): boolean {
  return key.name === signature.name && Buffer.compare(key.id, signature.id) === 0
}

function isValid(key: NoteKey, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (key.algorithm !== ED25519) {
    throw new KitError('algorithm', `signature type ${key.algorithm} is not supported`)
  }
  return verify(null, bytes, ed25519PublicKeyOfRaw(key.publicKey), signature)
}
