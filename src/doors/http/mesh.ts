// GET /v1/mesh/stream: events of the mesh that the caller may see, live; bounded in number, and over when the credentials are.

import type { Readable } from 'node:stream'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import { PolityError } from '../../kernel/errors.ts'
import { Closed, Type, validate } from '../../kernel/schema/schema.ts'
import { openShares } from '../../kernel/shares.ts'
import { type MeshStream, meshStats, meshStream } from '../../modules/mesh/contract.ts'
import { formatComment, formatEvent } from '../live/server-sent-events.ts'
import type { Authenticate } from './authentication.ts'
import { openCheck, startOf } from './events.ts'
import { fieldsOf } from './fields.ts'
import { family } from './metrics.ts'
import type { HttpAnswer, PrincipalRequest, Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'
import { watchedStream } from './watched-stream.ts'

const STREAMS_MAX = 256
/** Of one principal chain: whoever opens them all takes nobody else's place. */
const STREAMS_EACH_MAX = 32
const RECONNECT_MS = 2000
/** Whoever may look at its own subscriptions may watch what they would take. */
const PERMISSION = 'mesh.subscriptions'

const StreamInput = Closed({
  after: Type.Optional(Type.String({ maxLength: 128 })),
  types: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
  filter: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
})

/** None where the hub has no mesh. */
export function meshRoutes(
  hub: ServedHub,
  authenticate: Authenticate,
  streamsMax: number = STREAMS_MAX,
): Route[] {
  const stream = hub.face(meshStream)
  if (stream === undefined) return []
  let count = 0
  const shares = openShares(STREAMS_EACH_MAX)
  const open = (request: PrincipalRequest): HttpAnswer => {
    const { signal } = request
    if (count >= streamsMax)
      throw new PolityError('limit', `${streamsMax} mesh streams are open: try again when one has ended`)
    const body = eventsFor(hub, stream, authenticate, request)
    const leave = signal.aborted ? undefined : shares.take(actorOf(request.caller.chain))
    if (leave === undefined) {
      body.destroy()
      if (signal.aborted) throw new PolityError('cancelled', 'the client has gone')
      throw new PolityError('limit', `you have ${STREAMS_EACH_MAX} mesh streams open: end one of them first`)
    }
    count += 1
    const end = () => {
      count -= 1
      leave()
    }
    signal.addEventListener('abort', end, { once: true })
    return {
      status: 200,
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
      },
      body,
    }
  }
  return [
    {
      method: 'GET',
      path: '/v1/mesh/stream',
      class: 'events',
      access: 'principal',
      permission: PERMISSION,
      docs: DOCS,
      handle: open,
    },
  ]
}

/** What happened to events of each family, for Prometheus; families are bounded by the mesh. */
export function meshMetrics({ face }: Pick<ServedHub, 'face'>): readonly string[] {
  const counts = face(meshStats)?.counts() ?? []
  if (counts.length === 0) return []
  const series = new Map(
    counts.map(({ what, family: name, count }) => [`what="${what}",family="${name}"`, count]),
  )
  return family(
    'polity_mesh_events_total',
    'counter',
    'Events by what became of them, and the first word of their type.',
    series,
  )
}

/** Throws what is wrong with the query before the first byte. */
function eventsFor(
  hub: ServedHub,
  stream: MeshStream,
  authenticate: Authenticate,
  request: PrincipalRequest,
): Readable {
  const input = validate(StreamInput, fieldsOf(StreamInput.properties, request.search), 'the query')
  const { after, types = '**', filter } = input
  const start = startOf(hub.log, request.headers['last-event-id'], after)
  const wanted = { types: types.split(','), after: start, ...(filter === undefined ? {} : { filter }) }
  const isAllowed = openCheck(hub, authenticate, request, PERMISSION)
  return watchedStream(request.signal, isAllowed, (signal) =>
    told(stream.open(request.caller.chain, wanted, signal), start, isAllowed),
  )
}

async function* told(
  events: ReturnType<MeshStream['open']>,
  start: string,
  isAllowed: () => Promise<boolean>,
): AsyncGenerator<string> {
  yield formatEvent({ id: start, retryMs: RECONNECT_MS })
  for await (const { cursor, event } of events) {
    if (!(await isAllowed())) return
    if (event === undefined) yield formatComment('')
    else yield formatEvent({ id: cursor, event: 'event', data: JSON.stringify(event) })
  }
}

const parameter = (name: string, description: string) => ({
  name,
  in: 'query' as const,
  isRequired: false,
  schema: Type.String(),
  description,
})

const DOCS: NonNullable<Route['docs']> = [
  {
    operationId: 'mesh.stream',
    summary:
      'Server-sent events of kind `event`: CloudEvents that the caller may see, with a cursor as id. Starts with what is new, or after a cursor.',
    tag: 'mesh',
    parameters: [
      parameter('types', 'Patterns of event types, separated by commas; default: all.'),
      parameter('filter', 'A CESQL expression over attributes.'),
      parameter('after', 'A cursor; exclusive.'),
      {
        name: 'Last-Event-ID',
        in: 'header',
        isRequired: false,
        schema: Type.String({ maxLength: 128 }),
        description: 'The last id that was seen; goes before `after`.',
      },
    ],
    answers: { 200: { description: 'The stream.', mediaType: 'text/event-stream', schema: Type.String() } },
    errors: ['cursor.invalid', 'cursor.ahead', 'limit', 'input.invalid'],
  },
]
