// Answers from outside, read no further than they may go, and inflated no further either.

import { Buffer } from 'node:buffer'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { Dispatcher } from 'undici'
import { PolityError } from '../errors.ts'
import type { EgressAnswer } from './messages.ts'

const inflate = promisify(gunzip)

/** Throws `egress.redirected`, `egress.too-large`, and `egress.unreachable` for what is not gzip although it says so. */
export async function readAnswer(
  { statusCode, headers: raw, body }: Dispatcher.ResponseData,
  origin: string,
  sizeMaxBytes: number,
): Promise<EgressAnswer> {
  const headers = headersOf(raw as unknown as readonly (string | Buffer)[])
  if (isRedirect(statusCode)) {
    body.on('error', () => undefined).destroy()
    throw redirected(origin, statusCode, headers.get('location'))
  }
  const bytes = await bounded(body, origin, sizeMaxBytes)
  if (!isGzip(headers) || bytes.length === 0)
    return { status: statusCode, headers: Object.fromEntries(headers), body: bytes }
  // They describe what was on the way.
  headers.delete('content-encoding')
  headers.delete('content-length')
  const inflated = await inflatedBody(bytes, origin, sizeMaxBytes)
  return { status: statusCode, headers: Object.fromEntries(headers), body: inflated }
}

/** RFC 9110 section 15.4; 304 answers a condition and leads nowhere. */
const isRedirect = (status: number): boolean => status >= 300 && status < 400 && status !== 304

const isGzip = (headers: ReadonlyMap<string, string>): boolean =>
  /^(?:x-)?gzip$/i.test(headers.get('content-encoding') ?? '')

/** Names and values one after the other, as they came: no name can be mistaken for a part of an object. */
function headersOf(raw: readonly (string | Buffer)[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = textOf(raw[at]).toLowerCase()
    const value = textOf(raw[at + 1])
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return headers
}

const textOf = (part: string | Buffer | undefined): string =>
  typeof part === 'string' ? part : (part?.toString('latin1') ?? '')

async function bounded(body: AsyncIterable<Buffer>, origin: string, sizeMaxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let sizeBytes = 0
  for await (const part of body) {
    sizeBytes += part.length
    // Leaving the loop ends the exchange.
    if (sizeBytes > sizeMaxBytes) throw tooLarge(origin, sizeMaxBytes)
    parts.push(part)
  }
  return Buffer.concat(parts, sizeBytes)
}

async function inflatedBody(bytes: Buffer, origin: string, sizeMaxBytes: number): Promise<Buffer> {
  try {
    return await inflate(bytes, { maxOutputLength: sizeMaxBytes })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(origin, sizeMaxBytes)
    throw new PolityError(
      'egress.unreachable',
      `${origin} has sent an answer that is not gzip although it says so`,
      { origin },
      error,
    )
  }
}

const tooLarge = (origin: string, sizeMaxBytes: number): PolityError =>
  new PolityError('egress.too-large', `the answer of ${origin} has more than ${sizeMaxBytes} bytes`, {
    origin,
    sizeMaxBytes,
  })

const LOCATION_SIZE_MAX = 2048

const redirected = (origin: string, status: number, location: string | undefined): PolityError =>
  new PolityError(
    'egress.redirected',
    `${origin} answers ${status} and wants to lead elsewhere: configure the address it leads to`,
    { origin, status, ...(location === undefined ? {} : { location: location.slice(0, LOCATION_SIZE_MAX) }) },
  )
