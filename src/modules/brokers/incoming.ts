// From a message to events: a CloudEvent in any mode, or whatever else it is under the prefix of its source.

import type { ReceivedMessage } from '../../kernel/broker/broker.ts'
import { PolityError } from '../../kernel/errors.ts'
import { hopsOf, idOf, present, textOf } from '../../kernel/feed/strangers.ts'
import { type CloudEvent, decodeHttp, looksLikeCloudEvent } from '../../kit/cloudevents-http.ts'
import { KitError } from '../../kit/error.ts'
import { parseStrictJson } from '../../kit/strict-json.ts'
import { HUBS_MAX } from './outgoing.ts'

export interface IncomingEvent {
  /** What the same event is known by when it comes again. */
  readonly key: string
  readonly id: string
  /** Below the prefix of its source. */
  readonly type: string
  readonly hubs: readonly string[]
  /** How often it was passed on from hub to hub, or forwarded by one, as the sender says. */
  readonly hops: number
  readonly subject?: string
  readonly claimedSource?: string
  readonly claimedTime?: string
  readonly data?: unknown
}

/** Of a message that becomes an entry; what is larger is set aside. */
const BODY_SIZE_MAX_BYTES = 256 * 1024
const TEXT_MAX_CHARS = 256
const HUB = /^[0-9a-z-]{1,64}$/

/** Throws `input.invalid`, `body.too-large` with the reason for which it can never be used. */
export function eventsOf(message: ReceivedMessage): readonly IncomingEvent[] {
  const { headers, body } = message
  if (body.length > BODY_SIZE_MAX_BYTES)
    throw new PolityError(
      'body.too-large',
      `the message has ${body.length} bytes, and an event may have ${BODY_SIZE_MAX_BYTES}`,
    )
  try {
    if (looksLikeCloudEvent(headers)) return decodeHttp(headers, body).events.map(incoming)
    return [plain(message)]
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    throw new PolityError('input.invalid', error.message)
  }
}

const incoming = (event: CloudEvent): IncomingEvent => ({
  // "Producers MUST ensure that source + id is unique for each distinct event."
  key: JSON.stringify([event.source, event.id]),
  id: idOf(event.id),
  type: event.type,
  hubs: hubsIn(event.polityhub),
  claimedSource: event.source.slice(0, TEXT_MAX_CHARS),
  hops: hopsOf(event.hops) ?? 0,
  ...present({ subject: textOf(event.subject), claimedTime: textOf(event.time) }),
  ...(event.data_base64 === undefined
    ? present({ data: event.data })
    : { data: { base64: event.data_base64 } }),
})

/**
 * Whoever gives no event identity has none but where it stands: an id of the broker's own is only good for its window,
 * and what bears it again afterwards is another message.
 */
function plain({ headers, body, position, id }: ReceivedMessage): IncomingEvent {
  const mediaType = (headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? ''
  const isJson = /\/(?:.*\+)?json$/.test(mediaType)
  const data = isJson ? parsedJson(body) : { base64: Buffer.from(body).toString('base64') }
  return {
    key: JSON.stringify([position]),
    id: idOf(id ?? position),
    type: 'message',
    hubs: hubsIn(headers.polityhub),
    hops: hopsOf(headers.hops) ?? 0,
    data,
  }
}

function parsedJson(body: Uint8Array): unknown {
  try {
    return parseStrictJson(body)
  } catch (error) {
    throw new PolityError('input.invalid', `the message is no JSON: ${(error as Error).message}`)
  }
}

function hubsIn(value: unknown): readonly string[] {
  if (typeof value !== 'string' || value === '') return []
  const hubs = value.split(',')
  if (hubs.length > HUBS_MAX || !hubs.every((hub) => HUB.test(hub)))
    throw new PolityError('input.invalid', `polityhub names at most ${HUBS_MAX} hubs, with commas between`)
  return hubs
}
