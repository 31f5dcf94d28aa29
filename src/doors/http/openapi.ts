// GET /v1/openapi.json: what this door serves, written down from the routes and the catalog (OpenAPI 3.1.1).

import { hash } from 'node:crypto'
import { ERROR_CODES, type ErrorCode } from '../../kernel/errors.ts'
import {
  type HttpAnswer,
  type HttpRequest,
  type ParameterDoc,
  type Route,
  type RouteDoc,
  STATUS_READ,
  text,
} from './route.ts'

/** Any route may answer these: the door refuses before the route begins, or the hub fails. */
const EVERYWHERE: readonly ErrorCode[] = ['input.malformed', 'internal', 'store.failed', 'auth.origin']
const WITH_A_PRINCIPAL: readonly ErrorCode[] = ['auth.missing', 'auth.invalid', 'auth.expired']
const WITH_A_BODY: readonly ErrorCode[] = ['input.too-deep', 'body.too-large', 'body.media-type']

const PROBLEM = '#/components/schemas/Problem'
const COMPONENT_NAME = /^[A-Za-z0-9._-]+$/

export interface OpenApi {
  readonly openapi: string
  readonly info: object
  readonly servers: readonly object[]
  readonly tags: readonly { readonly name: string }[]
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, object>>
    readonly securitySchemes: object
  }
}

export interface Operation {
  readonly operationId: string
  readonly summary: string
  readonly tags: readonly string[]
  readonly security: readonly object[]
  readonly parameters?: readonly object[]
  readonly requestBody?: object
  readonly responses: Readonly<Record<string, object>>
}

/** The route of the document about `routes` and itself. */
export function openApiRoute(routes: readonly Route[], release: string): Route {
  const route = {
    method: 'GET',
    path: '/v1/openapi.json',
    class: 'meta',
    access: 'principal',
    permission: STATUS_READ,
    docs: [OPENAPI_DOC],
  } as const
  const body = JSON.stringify(openApiOf([...routes, { ...route, handle: () => ({ status: 200 }) }], release))
  const etag = `"${hash('sha256', body, 'hex').slice(0, 32)}"`
  return {
    ...route,
    handle: ({ headers }: HttpRequest): HttpAnswer =>
      headers['if-none-match'] === etag
        ? { status: 304, headers: { etag } }
        : {
            ...text(200, body),
            headers: {
              'content-type': 'application/json; charset=utf-8',
              'cache-control': 'private, no-cache',
              etag,
            },
          },
  }
}

const OPENAPI_DOC: RouteDoc = {
  operationId: 'hub.openapi',
  summary: 'This document.',
  tag: 'health',
  answers: { 200: { description: 'OpenAPI 3.1.', schema: { type: 'object' } } },
  errors: [],
}

/** The document of these routes. Nouns (schemas with a title) become components. */
function openApiOf(routes: readonly Route[], release: string): OpenApi {
  const schemas: Record<string, object> = { Problem: problemSchema() }
  const paths: Record<string, Record<string, Operation>> = {}
  const tags = new Set<string>()
  for (const route of routes)
    for (const doc of route.docs ?? []) {
      const path = (doc.path ?? route.path).replaceAll('*}', '}')
      paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, doc, schemas) }
      tags.add(doc.tag)
    }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Polity',
      version: release,
      description:
        'Every governed action goes through the gate and is recorded. Errors are RFC 9457 problem details with a stable code.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...tags].sort().map((name) => ({ name })),
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'polity_session' },
      },
    },
  }
}

function operationOf(route: Route, doc: RouteDoc, schemas: Record<string, object>): Operation {
  const isGuarded = route.access === 'principal'
  const errors = [
    ...EVERYWHERE,
    ...(isGuarded ? WITH_A_PRINCIPAL : []),
    ...(doc.body ? WITH_A_BODY : []),
    ...doc.errors,
  ]
  return {
    operationId: doc.operationId,
    summary: doc.summary,
    tags: [doc.tag],
    security: isGuarded
      ? [{ token: [] }, { session: [] }]
      : route.access === 'open'
        ? []
        : [{}, { token: [] }, { session: [] }],
    ...(doc.parameters?.length
      ? { parameters: doc.parameters.map((each) => parameterOf(each, schemas)) }
      : {}),
    ...(doc.body
      ? {
          requestBody: {
            required: doc.body.isRequired,
            content: { 'application/json': { schema: collect(doc.body.schema, schemas) } },
          },
        }
      : {}),
    responses: { ...answersOf(doc, schemas), ...problemsOf(errors, Object.keys(doc.answers)) },
  }
}

function parameterOf(
  { name, in: place, isRequired, description, schema }: ParameterDoc,
  schemas: Record<string, object>,
): object {
  return {
    name,
    in: place,
    required: isRequired,
    ...(description === undefined ? {} : { description }),
    schema: collect(schema, schemas),
  }
}

function answersOf({ answers }: RouteDoc, schemas: Record<string, object>): Record<string, object> {
  return Object.fromEntries(
    Object.entries(answers).map(
      ([status, { description, mediaType = 'application/json', schema, headers = [] }]) => {
        const content = { [mediaType]: schema === undefined ? {} : { schema: collect(schema, schemas) } }
        const hasContent = schema !== undefined || mediaType !== 'application/json'
        const named = Object.fromEntries(headers.map((name) => [name, { schema: { type: 'string' } }]))
        return [
          status,
          {
            description,
            ...(headers.length > 0 ? { headers: named } : {}),
            ...(hasContent ? { content } : {}),
          },
        ]
      },
    ),
  )
}

/** One response per status, naming its codes; a status that is an answer already (503 of a probe) stays that. */
function problemsOf(errors: readonly ErrorCode[], taken: readonly string[]): Record<string, object> {
  const byStatus = Map.groupBy(new Set(errors), (code) => String(ERROR_CODES[code]))
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => !taken.includes(status))
      .map(([status, codes]) => [
        status,
        {
          description: codes.join(', '),
          content: {
            'application/problem+json': {
              schema: { allOf: [{ $ref: PROBLEM }, { properties: { code: { enum: codes } } }] },
            },
          },
        },
      ]),
  )
}

/** A copy of a schema in which every noun is a reference to its component. */
function collect(schema: unknown, schemas: Record<string, object>): unknown {
  if (Array.isArray(schema)) return schema.map((each) => collect(each, schemas))
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(
    Object.entries(schema).map(([name, value]) => [name, collect(value, schemas)]),
  )
  const { title } = schema as { title?: unknown }
  if (typeof title !== 'string' || !COMPONENT_NAME.test(title)) return copy
  const known = schemas[title]
  // A noun in another form (labelled as a whole, say) is written out where it stands.
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(copy)) return copy
  schemas[title] = copy
  return { $ref: `#/components/schemas/${title}` }
}

const problemSchema = () => ({
  description: 'RFC 9457 problem details. More members are facts of the error.',
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code'],
  properties: {
    type: { type: 'string', examples: ['urn:polity:error:state.stale'] },
    title: { type: 'string' },
    status: { type: 'integer', examples: [ERROR_CODES['state.stale']] },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(ERROR_CODES) },
  },
})
