// The compatibility table: paths and JSON shapes that older clients speak, as data, each leading to an action of the catalog.

import { Closed, type Static, Timestamp, type TSchema, Type, validate } from '../../kernel/schema/schema.ts'
import { act, representation } from './actions.ts'
import { json, type PrincipalRequest, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'

export interface CompatiblePath<B extends TSchema = TSchema, A extends TSchema = TSchema> {
  readonly method: 'POST'
  readonly paths: readonly [string, ...string[]]
  /** Served where the hub has this action; it alone decides and records. */
  readonly action: string
  readonly operationId: string
  readonly summary: string
  readonly body: B
  readonly answer: A
  readonly status: 200 | 201
  /** Renames fields, and never adds behaviour. */
  inputOf(body: Static<B>): Readonly<Record<string, unknown>>
  answerOf(output: Readonly<Record<string, unknown>>, body: Static<B>): Static<A>
}

const compatible = <B extends TSchema, A extends TSchema>(row: CompatiblePath<B, A>): CompatiblePath =>
  row as unknown as CompatiblePath

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
]

/** A route per path whose action this hub has. */
export const compatibilityRoutes = (hub: ServedHub): Route[] =>
  TABLE.flatMap((row) => {
    const definition = hub.catalog.definitions.find(({ name }) => name.startsWith(`${row.action}@`))
    if (definition === undefined) return []
    return row.paths.map(
      (path): Route => ({
        method: row.method,
        path,
        class: 'resource',
        access: 'principal',
        docs: [docOf(row, path)],
        handle: async (request: PrincipalRequest) => {
          const body = validate(row.body, request.body, `the body of ${row.method} ${path}`)
          const performed = await act(
            hub,
            hub.catalog.command(row.action).definition,
            row.inputOf(body),
            request,
          )
          if (performed.answer.status !== 'done') return representation(performed)
          const output = performed.answer.output as Readonly<Record<string, unknown>>
          const { headers = {} } = representation(performed)
          return json(row.status, row.answerOf(output, body), headers)
        },
      }),
    )
  })

const docOf = ({ operationId, summary, body, answer, status, paths }: CompatiblePath, path: string) => ({
  operationId: path === paths[0] ? operationId : `${operationId}.${paths.indexOf(path)}`,
  summary,
  tag: 'compatibility',
  body: { schema: body, isRequired: true },
  answers: { [status]: { description: 'Done.', schema: answer } },
  errors: ['input.invalid', 'denied', 'idempotency.conflict', 'log.saturated', 'payload.too-large'] as const,
})
