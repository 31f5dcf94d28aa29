// Standard Webhooks: signs `id.timestamp.body` for who receives, and checks it for who was sent, in both schemes (v1, v1a).

import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { KitError } from './error.ts'

/** Shared by both sides (`whsec_`, scheme v1, HMAC-SHA256), or the public half of a pair (`whpk_`, scheme v1a, Ed25519). */
export type VerifyingKey =
  | { readonly scheme: 'v1'; readonly secret: Uint8Array }
  | { readonly scheme: 'v1a'; readonly publicKey: KeyObject }

export interface VerifyOptions {
  /** The receiver's clock, Unix time. */
  readonly nowSeconds: number
  /** How far the timestamp may be from it, in both directions; default TOLERANCE_SECONDS. */
  readonly toleranceSeconds?: number
}

export interface VerifiedWebhook {
  /** The same for every attempt to deliver it: what a receiver deduplicates by. */
  readonly id: string
  readonly timestampSeconds: number
  /** Which of the keys has signed it. */
  readonly keyIndex: number
}

/** As Node gives them: names in small letters. */
export type WebhookHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

export const TOLERANCE_SECONDS = 300
/** "Random. Between 24 bytes (192 bits) and 64 bytes (512 bits)". */
export const SECRET_SIZE_MIN_BYTES = 24
export const SECRET_SIZE_MAX_BYTES = 64
const KEY_SIZE_BYTES = 32
const ID_MAX_CHARS = 256
const SIGNATURES_MAX = 16
const SIGNATURE_HEADER_MAX_CHARS = 4096
const KEYS_MAX = 16

/** No space, so that a repeated header cannot pass for one; no full stop, or `id.timestamp.body` could be cut in two ways. */
const ID = /^[!-\-/-~]+$/
const TIMESTAMP = /^[1-9][0-9]{0,11}$/

/**
 * Whether one of the keys has signed this body under these headers, at about this time.
 *
 * @param headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, each once; others are passed over
 * @param body the bytes as they arrived
 * @throws KitError `webhook.header` (missing, repeated, malformed), `webhook.timestamp` (too old or too new),
 * `webhook.signature` (no signature is of one of the keys), `webhook.key` (too many keys, or none)
 * @see Standard Webhooks, "Verifying signatures"
 */
export function verifyWebhook(
  headers: WebhookHeaders,
  body: Uint8Array | string,
  keys: readonly VerifyingKey[],
  { nowSeconds, toleranceSeconds = TOLERANCE_SECONDS }: VerifyOptions,
): VerifiedWebhook {
  if (keys.length === 0 || keys.length > KEYS_MAX)
    throw new KitError('webhook.key', `a webhook is checked against 1 to ${KEYS_MAX} keys`)
  const id = idOf(headers)
  const timestampSeconds = timestampOf(headers)
  if (Math.abs(nowSeconds - timestampSeconds) > toleranceSeconds)
    throw new KitError(
      'webhook.timestamp',
      `webhook-timestamp is more than ${toleranceSeconds} seconds away from this clock`,
    )
  const signatures = signaturesOf(headers)
  const content = signedContent(id, timestampSeconds, body)
  const keyIndex = keys.findIndex((key) =>
    signatures.some((signature) => isSignedBy(key, content, signature)),
  )
  if (keyIndex < 0)
    throw new KitError(
      'webhook.signature',
      'no signature in webhook-signature is of a key that is known here',
    )
  return { id, timestampSeconds, keyIndex }
}

/** `v1,<base64>`. Throws KitError `webhook.key`, `webhook.header`. */
export function signV1(
  secret: Uint8Array,
  id: string,
  timestampSeconds: number,
  body: Uint8Array | string,
): string {
  checkSecret(secret)
  return `v1,${encodeBase64(macOf(secret, signedContent(checkedId(id), timestampSeconds, body)))}`
}

/** `v1a,<base64>`. Throws KitError `webhook.key`, `webhook.header`. */
export function signV1a(
  privateKey: KeyObject,
  id: string,
  timestampSeconds: number,
  body: Uint8Array | string,
): string {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519')
    throw new KitError('webhook.key', 'v1a signs with a private Ed25519 key')
  const signature = sign(null, signedContent(checkedId(id), timestampSeconds, body), privateKey)
  return `v1a,${encodeBase64(signature)}`
}

/** The headers of one attempt; several signatures while a secret is being rotated. */
export const webhookHeaders = (
  id: string,
  timestampSeconds: number,
  signatures: readonly string[],
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> => ({
  'webhook-id': checkedId(id),
  'webhook-timestamp': String(timestampSeconds),
  'webhook-signature': signatures.join(' '),
})

/** `whsec_...` -> its bytes. Throws KitError `webhook.key`. */
export function parseSecret(text: string): Uint8Array {
  const secret = keyBytes(text, 'whsec_')
  checkSecret(secret)
  return secret
}

export function formatSecret(secret: Uint8Array): string {
  checkSecret(secret)
  return `whsec_${encodeBase64(secret)}`
}

/** `whpk_...` -> a public Ed25519 key. Throws KitError `webhook.key`. */
export function parsePublicKey(text: string): KeyObject {
  const bytes = keyBytes(text, 'whpk_')
  if (bytes.length !== KEY_SIZE_BYTES) throw wrongSize('whpk_', `${KEY_SIZE_BYTES}`)
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' })
}

/** The raw public key -> `whpk_...`. */
export function formatPublicKey(publicKey: Uint8Array): string {
  if (publicKey.length !== KEY_SIZE_BYTES) throw wrongSize('whpk_', `${KEY_SIZE_BYTES}`)
  return `whpk_${encodeBase64(publicKey)}`
}

/** `whsk_...` -> a private Ed25519 key: 32 bytes of seed, alone or followed by its public key. Throws KitError `webhook.key`. */
export function parsePrivateKey(text: string): KeyObject {
  const bytes = keyBytes(text, 'whsk_')
  if (bytes.length !== KEY_SIZE_BYTES && bytes.length !== 2 * KEY_SIZE_BYTES)
    throw wrongSize('whsk_', `${KEY_SIZE_BYTES} or ${2 * KEY_SIZE_BYTES}`)
  const der = Buffer.concat([PKCS8_PREFIX, bytes.subarray(0, KEY_SIZE_BYTES)])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  if (bytes.length === 2 * KEY_SIZE_BYTES) {
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
    if (!spki.subarray(SPKI_PREFIX.length).equals(bytes.subarray(KEY_SIZE_BYTES)))
      throw new KitError('webhook.key', 'the public half of the whsk_ key does not belong to its seed')
  }
  return key
}

/** 32 random bytes -> a key pair in both spellings. */
export function keyPairOf(seed: Uint8Array): { readonly privateKey: string; readonly publicKey: string } {
  const privateKey = `whsk_${encodeBase64(seed)}`
  const spki = createPublicKey(parsePrivateKey(privateKey)).export({ format: 'der', type: 'spki' })
  return { privateKey, publicKey: formatPublicKey(spki.subarray(SPKI_PREFIX.length)) }
}

/** DER before the key itself: RFC 8410 sections 4 and 7. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const KEY_TEXT_MAX_CHARS = 128

function keyBytes(text: string, prefix: string): Uint8Array {
  const bytes =
    text.startsWith(prefix) && text.length <= KEY_TEXT_MAX_CHARS
      ? decodeBase64(text.slice(prefix.length))
      : undefined
  if (bytes === undefined)
    throw new KitError('webhook.key', `a key here is ${prefix} and base64 with its padding`)
  return bytes
}

const wrongSize = (prefix: string, sizes: string): KitError =>
  new KitError('webhook.key', `a ${prefix} key has ${sizes} bytes`)

function checkSecret(secret: Uint8Array): void {
  if (secret.length < SECRET_SIZE_MIN_BYTES || secret.length > SECRET_SIZE_MAX_BYTES)
    throw wrongSize('whsec_', `${SECRET_SIZE_MIN_BYTES} to ${SECRET_SIZE_MAX_BYTES}`)
}

function idOf(headers: WebhookHeaders): string {
  return checkedId(only(headers, 'webhook-id'))
}

function checkedId(id: string): string {
  if (id.length > ID_MAX_CHARS || !ID.test(id))
    throw new KitError(
      'webhook.header',
      `webhook-id must be 1 to ${ID_MAX_CHARS} printable ASCII characters without space and full stop`,
    )
  return id
}

function timestampOf(headers: WebhookHeaders): number {
  const text = only(headers, 'webhook-timestamp')
  if (!TIMESTAMP.test(text))
    throw new KitError('webhook.header', 'webhook-timestamp must be whole seconds since 1970, in decimal')
  return Number(text)
}

function only(headers: WebhookHeaders, name: string): string {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined
  if (typeof value !== 'string') throw new KitError('webhook.header', `${name} must be there exactly once`)
  return value
}

interface Signature {
  readonly scheme: string
  readonly bytes: Uint8Array
}

/** Those that can be read; "a space delimited list", in which versions that we do not know may stand. */
function signaturesOf(headers: WebhookHeaders): Signature[] {
  const text = only(headers, 'webhook-signature')
  if (text.length > SIGNATURE_HEADER_MAX_CHARS)
    throw new KitError(
      'webhook.header',
      `webhook-signature has more than ${SIGNATURE_HEADER_MAX_CHARS} characters`,
    )
  const parts = text.split(' ').filter((part) => part !== '')
  if (parts.length > SIGNATURES_MAX)
    throw new KitError('webhook.header', `webhook-signature has more than ${SIGNATURES_MAX} signatures`)
  return parts.flatMap((part) => {
    const comma = part.indexOf(',')
    const bytes = comma < 0 ? undefined : decodeBase64(part.slice(comma + 1))
    return bytes === undefined ? [] : [{ scheme: part.slice(0, comma), bytes }]
  })
}

const signedContent = (id: string, timestampSeconds: number, body: Uint8Array | string): Uint8Array =>
  Buffer.concat([
    Buffer.from(`${id}.${timestampSeconds}.`),
    typeof body === 'string' ? Buffer.from(body) : body,
  ])

const macOf = (secret: Uint8Array, content: Uint8Array): Uint8Array =>
  createHmac('sha256', secret).update(content).digest()

function isSignedBy(key: VerifyingKey, content: Uint8Array, { scheme, bytes }: Signature): boolean {
  if (scheme !== key.scheme) return false
  if (key.scheme === 'v1a') return bytes.length === 64 && verify(null, content, key.publicKey, bytes)
  const expected = macOf(key.secret, content)
  return bytes.length === expected.length && timingSafeEqual(bytes, expected)
}
