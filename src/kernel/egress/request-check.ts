// What may be asked of the outside: a plain URL, headers that end where they seem to end, bounded sizes.

import { Buffer } from 'node:buffer'
import { PolityError } from '../errors.ts'
import type { EgressRequest } from './messages.ts'

const URL_SIZE_MAX = 8192
const HEADERS_MAX = 64
const HEADERS_SIZE_MAX_BYTES = 16 * 1024
const REQUEST_SIZE_MAX_BYTES = 16 * 1024 * 1024
const ANSWER_SIZE_LIMIT_BYTES = 256 * 1024 * 1024
const TIMEOUT_LIMIT_MS = 15 * 60_000

export interface CheckedRequest {
  readonly origin: string
  /** With the query. */
  readonly path: string
  readonly method: EgressRequest['method']
  readonly headers: Record<string, string>
  readonly body: Uint8Array | undefined
  readonly timeoutMs: number
  readonly answerSizeMaxBytes: number
}

const METHODS: ReadonlySet<string> = new Set(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD'])

/** They belong to the connection (RFC 9110 section 7.6.1) or would contradict the URL and the body. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** RFC 9110 section 5.5, without the obsolete octets above 0x7F. */
const FIELD_VALUE = /^[\t\x20-\x7e]*$/
/** A URL parser drops some of these in silence. */
const UNSAFE_IN_URL = /[\s\p{Cc}\\]/u

/** Throws `egress.invalid`; no part of the URL but its origin is shown, because the rest may be a secret. */
export function checkedRequest(
  request: EgressRequest,
  defaults: { readonly timeoutMs: number; readonly answerSizeMaxBytes: number },
): CheckedRequest {
  const { origin, path } = checkedUrl(request.url)
  if (!METHODS.has(request.method)) throw invalid('the method is not one of those that are sent', { origin })
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body
  if (body !== undefined && body.byteLength > REQUEST_SIZE_MAX_BYTES)
    throw invalid(`the body has more than ${REQUEST_SIZE_MAX_BYTES} bytes`, { origin })
  return {
    origin,
    path,
    method: request.method,
    headers: checkedHeaders(request.headers ?? {}, origin),
    body,
    timeoutMs: within(request.timeoutMs ?? defaults.timeoutMs, TIMEOUT_LIMIT_MS, 'timeoutMs'),
    answerSizeMaxBytes: within(
      request.answerSizeMaxBytes ?? defaults.answerSizeMaxBytes,
      ANSWER_SIZE_LIMIT_BYTES,
      'answerSizeMaxBytes',
    ),
  }
}

/** For those who keep a URL and want to refuse a bad one early. Throws `egress.invalid`. */
export function checkedUrl(text: string): { readonly origin: string; readonly path: string } {
  if (typeof text !== 'string' || text.length > URL_SIZE_MAX)
    throw invalid(`the URL is no text of at most ${URL_SIZE_MAX} characters`)
  if (!text.isWellFormed() || UNSAFE_IN_URL.test(text))
    throw invalid('the URL holds spaces, control characters, backslashes or broken characters')
  const url = URL.parse(text)
  if (url === null) throw invalid('it is not an absolute URL')
  const { protocol, origin, username, password, pathname, search } = url
  if (protocol !== 'http:' && protocol !== 'https:')
    throw invalid('only http: and https: URLs are asked', { protocol: protocol.slice(0, 32) })
  if (username !== '' || password !== '')
    throw invalid('the URL holds credentials: send them in a header, from a secret reference', { origin })
  return { origin, path: `${pathname}${search}` }
}

function checkedHeaders(given: Readonly<Record<string, string>>, origin: string): Record<string, string> {
  const names = Object.entries(given)
  if (names.length > HEADERS_MAX) throw invalid(`there are more than ${HEADERS_MAX} headers`, { origin })
  const headers = new Map<string, string>()
  let sizeBytes = 0
  for (const [name, value] of names) {
    const header = name.toLowerCase()
    if (!TOKEN.test(name)) throw invalid('the name of a header holds what no name holds', { origin })
    if (OWN_HEADERS.has(header)) throw invalid(`the header ${header} is not for callers to set`, { origin })
    if (headers.has(header)) throw invalid(`the header ${header} is there twice`, { origin })
    if (typeof value !== 'string' || !FIELD_VALUE.test(value))
      throw invalid(`the value of the header ${header} holds what no value holds`, { origin, header })
    sizeBytes += name.length + value.length
    if (sizeBytes > HEADERS_SIZE_MAX_BYTES)
      throw invalid(`the headers have more than ${HEADERS_SIZE_MAX_BYTES} bytes`, { origin })
    headers.set(header, value)
  }
  return Object.fromEntries(headers)
}

function within(value: number, max: number, what: string): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= max) return value
  throw invalid(`${what} must be a whole number from 1 to ${max}`)
}

const invalid = (reason: string, facts: Readonly<Record<string, unknown>> = {}): PolityError =>
  new PolityError('egress.invalid', `the request is not sent: ${reason}`, facts)
