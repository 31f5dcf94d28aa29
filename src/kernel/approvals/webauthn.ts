// Verifies what authenticators sign (W3C Web Authentication Level 3): a new credential (section 7.1) and an assertion
// (section 7.2), whose challenge is the digest of a statement each.

import { hash, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { PolityError } from '../errors.ts'
import { readCoseKey } from './cose-key.ts'
import type { GivenCredential, GivenRegistration, GivenSignature } from './shapes.ts'

export interface AssertionKey {
  readonly publicKey: KeyObject
  readonly credential: Pick<GivenCredential, 'rpId' | 'origin'>
  /** The highest that was seen. */
  readonly counter: number
}

/** Section 6.1: hash of the RP id, flags, counter, and for a new credential AAGUID, length of its id, id and key. */
const RP_HASH_SIZE_BYTES = 32
const AUTHENTICATOR_DATA_MIN_BYTES = 37
const AAGUID_SIZE_BYTES = 16
const LENGTH_SIZE_BYTES = 2
const FLAG = {
  userPresent: 0x01,
  userVerified: 0x04,
  backupEligible: 0x08,
  backedUp: 0x10,
  hasCredential: 0x40,
  hasExtensions: 0x80,
} as const

/** Answers the authenticator's counter. Throws `approvals.signature`, saying which of the steps failed. */
export function checkAssertion(
  statement: string,
  { signature, authenticatorData = '', clientDataJson = '' }: GivenSignature,
  { publicKey, credential, counter }: AssertionKey,
): number {
  const client = Buffer.from(clientDataJson, 'base64')
  requireClient(client, 'webauthn.get', statement, credential)
  const data = Buffer.from(authenticatorData, 'base64')
  requireAuthenticator(data, credential)

  const signed = Buffer.concat([data, hash('sha256', client, 'buffer')])
  if (!verify(digestFor(publicKey), signed, publicKey, Buffer.from(signature, 'base64')))
    throw refused('the signature is not one by this credential')

  // Section 6.1.1: authenticators that do not count say 0; one that counts backwards may be a copy.
  const shown = counterOf(data)
  if ((shown !== 0 || counter !== 0) && shown <= counter)
    throw refused('its counter did not go up: the authenticator may have been copied, or it was used before')
  return shown
}

/**
 * Attestation is not asked for: whoever may register a key vouches for the device that he chose. Answers the key that
 * the authenticator made, and its counter. Throws `approvals.signature`, saying which of the steps failed.
 */
export function checkCreation(
  statement: string,
  { clientDataJson, authenticatorData }: GivenRegistration,
  credential: GivenCredential,
): { readonly publicKey: KeyObject; readonly counter: number } {
  requireClient(Buffer.from(clientDataJson, 'base64'), 'webauthn.create', statement, credential)
  const data = Buffer.from(authenticatorData, 'base64')
  requireAuthenticator(data, credential)
  if (!hasFlag(data, FLAG.hasCredential)) throw refused('it holds no new credential')
  const idStart = AUTHENTICATOR_DATA_MIN_BYTES + AAGUID_SIZE_BYTES + LENGTH_SIZE_BYTES
  if (data.length < idStart) throw refused('its authenticator data is too short')
  const keyStart = idStart + data.readUInt16BE(idStart - LENGTH_SIZE_BYTES)
  if (data.subarray(idStart, keyStart).toString('base64url') !== credential.id)
    throw refused('it holds another credential than the one that is registered')
  const read = readCoseKey(data.subarray(keyStart))
  if (read === undefined) throw refused('its key is none of ES256, EdDSA (Ed25519) or RS256')
  if (!hasFlag(data, FLAG.hasExtensions) && keyStart + read.end !== data.length)
    throw refused('its authenticator data is longer than what it holds')
  return { publicKey: read.key, counter: counterOf(data) }
}

/** What the browser says: what for, over which statement, on which page. */
function requireClient(
  client: Uint8Array,
  wanted: 'webauthn.get' | 'webauthn.create',
  statement: string,
  credential: AssertionKey['credential'],
): void {
  const { type, challenge, origin, crossOrigin } = readClientData(client)
  if (type !== wanted)
    throw refused(wanted === 'webauthn.get' ? 'it is no assertion (type)' : 'it is no registration (type)')
  if (!isSame(challenge, hash('sha256', statement, 'base64url')))
    throw refused('its challenge is not the digest of this statement')
  if (origin !== credential.origin || crossOrigin === true)
    throw refused('it was made on another page than the one for which the credential is registered')
}

/** What the authenticator says: for which relying party, and that a person was there whom it knows. */
function requireAuthenticator(data: Buffer, { rpId }: AssertionKey['credential']): void {
  if (data.length < AUTHENTICATOR_DATA_MIN_BYTES) throw refused('its authenticator data is too short')
  if (!timingSafeEqual(data.subarray(0, RP_HASH_SIZE_BYTES), hash('sha256', rpId, 'buffer')))
    throw refused('it was made for another relying party')
  if (!hasFlag(data, FLAG.userPresent)) throw refused('nobody was present when it was made')
  if (!hasFlag(data, FLAG.userVerified))
    throw refused('the authenticator did not ask who was there (PIN, finger or face)')
  if (hasFlag(data, FLAG.backedUp) && !hasFlag(data, FLAG.backupEligible))
    throw refused('it says that it is backed up, and that it cannot be')
}

const hasFlag = (data: Uint8Array, flag: number): boolean => ((data[RP_HASH_SIZE_BYTES] ?? 0) & flag) !== 0
const counterOf = (data: Buffer): number => data.readUInt32BE(RP_HASH_SIZE_BYTES + 1)

/** EdDSA hashes by itself; ES256 and RS256 are over SHA-256. */
const digestFor = ({ asymmetricKeyType }: KeyObject): string | null =>
  asymmetricKeyType === 'ed25519' ? null : 'sha256'

function readClientData(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(bytes).toString())
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>
  } catch {
    // As if there were none: what it lacks is named by whoever looks for it.
  }
  throw refused('its client data is no JSON object')
}

const isSame = (given: unknown, expected: string): boolean =>
  typeof given === 'string' &&
  given.length === expected.length &&
  timingSafeEqual(Buffer.from(given), Buffer.from(expected))

const LOCAL = /(^|\.)localhost$/
/** IPv4 as a URL writes it, and IPv6. */
const ADDRESS = /^[\d.]+$|^\[/

/**
 * Section 5.1.2 and HTML's "registrable domain suffix": browsers make credentials for the page's own domain or one above
 * it, over a connection that nobody else reads. Throws `input.invalid`.
 */
export function requireOwnDomain({ origin, rpId }: GivenCredential): void {
  const url = URL.parse(origin)
  const host = url?.hostname ?? ''
  if (
    url?.origin !== origin ||
    !(url.protocol === 'https:' || (url.protocol === 'http:' && LOCAL.test(host)))
  )
    throw invalid('the origin of a credential is that of a page over https, or over http at localhost')
  const isAbove = rpId.includes('.') && host.endsWith(`.${rpId}`)
  if (ADDRESS.test(host) || !(rpId === host || isAbove))
    throw invalid('the relying party of a credential is the domain of its page, or one above it')
}

const refused = (what: string): PolityError =>
  new PolityError('approvals.signature', `the assertion does not count: ${what}`)
const invalid = (message: string): PolityError => new PolityError('input.invalid', message)
