// The statement with which a log's key hands over to its successor: a text that both sign, so that whoever trusts one can trust the other.

import { Buffer } from 'node:buffer'
import { verify } from 'node:crypto'
import { decodeBase64 } from '../../kit/base64.ts'
import { ED25519, publicKeyOf } from '../../kit/note-key.ts'
import { type NoteKey, parseVkey } from '../../kit/signed-note.ts'
import { PolityError } from '../errors.ts'

export const ROTATION_REASONS = ['scheduled', 'compromised'] as const
export type RotationReason = (typeof ROTATION_REASONS)[number]

export interface RotationClaim {
  /** Verifier keys (C2SP signed-note) of one name, the origin of the log. */
  readonly from: string
  readonly to: string
  /** RFC 3339, UTC. */
  readonly at: string
  readonly reason: RotationReason
}

export interface Rotation extends RotationClaim {
  /** Base64 of the Ed25519 signature of `rotationStatement`. */
  readonly signatureByOld: string
  readonly signatureByNew: string
}

/** The keys of a rotation that was checked. */
export interface KeyLink {
  readonly from: NoteKey
  readonly to: NoteKey
}

const HEADER = 'polity.key-rotation/v1'
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/

/**
 * What both keys sign, UTF-8: a header that no origin has, so that the text can be no checkpoint, then one line
 * per member. Throws `keys.forged` when a member would break out of its line or the keys have not one name.
 */
export function rotationStatement({ from, to, at, reason }: RotationClaim): string {
  const { name } = linkOf({ from, to }).from
  if (!TIME.test(at)) throw forged('its time is none')
  if (!ROTATION_REASONS.includes(reason)) throw forged('its reason is unknown')
  return `${HEADER}\norigin ${name}\nfrom ${from}\nto ${to}\ntime ${at}\nreason ${reason}\n`
}

/** The keys of a rotation that both of them signed. Throws `keys.forged`. */
export function checkRotation(rotation: Rotation): KeyLink {
  const statement = Buffer.from(rotationStatement(rotation))
  const link = linkOf(rotation)
  requireSignature(statement, link.from, rotation.signatureByOld, 'old')
  requireSignature(statement, link.to, rotation.signatureByNew, 'new')
  return link
}

function linkOf({ from, to }: Pick<RotationClaim, 'from' | 'to'>): KeyLink {
  const link = { from: keyOf(from), to: keyOf(to) }
  if (link.from.name !== link.to.name) throw forged('its keys are those of two logs')
  if (from === to) throw forged('it leads from a key to itself')
  return link
}

function keyOf(vkey: string): NoteKey {
  try {
    const key = parseVkey(vkey)
    if (key.algorithm === ED25519) return key
  } catch (error) {
    throw forged(`a key of it cannot be read (${(error as Error).message})`, error)
  }
  throw forged('a key of it does not sign checkpoints')
}

function requireSignature(statement: Uint8Array, key: NoteKey, encoded: string, which: string): void {
  const signature = decodeBase64(encoded)
  if (signature === undefined || !verify(null, statement, publicKeyOf(key), signature))
    throw forged(`the ${which} key did not sign it`)
}

const forged = (why: string, cause?: unknown): PolityError =>
  new PolityError('keys.forged', `this is no rotation of a log's key: ${why}`, {}, cause)
