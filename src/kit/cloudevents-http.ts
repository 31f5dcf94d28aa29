// CloudEvents over HTTP: structured, batched and binary messages, written as the binding says and read strictly.

import { Buffer } from 'node:buffer'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { KitError } from './error.ts'
import { parseStrictJson } from './strict-json.ts'

/** CloudEvents 1.0.2 in its JSON form: attributes in lower case, `data` or `data_base64`. */
export interface CloudEvent {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly [attribute: string]: unknown
  readonly subject?: string
  /** RFC 3339. */
  readonly time?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly data?: unknown
  readonly data_base64?: string
}

export interface HttpMessage {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** As Node gives them: names in small letters. */
export type HttpHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

export interface ReceivedEvents {
  readonly mode: 'structured' | 'batch' | 'binary'
  readonly events: readonly CloudEvent[]
}

export const STRUCTURED = 'application/cloudevents+json'
export const BATCH = 'application/cloudevents-batch+json'
const EVENTS_MAX = 256
const ATTRIBUTES_MAX = 64
const VALUE_MAX_CHARS = 4096

/** Events as they stand in one JSON object (section 3.2). */
export const encodeStructured = (event: CloudEvent): HttpMessage => ({
  headers: { 'content-type': `${STRUCTURED}; charset=utf-8` },
  body: Buffer.from(JSON.stringify(checkedEvent(event))),
})

/** Section 3.3: only to who has asked for batches. */
export const encodeBatch = (events: readonly CloudEvent[]): HttpMessage => ({
  headers: { 'content-type': `${BATCH}; charset=utf-8` },
  body: Buffer.from(JSON.stringify(events.map((event) => checkedEvent(event)))),
})

/** Section 3.1: attributes as `ce-` headers, data as the body. */
export function encodeBinary(event: CloudEvent): HttpMessage {
  const { data, data_base64: base64, datacontenttype, ...attributes } = checkedEvent(event)
  const headers = Object.fromEntries(
    Object.entries(attributes).map(([name, value]) => [`ce-${name}`, percentEncoded(String(value))]),
  )
  if (base64 !== undefined)
    return {
      headers: { ...headers, ...(datacontenttype === undefined ? {} : { 'content-type': datacontenttype }) },
      body: decodeBase64(base64) ?? new Uint8Array(0),
    }
  if (data === undefined)
    return {
      headers: { ...headers, ...(datacontenttype === undefined ? {} : { 'content-type': datacontenttype }) },
      body: new Uint8Array(0),
    }
  const isText = !isJson(datacontenttype) && typeof data === 'string'
  return {
    headers: { ...headers, 'content-type': datacontenttype ?? 'application/json' },
    body: Buffer.from(isText ? data : JSON.stringify(data)),
  }
}

/**
 * The events of a request or an answer.
 *
 * @throws KitError `cloudevent.media-type` (a format that is not JSON, or not a CloudEvent at all),
 * `cloudevent.header` (a header that is repeated, not encoded, or at odds with the body), `cloudevent.body`
 * (not JSON, a member twice, too deep), `cloudevent.attribute` (missing, of a wrong type or name),
 * `cloudevent.limit` (too many events or attributes)
 * @see CloudEvents HTTP protocol binding 1.0.2, section 3
 */
export function decodeHttp(headers: HttpHeaders, body: Uint8Array): ReceivedEvents {
  const contentType = headerOf(headers, 'content-type')
  const [mediaType = ''] = (contentType ?? '').toLowerCase().split(';')
  const bare = mediaType.trim()
  // "matched case-insensitively"; the batch's name begins with that of the single event.
  if (!bare.startsWith('application/cloudevents'))
    return { mode: 'binary', events: [decodeBinary(headers, contentType, body)] }
  requireUtf8(contentType ?? '')
  if (bare === BATCH) return { mode: 'batch', events: decodeBatch(body) }
  if (bare !== STRUCTURED)
    throw new KitError(
      'cloudevent.media-type',
      `events are read as ${STRUCTURED} or ${BATCH}, or from ce- headers`,
    )
  const event = checkedEvent(jsonOf(body))
  requireSameHeaders(headers, event)
  return { mode: 'structured', events: [event] }
}

/** Whether the headers claim a CloudEvent in any mode. */
export const looksLikeCloudEvent = (headers: HttpHeaders): boolean =>
  /^\s*application\/cloudevents/i.test(String(headers['content-type'] ?? '')) ||
  headers['ce-specversion'] !== undefined

/**
 * The event, without attributes that are null ("MUST be treated as the equivalent of unset"). Throws KitError
 * `cloudevent.attribute`, `cloudevent.limit`.
 */
export function checkedEvent(value: unknown): CloudEvent {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new KitError('cloudevent.body', 'an event is a JSON object')
  const members = Object.entries(value).filter(
    ([name, member]) => name === 'data' || (member !== null && member !== undefined),
  )
  if (members.length > ATTRIBUTES_MAX)
    throw new KitError('cloudevent.limit', `an event may have ${ATTRIBUTES_MAX} attributes`)
  for (const [name, member] of members) checkAttribute(name, member)
  const event = Object.fromEntries(members)
  for (const name of REQUIRED)
    if (event[name] === undefined) throw new KitError('cloudevent.attribute', `the event has no ${name}`)
  if (event.data !== undefined && event.data_base64 !== undefined)
    throw new KitError('cloudevent.attribute', 'an event has data or data_base64, not both')
  if (event.data !== undefined && !isJson(event.datacontenttype) && typeof event.data !== 'string')
    throw new KitError('cloudevent.attribute', 'data that is not JSON by its datacontenttype is a string')
  return event as unknown as CloudEvent
}

const REQUIRED = ['specversion', 'id', 'source', 'type'] as const
/** "MUST consist of lower-case letters ('a' to 'z') or digits"; 20 characters are recommended, and not more than bounded. */
const ATTRIBUTE_NAME = /^[a-z0-9]{1,64}$/
/** CloudEvents section 3.1, "String": no control characters, no noncharacters; lone surrogates are checked apart. */
const FORBIDDEN = /[\p{Cc}\p{Noncharacter_Code_Point}]/u
const TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(?:\s*;\s*[\w!#$&^.+-]+=(?:[\w!#$&^.+-]+|"[^"\\]*"))*$/
/** RFC 3986: the characters that may stand in a reference. */
const URI_REFERENCE = /^[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=%]+$/
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:/

function checkAttribute(name: string, value: unknown): void {
  if (name === 'data') return
  if (name === 'data_base64') {
    if (typeof value !== 'string' || decodeBase64(value) === undefined)
      throw new KitError('cloudevent.attribute', 'data_base64 is not base64')
    return
  }
  if (!ATTRIBUTE_NAME.test(name))
    throw new KitError(
      'cloudevent.attribute',
      `${JSON.stringify(name.slice(0, 64))} is not a name of an attribute`,
    )
  if (typeof value === 'string') checkText(name, value)
  else if (typeof value === 'number') checkInteger(name, value)
  else if (typeof value !== 'boolean')
    throw new KitError('cloudevent.attribute', `${name} must be text, a whole number or a boolean`)
  checkCore(name, value)
}

function checkText(name: string, text: string): void {
  if (text === '' || text.length > VALUE_MAX_CHARS || !text.isWellFormed() || FORBIDDEN.test(text))
    throw new KitError(
      'cloudevent.attribute',
      `${name} must be 1 to ${VALUE_MAX_CHARS} characters without control characters`,
    )
}

/** "Integer - A whole number in the range -2,147,483,648 to +2,147,483,647". */
function checkInteger(name: string, value: number): void {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value > 2 ** 31 - 1)
    throw new KitError('cloudevent.attribute', `${name} must be a whole number of 32 bits`)
}

function checkCore(name: string, value: unknown): void {
  const isGood = CORE[name]
  if (isGood !== undefined && Object.hasOwn(CORE, name) && !(typeof value === 'string' && isGood(value)))
    throw new KitError('cloudevent.attribute', `${name} is not what CloudEvents 1.0 asks for`)
}

const CORE: Readonly<Record<string, (text: string) => boolean>> = {
  specversion: (text) => text === '1.0',
  id: () => true,
  source: (text) => URI_REFERENCE.test(text),
  type: () => true,
  subject: () => true,
  time: (text) => TIME.test(text) && !Number.isNaN(Date.parse(text)),
  datacontenttype: (text) => MEDIA_TYPE.test(text),
  dataschema: (text) => URI_REFERENCE.test(text) && ABSOLUTE_URI.test(text),
}

/** `*\/json` and `*\/*+json`; without a type, JSON is implied (JSON format, section 3.1.1). */
function isJson(mediaType: unknown): boolean {
  if (mediaType === undefined) return true
  const [bare = ''] = String(mediaType).toLowerCase().split(';')
  return /\/(?:.*\+)?json$/.test(bare.trim())
}

function requireUtf8(contentType: string): void {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(contentType)?.[1]
  if (charset !== undefined && charset.toLowerCase() !== 'utf-8')
    throw new KitError('cloudevent.media-type', 'events are read as UTF-8')
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return parseStrictJson(body)
  } catch (error) {
    throw new KitError('cloudevent.body', (error as Error).message)
  }
}

function decodeBatch(body: Uint8Array): CloudEvent[] {
  const events = jsonOf(body)
  if (!Array.isArray(events)) throw new KitError('cloudevent.body', 'a batch is a JSON array of events')
  if (events.length > EVENTS_MAX)
    throw new KitError('cloudevent.limit', `a batch may have ${EVENTS_MAX} events`)
  return events.map((event) => checkedEvent(event))
}

function decodeBinary(headers: HttpHeaders, contentType: string | undefined, body: Uint8Array): CloudEvent {
  if (headers['ce-specversion'] === undefined)
    throw new KitError(
      'cloudevent.media-type',
      'this is no CloudEvent: neither by its content-type nor by ce- headers',
    )
  if (headers['ce-datacontenttype'] !== undefined)
    throw new KitError('cloudevent.header', 'content-type says it: there must be no ce-datacontenttype')
  const attributes = Object.fromEntries(ceHeaders(headers))
  return checkedEvent({
    ...attributes,
    ...(contentType === undefined ? {} : { datacontenttype: contentType }),
    ...dataOf(contentType, body),
  })
}

function dataOf(contentType: string | undefined, body: Uint8Array): Pick<CloudEvent, 'data' | 'data_base64'> {
  if (body.length === 0) return {}
  if (contentType !== undefined && isJson(contentType)) {
    requireUtf8(contentType)
    return { data: jsonOf(body) }
  }
  const text = contentType?.toLowerCase().startsWith('text/') === true ? utf8Of(body) : undefined
  return text === undefined ? { data_base64: encodeBase64(body) } : { data: text }
}

function ceHeaders(headers: HttpHeaders): [string, string][] {
  const names = Object.keys(headers).filter((name) => name.startsWith('ce-'))
  if (names.length > ATTRIBUTES_MAX)
    throw new KitError('cloudevent.limit', `an event may have ${ATTRIBUTES_MAX} attributes`)
  // They are no attributes, and must not come in through the side door.
  if (names.includes('ce-data') || names.includes('ce-data_base64'))
    throw new KitError('cloudevent.header', 'data stands in the body, not in a header')
  return names.map((name) => [name.slice('ce-'.length), percentDecoded(name, headerOf(headers, name) ?? '')])
}

/** Two readers of one message must not see two events: what a `ce-` header says, the body says, too. */
function requireSameHeaders(headers: HttpHeaders, event: CloudEvent): void {
  for (const [name, value] of ceHeaders(headers))
    if (!Object.hasOwn(event, name) || String(event[name]) !== value)
      throw new KitError(
        'cloudevent.header',
        `the header ce-${name.slice(0, 64)} says something else than the body`,
      )
}

function headerOf(headers: HttpHeaders, name: string): string | undefined {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined
  if (value === undefined || typeof value === 'string') return value
  throw new KitError('cloudevent.header', `${name.slice(0, 64)} must be there only once`)
}

const ENCODED = /[^!#-$&-~]/gu

/** Section 3.1.3.2: space, double quote, percent, and what is not printable ASCII. */
export const percentEncoded = (text: string): string =>
  text
    .toWellFormed()
    .replace(ENCODED, (character) =>
      [...Buffer.from(character)]
        .map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`)
        .join(''),
    )

/** Undoes quotes, then one round of percent signs. A value with a bare space may be two headers joined into one. */
function percentDecoded(name: string, value: string): string {
  const isQuoted = value.startsWith('"')
  const bare = isQuoted ? unquoted(value) : value
  if (bare === undefined || (!isQuoted && !/^[!-~]*$/.test(bare)))
    throw new KitError(
      'cloudevent.header',
      `the value of ${name.slice(0, 64)} is not percent-encoded, or there twice`,
    )
  const bytes = Buffer.from(bare)
  const decoded: number[] = []
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    if (byte !== 0x25) {
      decoded.push(byte)
      continue
    }
    const hex = bytes.toString('latin1', at + 1, at + 3)
    if (!/^[0-9A-Fa-f]{2}$/.test(hex))
      throw new KitError(
        'cloudevent.header',
        `the value of ${name.slice(0, 64)} has a % without two hexadecimal digits`,
      )
    decoded.push(Number.parseInt(hex, 16))
    at += 2
  }
  const text = utf8Of(Uint8Array.from(decoded))
  if (text === undefined)
    throw new KitError('cloudevent.header', `the value of ${name.slice(0, 64)} is not UTF-8`)
  return text
}

/** RFC 9110 section 5.6.4. */
const unquoted = (value: string): string | undefined =>
  /^"((?:[^"\\]|\\[\t -~])*)"$/.exec(value)?.[1]?.replace(/\\(.)/g, '$1')

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
