// The text of a token, pol_ID_SECRET: how it is read, and how somebody makes one of which the hub never sees the secret.

import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'

const FORM = /^pol_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/
const ID_CHARS = 16
export const SECRET_SIZE_BYTES = 32

/** What the hub keeps of a secret: hex SHA-256 of its 43 characters. */
export const digestOf = (secret: string): string => hash('sha256', secret, 'hex')

/** The id of a token that was made from a digest alone, so that its text is known before the hub has heard of it. */
export const idOfDigest = (digest: string): string => digest.slice(0, ID_CHARS)

export const textOf = (id: string, secret: string): string => `pol_${id}_${secret}`

/** Undefined where it is no token. */
export function readText(text: string): { readonly id: string; readonly secret: string } | undefined {
  const [, id, secret] = FORM.exec(text) ?? []
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

export interface OwnToken {
  readonly id: string
  readonly text: string
  /** All that the hub has to be told. */
  readonly digest: string
}

/** @param random SECRET_SIZE_BYTES bytes: nobody can see from the digest how well they were drawn */
export function ownToken(random: Uint8Array): OwnToken {
  if (random.length !== SECRET_SIZE_BYTES)
    throw new RangeError(`a secret is made of ${SECRET_SIZE_BYTES} random bytes`)
  const secret = Buffer.from(random).toString('base64url')
  const digest = digestOf(secret)
  const id = idOfDigest(digest)
  return { id, text: textOf(id, secret), digest }
}
