// The compatibility table: paths and JSON shapes that older clients speak, as data, each leading to an action of the catalog.

import { Closed, Timestamp, Type, validate } from '../../kernel/schema/schema.ts'
import { act, representation } from './actions.ts'
import { SERVICE_REGISTRY } from './compatibility-registry.ts'
import { type CompatiblePath, compatible } from './compatible-path.ts'
import { fieldsOf } from './fields.ts'
import { type HttpAnswer, json, type PrincipalRequest, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'

const Word = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$', maxLength: 64 })
const Words = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), { maxItems: 16 })
/** S3 Object Lock knows no retention without an end; governance, so that an owner can still end it. */
const PERMANENT = { mode: 'governance', retainUntil: '9999-12-31T00:00:00Z' } as const

const TABLE: readonly CompatiblePath[] = [
  compatible({
    method: 'POST',
    paths: ['/scrolls', '/v1/scrolls'],
    action: 'archive.preserve',
    operationId: 'compat.scrolls',
    summary: 'Preserves a scroll; the form of archive.preserve that older clients send.',
    body: Closed({
      scroll_type: Type.Optional(Word),
      timestamp: Type.Optional(Timestamp),
      content: Type.Unknown(),
      metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
      preservation_level: Type.Optional(Type.Union([Type.Literal('permanent'), Type.Literal('standard')])),
      indexing: Type.Optional(
        Closed({
          // Every scroll can be searched; one that must not be is not asked for silently.
          searchable: Type.Optional(Type.Literal(true)),
          categories: Type.Optional(Words),
          tags: Type.Optional(Words),
        }),
      ),
    }),
    answer: Closed({
      scroll_id: Type.String(),
      archive_url: Type.String(),
      preservation_guarantee: Type.Union([Type.Literal('permanent'), Type.Literal('until-deleted')]),
    }),
    status: 201,
    inputOf: ({
      scroll_type: type = 'scroll',
      timestamp,
      content,
      metadata = {},
      preservation_level,
      indexing,
    }) => ({
      title: [type, timestamp].filter((part) => part !== undefined).join(' '),
      content,
      category: type,
      tags: [...new Set([...(indexing?.categories ?? []), ...(indexing?.tags ?? [])])],
      metadata: { ...metadata, ...(timestamp === undefined ? {} : { timestamp }) },
      ...(preservation_level === 'permanent' ? { retention: PERMANENT } : {}),
    }),
    answerOf: ({ scroll }, { preservation_level }) => ({
      scroll_id: String(scroll),
      archive_url: `/v1/scrolls/${encodeURIComponent(String(scroll))}`,
      preservation_guarantee:
        preservation_level === 'permanent' ? ('permanent' as const) : ('until-deleted' as const),
    }),
  }),
  compatible({
    method: 'POST',
    paths: ['/api/events'],
    action: 'mesh.publish-legacy',
    operationId: 'compat.events',
    summary: 'Publishes an event; the form that callers of the older bus send.',
    body: Closed({
      event_type: Type.String({ minLength: 1, maxLength: 200 }),
      payload: Type.Optional(Type.Unknown()),
      source: Type.Optional(Type.String({ minLength: 1, maxLength: 128 })),
    }),
    answer: Closed({ event_id: Type.String() }),
    status: 201,
    inputOf: ({ event_type: eventType, payload = {}, source }) => ({
      eventType,
      payload,
      ...(source === undefined ? {} : { source }),
    }),
    answerOf: ({ id }) => ({ event_id: String(id) }),
  }),
  compatible({
    method: 'POST',
    paths: ['/api/webhooks/register'],
    action: 'webhooks.register',
    operationId: 'compat.webhooks',
    summary: 'Registers an endpoint; the form of webhooks.register that older clients send.',
    body: Closed({
      url: Type.String({ minLength: 1, maxLength: 2048 }),
      events: Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { minItems: 1, maxItems: 32 }),
      // In plaintext, as they send it: it goes into the vault, and into no answer.
      secret: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
    }),
    answer: Closed({ webhook_id: Type.String(), secret: Type.Optional(Type.String()) }),
    status: 201,
    inputOf: ({ url, events, secret }) => ({
      url,
      types: events,
      ...(secret === undefined ? {} : { secretText: secret }),
    }),
    // Without a secret of the client's there is a new one, and it is shown here or never.
    answerOf: ({ endpoint, secret }) => ({
      webhook_id: String(endpoint),
      ...(typeof secret === 'string' ? { secret } : {}),
    }),
  }),
  ...SERVICE_REGISTRY,
]

/** A route per path whose action this hub has. */
export const compatibilityRoutes = (hub: ServedHub): Route[] =>
  TABLE.flatMap((row) => {
    const definition = hub.catalog.definitions.find(({ name }) => name.startsWith(`${row.action}@`))
    if (definition === undefined) return []
    const serve = definition.kind === 'query' ? answered : performed
    return row.paths.map(
      (path): Route => ({
        method: row.method,
        path,
        class: 'resource',
        access: 'principal',
        docs: [docOf(row, path)],
        handle: (request: PrincipalRequest) => serve(hub, row, request, bodyOf(row, path, request)),
      }),
    )
  })

const bodyOf = ({ method, body }: CompatiblePath, path: string, { search, body: sent }: PrincipalRequest) =>
  method === 'GET'
    ? validate(body, fieldsOf((body as Type.TObject).properties, search), `the query of ${path}`)
    : validate(body, sent, `the body of ${method} ${path}`)

async function performed(
  hub: ServedHub,
  row: CompatiblePath,
  request: PrincipalRequest,
  body: unknown,
): Promise<HttpAnswer> {
  const { definition } = hub.catalog.command(row.action)
  const done = await act(hub, definition, row.inputOf(body, request.headers), request)
  if (done.answer.status !== 'done') return representation(done)
  const output = done.answer.output as Readonly<Record<string, unknown>>
  const { headers = {} } = representation(done)
  return json(row.status, row.answerOf(output, body), headers)
}

async function answered(
  hub: ServedHub,
  row: CompatiblePath,
  { caller, headers, signal }: PrincipalRequest,
  body: unknown,
): Promise<HttpAnswer> {
  const { output } = await hub.ask(caller, row.action, row.inputOf(body, headers), { signal })
  const shown = row.answerOf(output as Readonly<Record<string, unknown>>, body)
  return json(row.status, shown, { 'cache-control': 'no-store' })
}

const docOf = (
  { method, operationId, summary, body, answer, status, paths }: CompatiblePath,
  path: string,
) => ({
  operationId: path === paths[0] ? operationId : `${operationId}.${paths.indexOf(path)}`,
  summary,
  tag: 'compatibility',
  ...(method === 'GET'
    ? {
        parameters: Object.entries((body as Type.TObject).properties).map(([name, schema]) => ({
          name,
          in: 'query' as const,
          isRequired: false,
          schema,
        })),
      }
    : { body: { schema: body, isRequired: true } }),
  answers: { [status]: { description: 'Done.', schema: answer } },
  errors: ['input.invalid', 'denied', 'idempotency.conflict', 'log.saturated', 'payload.too-large'] as const,
})
