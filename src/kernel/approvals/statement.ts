// What a person signs when he votes, and whether a signature over it is his.

import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto'
import { PolityError } from '../errors.ts'
import { canonicalText } from '../schema/canonical.ts'
import type { RequestRow } from './request.ts'
import type { Choice, GivenSignature } from './shapes.ts'
import type { KeyRow } from './standing-records.ts'
import { checkAssertion } from './webauthn.ts'

type RegisteredKeyRow = KeyRow['keys'][number]

/** What a voter says: the vote, why, and in whose place. */
export interface SaidVote {
  readonly vote: Choice | 'break-glass'
  readonly reason?: string | undefined
  readonly delegator?: string | undefined
}

/**
 * RFC 8785 text that binds a vote, its reason and the one in whose place it is cast to one request, its arguments, the
 * rules, and the end of its time. `ballot` is how often the voter has voted on it before: a signature that was used, or
 * taken back, does not serve again.
 */
export const voteStatement = (
  request: RequestRow,
  voter: string,
  { vote, reason, delegator }: SaidVote,
): string =>
  canonicalText({
    ...aboutVote(request, voter, vote),
    kind: 'polity.approval-vote/2',
    // That no reason was given is signed, too: nobody puts one there afterwards.
    reason: reason ?? null,
    delegator: delegator ?? null,
  })

/** As votes were signed before their reasons were. Logs hold them; no hub takes one any more. */
export const earlierVoteStatement = (
  request: RequestRow,
  voter: string,
  { vote }: Pick<SaidVote, 'vote'>,
): string => canonicalText({ ...aboutVote(request, voter, vote), kind: 'polity.approval-vote/1' })

const aboutVote = (
  { approval, inputDigest, bundle, expiresAt, cast }: RequestRow,
  voter: string,
  vote: SaidVote['vote'],
) => ({ approval, action: inputDigest, bundle, expiresAt, voter, vote, ballot: cast[voter] ?? 0 })

/**
 * What a new authenticator is challenged with. `sequence` is how often the keys of the principal have changed or been
 * used: what was recorded once registers nothing again.
 */
export const offerStatement = (principal: string, sequence: number): string =>
  canonicalText({ kind: 'polity.approval-key-offer/1', principal, sequence })

/** A key that stands beside others is vouched for by one of them, over this. */
export const keyStatement = (principal: string, publicKey: string, sequence: number): string =>
  canonicalText({ kind: 'polity.approval-key/2', principal, publicKey, sequence })

export interface Verified {
  readonly assurance: 'signed' | 'attributed, unsigned'
  /** Of the authenticator; absent for a plain key. */
  readonly counter?: number
}

/** Throws `approvals.signature` for one that is missing where there is a key, for an unknown key, and for a forged one. */
export function verifySigned(
  statement: string,
  signature: GivenSignature | undefined,
  keys: readonly RegisteredKeyRow[],
): Verified {
  if (keys.length === 0 && signature === undefined) return { assurance: 'attributed, unsigned' }
  if (signature === undefined)
    throw refused(
      'you have registered a key, so your vote must be signed: sign the statement that approvals.get shows',
    )
  const key = keys.find((each) => each.key === signature.key)
  if (key === undefined) throw refused('the signature names a key that is not registered for you')
  const publicKey = readPublicKey(key.publicKey)
  if (key.credential === undefined) {
    if (!verify(null, Buffer.from(statement), publicKey, Buffer.from(signature.signature, 'base64')))
      throw refused('the signature is not one of this statement by this key')
    return { assurance: 'signed' }
  }
  const counter = checkAssertion(statement, signature, {
    publicKey,
    credential: key.credential,
    counter: key.counter,
  })
  return { assurance: 'signed', counter }
}

const ED25519_SIZE_BYTES = 32
/** RFC 8410 section 4: what stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex')

/** Throws `input.invalid` for what is no public key that can sign a vote. */
export function readPublicKey(base64: string): KeyObject {
  const bytes = Buffer.from(base64, 'base64')
  const der = bytes.length === ED25519_SIZE_BYTES ? Buffer.concat([ED25519_SPKI, bytes]) : bytes
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' })
  } catch (error) {
    throw new PolityError(
      'input.invalid',
      'the public key is neither a DER SubjectPublicKeyInfo nor the 32 bytes of an Ed25519 key',
      {},
      error,
    )
  }
}

export const keyIdOf = (publicKey: KeyObject): string =>
  hash('sha256', publicKey.export({ format: 'der', type: 'spki' }), 'hex').slice(0, 16)

const refused = (message: string): PolityError => new PolityError('approvals.signature', message)
