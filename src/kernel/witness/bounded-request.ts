// One HTTP exchange with another log or witness, bounded in time and size: what answers there may be hostile.

import { asPolityError, PolityError } from '../errors.ts'

export interface BoundedRequest {
  readonly method?: 'GET' | 'POST'
  readonly body?: string
  /** Of the answer's body. */
  readonly sizeMaxBytes: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

export interface BoundedAnswer {
  readonly status: number
  /** Without parameters; empty when the answer has none. */
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/**
 * Connections are kept alive. Redirects are not followed: the URL is what an owner agreed to. Throws
 * `peer.unreachable`, also for an answer that is too large or too slow, and the signal's reason.
 */
export async function boundedRequest(url: string, request: BoundedRequest): Promise<BoundedAnswer> {
  const { method = 'GET', body, sizeMaxBytes, timeoutMs, signal } = request
  requireHttp(url)
  const deadline = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      method,
      redirect: 'error',
      signal: AbortSignal.any([signal, deadline]),
      ...(body === undefined ? {} : { body }),
    })
    const [mediaType = ''] = (response.headers.get('content-type') ?? '').split(';')
    const bytes = await readBody(response, sizeMaxBytes)
    return { status: response.status, mediaType: mediaType.trim().toLowerCase(), bytes }
  } catch (error) {
    signal.throwIfAborted()
    throw unreachable(
      url,
      deadline.aborted ? `no whole answer within ${timeoutMs} ms` : reasonOf(error),
      error,
    )
  }
}

/** The text of an answer. Throws `peer.unreachable` where it is not UTF-8. */
export function textOf({ bytes }: BoundedAnswer, url: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw unreachable(url, 'the answer is not UTF-8', error)
  }
}

/** Throws `input.invalid` for another scheme than http and https, and for credentials: the log would show them. */
export function requireHttp(url: string): void {
  const { protocol, username, password } = URL.parse(url) ?? { protocol: '', username: '', password: '' }
  if (username !== '' || password !== '')
    throw new PolityError('input.invalid', 'a URL of a log or witness is public: it may hold no password')
  if (protocol !== 'http:' && protocol !== 'https:')
    throw new PolityError('input.invalid', `${url.slice(0, 200)} is not an http or https URL`)
}

/** `base` with a path under it, whether or not it ends with a slash. */
export const under = (base: string, path: string): string => `${base.replace(/\/+$/, '')}/${path}`

export const unreachable = (url: string, reason: string, cause?: unknown): PolityError =>
  new PolityError(
    'peer.unreachable',
    `${url.slice(0, 200)} cannot be read: ${reason}`,
    { url, reason },
    cause,
  )

async function readBody(response: Response, sizeMaxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  // Leaving the loop by an error cancels the rest of the body.
  for await (const part of response.body ?? []) {
    sizeBytes += part.length
    if (sizeBytes > sizeMaxBytes) throw new RangeError(`the answer has over ${sizeMaxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function reasonOf(error: unknown): string {
  const { cause } = error as { readonly cause?: { readonly code?: unknown; readonly message?: unknown } }
  return String(cause?.code ?? cause?.message ?? asPolityError(error).message)
}
