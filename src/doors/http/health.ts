// Is it alive, is it ready, how is it: words for everybody, details for principals.

import type { Caller } from '../../kernel/catalog/caller.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { Type } from '../../kernel/schema/schema.ts'
import { type IntegrationReport, integrations } from '../../modules/counterparts/contract.ts'
import { type HttpAnswer, json, type Route, type RouteDoc, STATUS_READ, text } from './route.ts'
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
      const details = !(await mayLook(hub, caller))
        ? {}
        : { ...detailsOf(hub), streams: streams(), ...(code === undefined ? {} : { code }) }
      return json(
        status === 'ok' ? 200 : 503,
        { status, ...details },
        { ...NOT_STORED, vary: 'authorization, cookie' },
      )
    },
  },
  {
    method: 'GET',
    path: '/health/integrations',
    class: 'health',
    access: 'optional',
    docs: [
      doc(
        'health.integrations',
        'How the services outside are, in a word and a level; each of them for principals.',
        'application/json',
      ),
    ],
    handle: async ({ caller }): Promise<HttpAnswer> => {
      const report = await hub.face(integrations)?.report()
      const { services, ...summary } = integrationsOf(report)
      return json(
        summary.overall_status === 'unhealthy' ? 503 : 200,
        (await mayLook(hub, caller)) ? { ...summary, services } : summary,
        { ...NOT_STORED, vary: 'authorization, cookie' },
      )
    },
  },
]

/** The word is for everybody, the rest for whom the gate lets see it. */
async function mayLook({ permit }: Pick<ServedHub, 'permit'>, caller: Caller | undefined): Promise<boolean> {
  if (caller === undefined) return false
  try {
    await permit(caller, STATUS_READ)
    return true
  } catch (error) {
    if (error instanceof PolityError && ['denied', 'gate.unavailable'].includes(error.code)) return false
    throw error
  }
}

const WORSE = ['healthy', 'degraded', 'unhealthy'] as const

/** Field names as older clients read them. The whole is as bad as its worst part, whatever comes after it. */
function integrationsOf(report: IntegrationReport | undefined) {
  const { services, degradationLevel } = report ?? { services: [], degradationLevel: 'none' as const }
  const worst = Math.max(0, ...services.map(({ status }) => WORSE.indexOf(status)))
  return {
    timestamp: new Date().toISOString(),
    overall_status: WORSE[worst],
    services: Object.fromEntries(
      services.map(({ service, status, priority, waiting, lastError, lastSuccessAt }) => [
        service,
        { status, priority, waiting, error: lastError, last_success: lastSuccessAt },
      ]),
    ),
    integration_count: services.length,
    degradation_level: degradationLevel,
  }
}

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
    gate: { mode: gate.rollout.mode, bundle: gate.bundle.digest },
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
