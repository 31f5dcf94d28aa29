// Asks a timestamping authority over HTTP (RFC 3161 section 3.4): one request, one answer, both bounded.

import type { X509Certificate } from 'node:crypto'
import { readBody } from '../bounded-body.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { TIMESTAMP_MAX_BYTES, timestampRequest, verifyTimestamp } from './timestamp.ts'

export interface TimestampAuthority {
  /** http or https: what it answers is signed. */
  readonly url: string
  /** Its certificate, or that of who certifies it. */
  readonly trusted: readonly X509Certificate[]
}

const REQUEST_TIMEOUT_MS = 10_000
const NONCE_BYTES = 16

/**
 * A response (DER) over the digest that was checked against the trusted certificates and the nonce of this very
 * request. Throws `timestamp.failed` when there is no answer, `timestamp.invalid` for one that proves nothing.
 */
export async function askAuthority(
  { url, trusted }: TimestampAuthority,
  digest: Uint8Array,
  {
    env,
    signal,
    timeoutMs = REQUEST_TIMEOUT_MS,
  }: {
    readonly env: Pick<Env, 'random'>
    readonly signal: AbortSignal
    readonly timeoutMs?: number
  },
): Promise<Uint8Array> {
  const nonce = env.random(NONCE_BYTES)
  const response = await post(
    addressOf(url),
    timestampRequest(digest, nonce),
    AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  )
  verifyTimestamp(response, digest, { trusted, nonce })
  return response
}

/** Throws `usage` unless it is the address of an authority. */
export function addressOf(url: string): URL {
  const address = URL.parse(url)
  if (address === null || !['http:', 'https:'].includes(address.protocol) || address.password !== '')
    throw new PolityError('usage', 'the timestamping authority is an http or https URL without a password')
  return address
}

async function post(url: URL, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'error',
      signal,
      headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
      body: Buffer.from(body),
    })
    if (!response.ok) {
      await response.body?.cancel()
      throw new TypeError(`it answers with status ${response.status}`)
    }
    const tooLarge = () => new RangeError(`it answers over ${TIMESTAMP_MAX_BYTES} bytes`)
    return new Uint8Array(await readBody(response, TIMESTAMP_MAX_BYTES, tooLarge))
  } catch (error) {
    throw new PolityError(
      'timestamp.failed',
      `the timestamping authority ${url.origin} gave no timestamp: ${(error as Error).message}`,
      { url: url.origin },
      error,
    )
  }
}
