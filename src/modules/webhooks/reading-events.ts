// The events in a request that was proven: CloudEvents in the modes that the signature covers, or what each scheme calls an event.

import { PolityError } from '../../kernel/errors.ts'
import { hopsOf, present, textOf } from '../../kernel/feed/strangers.ts'
import { type CloudEvent, decodeHttp, looksLikeCloudEvent } from '../../kit/cloudevents-http.ts'
import { KitError } from '../../kit/error.ts'
import { parseStrictJson } from '../../kit/strict-json.ts'
import type { HookRequest } from './faces.ts'
import type { Proof } from './proving.ts'
import type { SourceRow } from './views.ts'

export interface IncomingEvent {
  /** What the same event is known by when it comes again. */
  readonly id: string
  /** Below the prefix of its source. */
  readonly type: string
  readonly subject?: string
  readonly claimedSource?: string
  readonly claimedTime?: string
  /** How often it was passed on from hub to hub, as the sender says. */
  readonly hops?: number
  readonly data?: unknown
}

/** Throws `webhooks.event`, `body.media-type`. */
export function eventsOf(source: SourceRow, request: HookRequest, proof: Proof): readonly IncomingEvent[] {
  try {
    if (looksLikeCloudEvent(request.headers)) return cloudEvents(source, request, proof)
    if (source.scheme === 'cloudevents')
      throw new PolityError('body.media-type', 'this source takes CloudEvents only')
    const body = parseStrictJson(request.body)
    return [
      source.scheme === 'standard' ? standardEvent(body, proof) : plainEvent(source, request, body, proof),
    ]
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    if (error.code === 'cloudevent.media-type') throw new PolityError('body.media-type', error.message)
    throw new PolityError('webhooks.event', error.message)
  }
}

function cloudEvents(source: SourceRow, { headers, body }: HookRequest, proof: Proof): IncomingEvent[] {
  const { mode, events } = decodeHttp(headers, body)
  // A signature over the body says nothing of an event whose id and type are headers.
  if (mode === 'binary' && source.scheme !== 'cloudevents')
    throw new PolityError(
      'body.media-type',
      'attributes in headers are not signed: send application/cloudevents+json',
    )
  return events.map((event, place) =>
    incoming(event, events.length === 1 ? proof.id : proof.id && `${proof.id}/${place}`),
  )
}

const incoming = (event: CloudEvent, provenId: string | undefined): IncomingEvent => ({
  id: provenId ?? `${event.source} ${event.id}`,
  type: event.type,
  claimedSource: event.source,
  ...present({
    subject: textOf(event.subject),
    claimedTime: textOf(event.time),
    hops: hopsOf(event.hops),
  }),
  ...(event.data_base64 === undefined
    ? present({ data: event.data })
    : { data: { base64: event.data_base64 } }),
})

/** Standard Webhooks, "Payload structure". */
function standardEvent(body: unknown, proof: Proof): IncomingEvent {
  const { type, timestamp, data, hops } = recordOf(body)
  if (typeof type !== 'string') throw new PolityError('webhooks.event', 'the payload has no `type`')
  return {
    id: proof.id ?? '',
    type,
    ...present({ data, claimedTime: textOf(timestamp), hops: hopsOf(hops) }),
  }
}

/** GitHub names the event in a header; of others, nothing is known but what stands in the body. */
function plainEvent(
  { scheme }: SourceRow,
  { headers }: HookRequest,
  body: unknown,
  proof: Proof,
): IncomingEvent {
  const members = typeof body === 'object' && body !== null && !Array.isArray(body) ? recordOf(body) : {}
  const named = scheme === 'github' ? textOf(headers['x-github-event']) : textOf(members.type)
  const action = scheme === 'github' ? textOf(members.action) : undefined
  const type = [named ?? 'event', ...(action === undefined ? [] : [action])].join('.')
  return { id: proof.id ?? '', type, data: body, ...present({ hops: hopsOf(members.hops) }) }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PolityError('webhooks.event', 'the payload is no JSON object')
  return value as Readonly<Record<string, unknown>>
}
