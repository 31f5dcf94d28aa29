// GET /v1/events: the live stream for a principal; bounded in number, and over when the credentials are.

import { type ErrorCode, PolityError } from '../../kernel/errors.ts'
import { Closed, Type, validate } from '../../kernel/schema/schema.ts'
import { liveStream } from '../live/stream.ts'
import type { Authenticate } from './authentication.ts'
import { fieldsOf } from './fields.ts'
import { type HttpAnswer, LOG_READ, type PrincipalRequest, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'
import { watchedStream } from './watched-stream.ts'

const STREAMS_MAX = 128
/** How old the knowledge may be that a stream's credentials are valid: with what a stream waits, less than a second. */
const CREDENTIALS_CHECKED_MS = 700

const EventsInput = Closed({
  after: Type.Optional(Type.String({ maxLength: 128 })),
  type: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
})

const Cursor = Type.String({ maxLength: 128 })

export interface Streams {
  readonly route: Route
  readonly count: () => number
}

export function openStreams(
  hub: ServedHub,
  authenticate: Authenticate,
  streamsMax: number = STREAMS_MAX,
): Streams {
  let count = 0
  const open = (request: PrincipalRequest): HttpAnswer => {
    const { after, type } = validate(
      EventsInput,
      fieldsOf(EventsInput.properties, request.search),
      'the query',
    )
    const start = startOf(hub.log, request.headers['last-event-id'], after)
    if (count >= streamsMax)
      throw new PolityError('limit', `${streamsMax} live streams are open: try again when one has ended`)
    const { signal } = request
    if (signal.aborted) throw new PolityError('cancelled', 'the client has gone')
    count += 1
    signal.addEventListener('abort', () => (count -= 1), { once: true })
    const isAllowed = openCheck(hub, authenticate, request)
    const body = watchedStream(signal, isAllowed, (until) =>
      liveStream(hub, { after: start, signal: until, isAllowed, ...(type === undefined ? {} : { type }) }),
    )
    return {
      status: 200,
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        // Proxies must not collect events.
        'x-accel-buffering': 'no',
      },
      body,
    }
  }
  return {
    count: () => count,
    route: {
      method: 'GET',
      path: '/v1/events',
      class: 'events',
      access: 'principal',
      permission: LOG_READ,
      docs: DOCS,
      handle: open,
    },
  }
}

/** A reconnecting browser repeats its first URL, so the header is the newer word. Throws `cursor.invalid`, `cursor.ahead`. */
export function startOf(
  log: ServedHub['log'],
  lastEventId: string | string[] | undefined,
  after: string | undefined,
): string {
  const { size } = log.head()
  const cursor = lastEventId ? String(lastEventId) : after
  if (cursor === undefined) return log.cursorAt(size)
  if (log.positionOf(cursor) > size)
    throw new PolityError('cursor.ahead', 'this cursor is ahead of what is published')
  return cursor
}

/** A stream is not kept open on the strength of what was decided before. */
const NO_LONGER: readonly ErrorCode[] = ['denied', 'gate.unavailable']

/** Whether the credentials still hold, and allow a query; asked before events are sent. */
export function openCheck(
  { permit }: Pick<ServedHub, 'permit'>,
  authenticate: Authenticate,
  { headers }: Pick<PrincipalRequest, 'headers'>,
  permission: string = LOG_READ,
): () => Promise<boolean> {
  let checkedAtMs = performance.now()
  return async () => {
    if (performance.now() - checkedAtMs < CREDENTIALS_CHECKED_MS) return true
    try {
      await permit(await authenticate(headers, false), permission)
      checkedAtMs = performance.now()
      return true
    } catch (error) {
      if (error instanceof PolityError && (error.status === 401 || NO_LONGER.includes(error.code)))
        return false
      throw error
    }
  }
}

const DOCS: NonNullable<Route['docs']> = [
  {
    operationId: 'log.events',
    summary:
      'Server-sent events: `entry` and `checkpoint` with a cursor as id, `progress` of runs. Starts with what is new, or after a cursor.',
    tag: 'log',
    parameters: [
      { name: 'after', in: 'query', isRequired: false, schema: Cursor, description: 'Exclusive.' },
      {
        name: 'type',
        in: 'query',
        isRequired: false,
        schema: Type.String(),
        description: 'Only entries of this type.',
      },
      {
        name: 'Last-Event-ID',
        in: 'header',
        isRequired: false,
        schema: Cursor,
        description: 'The last id that was seen; goes before `after`.',
      },
    ],
    answers: { 200: { description: 'The stream.', mediaType: 'text/event-stream', schema: Type.String() } },
    errors: ['cursor.invalid', 'cursor.ahead', 'limit', 'input.invalid'],
  },
]
