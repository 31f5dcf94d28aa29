// C2SP tlog-cosignature: a cosigner's statement that it found a checkpoint consistent, as a line of its note.

import { cosignatureMessage, timestampedSignature, verifyTimestamped } from './cosigned-message.ts'
import { KitError } from './error.ts'
import { formatNote, isBy, type NoteKey, type NoteSignature, parseNote } from './signed-note.ts'

export { cosignatureMessage } from './cosigned-message.ts'

export interface Cosigner {
  /** Of type 0x04 or 0x06; see `cosignerKey`. */
  readonly key: NoteKey
  /** The raw signature of a message: Ed25519 (RFC 8032, 64 bytes) or ML-DSA-44 (FIPS 204, 2420 bytes). */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/**
 * Signs a checkpoint (its text, without signatures) as of `timestampSeconds`. What the checkpoint says is
 * the caller's to check: its consistency, and that the time is not zero where a witness answers (C2SP
 * tlog-witness). Throws KitError `signature` (the cosigner returned a wrong number of bytes), and what
 * `cosignatureMessage` throws.
 */
export async function cosign(
  checkpointText: string,
  cosigner: Cosigner,
  timestampSeconds: number,
): Promise<NoteSignature> {
  const { key } = cosigner
  const raw = await cosigner.sign(cosignatureMessage(key, checkpointText, timestampSeconds))
  return { name: key.name, id: key.id, signature: timestampedSignature(key, timestampSeconds, raw) }
}

/**
 * The time, in POSIX seconds, for which `key` signed the checkpoint. Zero is no time: it means that the
 * cosigner says nothing about having seen no larger tree. Throws KitError `signature` (of another key, not
 * fitting, or a time beyond 2^53 - 1), `algorithm` (the key is of type 0x01) and `checkpoint`.
 */
export function verifyCosignature(checkpointText: string, key: NoteKey, signature: NoteSignature): number {
  if (!isBy(key, signature)) throw new KitError('signature', `the signature is not by ${key.name}`)
  return verifyTimestamped(checkpointText, key, signature.signature)
}

/**
 * The same note with further signatures, not checked here. One of the same name and id takes the place of
 * the one before. Throws KitError `note` and `name`.
 */
export function addSignatures(note: string, signatures: readonly NoteSignature[]): string {
  const { text, signatures: present } = parseNote(note)
  const lines = new Map<string, NoteSignature>()
  for (const signature of [...present, ...signatures]) lines.set(signerOf(signature), signature)
  return formatNote(text, [...lines.values()])
}

// A key name holds no space, so the two parts cannot run into each other.
function signerOf({ name, id }: NoteSignature): string {
  return `${Buffer.from(id).toString('hex')} ${name}`
}
