// Is it alive, is it ready, how is it: words for everybody, details for principals.

import { asPolityError } from '../../kernel/errors.ts'
import { Type } from '../../kernel/schema/schema.ts'
import { type HttpAnswer, json, type Route, type RouteDoc, text } from './route.ts'
import type { ServedHub } from './served-hub.ts'

const NOT_STORED = { 'cache-control': 'no-store' }

export const healthRoutes = (hub: ServedHub, streams: () => number): Route[] => [
  {
    method: 'GET',
    path: '/livez',
    class: 'health',
    access: 'open',
    docs: [doc('health.live', 'Whether the process answers.', 'text/plain')],
    handle: () => text(200, 'ok\n', NOT_STORED),
  },
  {
    method: 'GET',
    path: '/readyz',
    class: 'health',
    access: 'open',
    docs: [
      doc(
        'health.ready',
        'Whether the hub can answer requests: its log can be read and written. `?verbose` adds how each stage of the start went.',
        'text/plain',
      ),
    ],
    handle: async ({ search }) => {
      const { status } = await probe(hub)
      const stages = search.has('verbose') ? hub.stages().map(stageLine) : []
      return text(status === 'ok' ? 200 : 503, `${[status, ...stages].join('\n')}\n`, NOT_STORED)
    },
  },
  {
    method: 'GET',
    path: '/health',
    class: 'health',
    access: 'optional',
    docs: [doc('health.report', 'The status in a word; with details for principals.', 'application/json')],
    handle: async ({ caller }): Promise<HttpAnswer> => {
      const { status, code } = await probe(hub)
      const details =
        caller === undefined
          ? {}
          : { ...detailsOf(hub), streams: streams(), ...(code === undefined ? {} : { code }) }
      return json(
        status === 'ok' ? 200 : 503,
        { status, ...details },
        { ...NOT_STORED, vary: 'authorization, cookie' },
      )
    },
  },
]

/** Reads the newest entry, what every other answer depends on, and asks whether there can be a next one. */
async function probe({ log }: ServedHub): Promise<{ status: 'ok' | 'failing'; code?: string }> {
  if (log.lost.aborted) return { status: 'failing', code: asPolityError(log.lost.reason).code }
  try {
    await log.read({ limit: 1, isNewestFirst: true })
    return { status: 'ok' }
  } catch (error) {
    return { status: 'failing', code: asPolityError(error).code }
  }
}

function detailsOf({ release, startedAt, log, gate, stages }: ServedHub) {
  return {
    release,
    startedAt,
    log: { origin: log.origin, size: log.head().size },
    gate: { mode: gate.mode, bundle: gate.bundle.digest },
    memoryRssBytes: process.memoryUsage.rss(),
    stages: stages(),
  }
}

/** The reason is for principals. */
const stageLine = ({ stage, status }: ReturnType<ServedHub['stages']>[number]): string => `${stage} ${status}`

const doc = (operationId: string, summary: string, mediaType: string): RouteDoc => ({
  operationId,
  summary,
  tag: 'health',
  answers: {
    200: { description: 'It is well.', mediaType, schema: Type.Unknown() },
    503: { description: 'It is not.', mediaType, schema: Type.Unknown() },
  },
  errors: [],
})
