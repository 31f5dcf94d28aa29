// Verifies a WebAuthn assertion (W3C Web Authentication Level 2, section 7.2) whose challenge is the digest of a statement.

import { hash, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { PolityError } from '../errors.ts'
import type { GivenSignature } from './shapes.ts'

export interface AssertionKey {
  readonly publicKey: KeyObject
  readonly credential: { readonly rpId: string; readonly origin: string }
  /** The highest that was seen. */
  readonly counter: number
}

/** Section 6.1: hash of the RP id, flags, counter. */
const RP_HASH_SIZE_BYTES = 32
const AUTHENTICATOR_DATA_MIN_BYTES = 37
const FLAG_USER_PRESENT = 0x01

/** Answers the authenticator's counter. Throws `approvals.signature`, saying which of the steps failed. */
export function checkAssertion(
  statement: string,
  { signature, authenticatorData = '', clientDataJson = '' }: GivenSignature,
  { publicKey, credential, counter }: AssertionKey,
): number {
  const client = Buffer.from(clientDataJson, 'base64')
  const { type, challenge, origin, crossOrigin } = readClientData(client)
  if (type !== 'webauthn.get') throw refused('it is no assertion (type)')
  if (!isSame(challenge, hash('sha256', statement, 'base64url')))
    throw refused('its challenge is not the digest of this statement')
  if (origin !== credential.origin || crossOrigin === true)
    throw refused('it was made on another page than the one for which the credential is registered')

  const data = Buffer.from(authenticatorData, 'base64')
  if (data.length < AUTHENTICATOR_DATA_MIN_BYTES) throw refused('its authenticator data is too short')
  const rpHash = hash('sha256', credential.rpId, 'buffer')
  if (!timingSafeEqual(data.subarray(0, RP_HASH_SIZE_BYTES), rpHash))
    throw refused('it was made for another relying party')
  if (((data[RP_HASH_SIZE_BYTES] ?? 0) & FLAG_USER_PRESENT) === 0)
    throw refused('nobody was present when it was made')

  const signed = Buffer.concat([data, hash('sha256', client, 'buffer')])
  if (!verify(digestFor(publicKey), signed, publicKey, Buffer.from(signature, 'base64')))
    throw refused('the signature is not one by this credential')

  // Section 6.1.1: authenticators that do not count say 0; one that counts backwards may be a copy.
  const shown = data.readUInt32BE(RP_HASH_SIZE_BYTES + 1)
  if ((shown !== 0 || counter !== 0) && shown <= counter)
    throw refused('its counter did not go up: the authenticator may have been copied, or it was used before')
  return shown
}

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

const refused = (what: string): PolityError =>
  new PolityError('approvals.signature', `the assertion does not count: ${what}`)
