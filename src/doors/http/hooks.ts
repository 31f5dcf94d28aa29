// The way in for webhooks: raw bytes from anybody, whose signature decides; and the handshake of CloudEvents HTTP 1.1 Web Hooks.

import { Type } from '../../kernel/schema/schema.ts'
import { type HookReceiver, hookReceiver } from '../../modules/webhooks/contract.ts'
import type { HttpAnswer, HttpRequest, Route, RouteDoc } from './route.ts'
import type { ServedHub } from './served-hub.ts'

const PATH = '/v1/hooks/{source}'
const BODY_SIZE_MAX_BYTES = 1024 * 1024
const ORIGIN_MAX_CHARS = 253

/** None where the hub takes no webhooks. */
export function hookRoutes({ face }: Pick<ServedHub, 'face'>): Route[] {
  const receiver = face(hookReceiver)
  if (receiver === undefined) return []
  const shared = { path: PATH, class: 'hook', access: 'open', takesBytes: true } as const
  return [
    {
      ...shared,
      method: 'POST',
      bodySizeMaxBytes: BODY_SIZE_MAX_BYTES,
      docs: [RECEIVE],
      handle: (request: HttpRequest) => receive(receiver, request),
    },
    { ...shared, method: 'OPTIONS', handle: (request: HttpRequest) => consent(receiver, request) },
  ]
}

/** Acknowledged after the commit. A token in the query must not be kept by what stands in between (section 3.2). */
async function receive(
  receiver: HookReceiver,
  { params: { source = '' }, headers, body, search }: HttpRequest,
): Promise<HttpAnswer> {
  const accessToken = search.get('access_token')
  await receiver.receive({
    source,
    headers,
    body: body instanceof Uint8Array ? body : new Uint8Array(0),
    ...(accessToken === null ? {} : { accessToken }),
  })
  return { status: 204, headers: { 'cache-control': 'private, no-store' } }
}

/** Without consent the answer is that of any other path: "the existing response ought not to be interpreted as consent". */
async function consent(
  receiver: HookReceiver,
  { params: { source = '' }, headers }: HttpRequest,
): Promise<HttpAnswer> {
  const origin = headers['webhook-request-origin']
  const rate = headers['webhook-request-rate']
  const allowed =
    typeof origin === 'string' && isOrigin(origin)
      ? await receiver.consent(source, { origin, ...(typeof rate === 'string' ? { rate } : {}) })
      : undefined
  return {
    status: 204,
    headers: {
      allow: 'POST, OPTIONS',
      ...(allowed === undefined
        ? {}
        : { 'webhook-allowed-origin': allowed.origin, 'webhook-allowed-rate': allowed.rate }),
    },
  }
}

/** "A DNS expression": it comes back in a header, so nothing else may stand in it. */
const isOrigin = (text: string): boolean => text.length <= ORIGIN_MAX_CHARS && /^[A-Za-z0-9.-]+$/.test(text)

/** What came in, for Prometheus. */
export function hookMetrics({ face }: Pick<ServedHub, 'face'>): readonly string[] {
  const counts = face(hookReceiver)?.counts()
  if (counts === undefined) return []
  return [
    '# HELP polity_hooks_total Requests of sources of webhooks, by what became of them.',
    '# TYPE polity_hooks_total counter',
    ...counts.map(({ what, count }) => `polity_hooks_total{result="${what}"} ${count}`),
  ]
}

const RECEIVE: RouteDoc = {
  operationId: 'hooks.receive',
  summary:
    'Takes the events of a source, if they are signed as it was agreed. Repetitions are acknowledged too.',
  tag: 'webhooks',
  parameters: [
    {
      name: 'source',
      in: 'path',
      description: 'the name of the source',
      isRequired: true,
      schema: Type.String(),
    },
  ],
  answers: { 204: { description: 'Committed.' } },
  errors: [
    'not-found',
    'webhooks.signature',
    'webhooks.timestamp',
    'webhooks.event',
    'body.media-type',
    'body.too-large',
    'limit',
    'log.saturated',
  ],
}
