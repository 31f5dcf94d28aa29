// Whether a key may be registered: of which kind it is, what made it, and who vouches for it. The hub asks before it
// records one, and whoever verifies the log asks again.

import type { KeyObject } from 'node:crypto'
import { PolityError } from '../errors.ts'
import type { PublicData } from '../log/entry.ts'
import type { KeyRegistered } from './entries.ts'
import type { GivenCredential, GivenRegistration, GivenSignature } from './shapes.ts'
import type { KeyRow } from './standing-records.ts'
import { keyIdOf, keyStatement, offerStatement, readPublicKey, verifySigned } from './statement.ts'
import { checkCreation, requireOwnDomain } from './webauthn.ts'

const KEYS_MAX = 8
const RSA_MIN_BITS = 2048

/** What somebody has registered before, and how often that has changed or been used. */
export interface Registered {
  readonly principal: string
  readonly keys: KeyRow['keys']
  readonly version: number
}

export interface GivenKey {
  readonly publicKey: string
  readonly credential?: GivenCredential | undefined
  readonly registration?: GivenRegistration | undefined
  readonly signature?: GivenSignature | undefined
}

/**
 * The fact that a key is registered. Once there is one, a token alone is not enough to bring in another: one of those
 * that are there vouches for it. Throws `input.invalid`, `limit`, `approvals.signature`.
 */
export function registrationOf(
  { principal, keys, version }: Registered,
  { publicKey, credential, registration, signature }: GivenKey,
): PublicData<typeof KeyRegistered> {
  const parsed = readPublicKey(publicKey)
  requireUsable(parsed, credential !== undefined)
  if (keys.length >= KEYS_MAX) throw new PolityError('limit', `one person registers ${KEYS_MAX} keys at most`)
  const key = keyIdOf(parsed)
  if (keys.some((each) => each.key === key)) throw invalid('this key is registered already')
  const made = madeBy(offerStatement(principal, version), parsed, { credential, registration })
  const vouched =
    keys.length === 0 ? undefined : verifySigned(keyStatement(principal, publicKey, version), signature, keys)
  const kind = credential === undefined ? ('ed25519' as const) : ('webauthn' as const)
  return {
    principal,
    registered: { key, kind, publicKey, ...(credential === undefined ? {} : { credential }), ...made },
    ...(registration === undefined ? {} : { registration }),
    ...(vouched === undefined || signature === undefined ? {} : { vouched: signature }),
    ...(vouched?.counter === undefined ? {} : { counter: vouched.counter }),
  }
}

/** Kinds of keys that authenticators use, and the one that is good without them. */
function requireUsable(key: KeyObject, isCredential: boolean): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: { namedCurve, modulusLength = 0 } = {} } = key
  const isUsable =
    type === 'ed25519' ||
    (isCredential && type === 'ec' && namedCurve === 'prime256v1') ||
    (isCredential && type === 'rsa' && modulusLength >= RSA_MIN_BITS)
  if (!isUsable)
    throw invalid(
      'a plain key is an Ed25519 one; a WebAuthn credential may be ES256 (P-256), EdDSA (Ed25519) or RS256 (2048 bits)',
    )
}

/** The counter of the authenticator that made a credential; nothing for a plain key. */
function madeBy(
  offer: string,
  key: KeyObject,
  { credential, registration }: Pick<GivenKey, 'credential' | 'registration'>,
): { readonly counter?: number } {
  if ((credential === undefined) !== (registration === undefined))
    throw invalid(
      'credential and registration go together: what was made, and what the authenticator says of it',
    )
  if (credential === undefined || registration === undefined) return {}
  requireOwnDomain(credential)
  const { publicKey, counter } = checkCreation(offer, registration, credential)
  if (keyIdOf(publicKey) !== keyIdOf(key))
    throw new PolityError('approvals.signature', 'the public key is not the one that the authenticator made')
  return { counter }
}

const invalid = (message: string) => new PolityError('input.invalid', message)
