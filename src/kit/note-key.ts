// The keys of C2SP signed notes: who may sign, under which name, with which kind of signature.

import { createPublicKey, type KeyObject } from 'node:crypto'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { KitError } from './error.ts'
import { sha256 } from './merkle.ts'

export interface NoteKey {
  readonly name: string
  /** SHA-256(name || 0x0a || algorithm || publicKey)[:4]. */
  readonly id: Uint8Array
  /** The signature type byte assigned by C2SP signed-note, section "Signature types". */
  readonly algorithm: number
  /** 32 bytes (RFC 8032), or 1312 of ML-DSA-44 (FIPS 204). */
  readonly publicKey: Uint8Array
}

export type CosignatureKind = 'ed25519' | 'ml-dsa-44'

/** A signature of the note's text itself. */
export const ED25519 = 0x01
/** C2SP tlog-cosignature: a time and an Ed25519 signature of both the time and the text. */
export const ED25519_COSIGNATURE = 0x04
/** C2SP tlog-cosignature: a time and an ML-DSA-44 signature of the time, the names, the size and the root. */
export const ML_DSA_44_COSIGNATURE = 0x06

export const KEY_ID_BYTES = 4

interface KeyForm {
  readonly title: string
  readonly sizeBytes: number
  /** SubjectPublicKeyInfo up to the key itself: RFC 8410 section 4, RFC 9881 section 4. */
  readonly spkiPrefix: Buffer
}

const ED25519_FORM: KeyForm = {
  title: 'an Ed25519',
  sizeBytes: 32,
  spkiPrefix: Buffer.from('302a300506032b6570032100', 'hex'),
}

const ML_DSA_44_FORM: KeyForm = {
  title: 'an ML-DSA-44',
  sizeBytes: 1312,
  spkiPrefix: Buffer.from('30820532300b06096086480165030403110382052100', 'hex'),
}

const KEY_FORMS: ReadonlyMap<number, KeyForm> = new Map([
  [ED25519, ED25519_FORM],
  [ED25519_COSIGNATURE, ED25519_FORM],
  [ML_DSA_44_COSIGNATURE, ML_DSA_44_FORM],
])

const COSIGNATURE_TYPES: Readonly<Record<CosignatureKind, number>> = {
  ed25519: ED25519_COSIGNATURE,
  'ml-dsa-44': ML_DSA_44_COSIGNATURE,
}

const MAX_VKEY_CHARS = 16_384
// The message that ML-DSA-44 signs holds the name as opaque<1..2^8-1>.
const MAX_ML_DSA_NAME_BYTES = 255

/** The key that signs notes as `name`, signature type 0x01. Throws KitError `name` and `key`. */
export function ed25519NoteKey(name: string, publicKeyRaw32: Uint8Array): NoteKey {
  return noteKey(name, ED25519, publicKeyRaw32)
}

/**
 * The key that cosigns checkpoints as `name` (C2SP tlog-cosignature). `rawPublicKey` has 32 bytes for
 * Ed25519 and 1312 for ML-DSA-44. Throws KitError `name` and `key`.
 */
export function cosignerKey(name: string, kind: CosignatureKind, rawPublicKey: Uint8Array): NoteKey {
  return noteKey(name, COSIGNATURE_TYPES[kind], rawPublicKey)
}

/** `<name>+<8 hex digits of the id>+<base64 of algorithm || publicKey>`. */
export function formatVkey(key: NoteKey): string {
  return `${key.name}+${Buffer.from(key.id).toString('hex')}+${encodeBase64(typedKey(key.algorithm, key.publicKey))}`
}

/**
 * Reads what `formatVkey` writes: signature types 0x01, 0x04 and 0x06. Throws KitError `vkey` (form),
 * `name`, `key` (length) and `algorithm` (any other type).
 */
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

/** The key object that verifies for `key`. Throws KitError `algorithm` and `key`. */
export function publicKeyOf({ algorithm, publicKey }: NoteKey): KeyObject {
  return publicKeyOfRaw(keyForm(algorithm), publicKey)
}

/** A key object of the 32 bytes of RFC 8032. Throws KitError `key`. */
export function ed25519PublicKeyOfRaw(raw: Uint8Array): KeyObject {
  return publicKeyOfRaw(ED25519_FORM, raw)
}

/** The 32 bytes of the public half of an Ed25519 key object. Throws KitError `key`. */
export function rawOfEd25519(key: KeyObject): Uint8Array {
  return rawOf(key, 'ed25519', ED25519_FORM)
}

/** The 1312 bytes of the public half of an ML-DSA-44 key object. Throws KitError `key`. */
export function rawOfMlDsa44(key: KeyObject): Uint8Array {
  return rawOf(key, 'ml-dsa-44', ML_DSA_44_FORM)
}

/** Throws KitError `name` unless `name` may stand in a signature line. */
export function checkKeyName(name: string): void {
  // "non-empty and MUST NOT contain any Unicode spaces or plus"; U+0085 is a Unicode space that \s leaves out.
  if (name === '' || /[\s\u0085+]|\p{Cc}/u.test(name) || !name.isWellFormed()) {
    throw new KitError('name', 'a key name has at least one character, no space and no plus')
  }
}

function noteKey(name: string, algorithm: number, publicKey: Uint8Array): NoteKey {
  checkKeyName(name)
  checkLength(keyForm(algorithm), publicKey)
  if (algorithm === ML_DSA_44_COSIGNATURE && Buffer.byteLength(name) > MAX_ML_DSA_NAME_BYTES) {
    throw new KitError('name', `the name of an ML-DSA-44 key has up to ${MAX_ML_DSA_NAME_BYTES} bytes`)
  }
  const named = Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), typedKey(algorithm, publicKey)])
  return {
    name,
    id: new Uint8Array(sha256(named).subarray(0, KEY_ID_BYTES)),
    algorithm,
    publicKey: new Uint8Array(publicKey),
  }
}

function keyForm(algorithm: number): KeyForm {
  const form = KEY_FORMS.get(algorithm)
  if (form === undefined) throw new KitError('algorithm', `signature type ${algorithm} is not supported`)
  return form
}

function checkLength({ title, sizeBytes }: KeyForm, raw: Uint8Array): void {
  if (raw.length !== sizeBytes) throw new KitError('key', `${title} public key has ${sizeBytes} bytes`)
}

function typedKey(algorithm: number, publicKey: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(algorithm), publicKey])
}

function publicKeyOfRaw(form: KeyForm, raw: Uint8Array): KeyObject {
  checkLength(form, raw)
  return createPublicKey({ key: Buffer.concat([form.spkiPrefix, raw]), format: 'der', type: 'spki' })
}

function rawOf(key: KeyObject, type: CosignatureKind, { title, spkiPrefix }: KeyForm): Uint8Array {
  if (key.asymmetricKeyType !== type) throw new KitError('key', `not ${title} key`)
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(spkiPrefix.length))
}
