// What OpenAPI says about the definitions of the catalog: actions, queries and the resourceful routes.

import type { Catalog } from '../../kernel/catalog/catalog.ts'
import {
  baseName,
  type CommandDefinition,
  type Definition,
  type QueryDefinition,
} from '../../kernel/catalog/definition.ts'
import type { ErrorCode } from '../../kernel/errors.ts'
import { Closed, type Fields, Timestamp, type TSchema, Type } from '../../kernel/schema/schema.ts'
import { isPlain } from './fields.ts'
import { type AnswerDoc, type ParameterDoc, partsOf, type RouteDoc } from './route.ts'

const CURSOR = 'Polity-Cursor'
const ETAG = 'ETag'

export const actionDocs = (catalog: Catalog): RouteDoc[] =>
  catalog.definitions.filter(isCommand).map((definition) => {
    const name = shownName(catalog, definition)
    return {
      ...sharedDoc(definition, name),
      path: `/v1/actions/${name}`,
      parameters: commandParameters(definition),
      body: bodyOf(definition),
      answers: {
        200: { description: 'Done.', schema: done(definition), headers: headersOf(definition) },
        ...pendingAnswers(),
      },
    }
  })

export const queryDocs = (catalog: Catalog, method: 'GET' | 'POST'): RouteDoc[] =>
  catalog.definitions.filter(isQuery).map((definition) => {
    const name = shownName(catalog, definition)
    const { operationId, ...shared } = sharedDoc(definition, name)
    return {
      ...shared,
      ...(method === 'GET' ? {} : { body: bodyOf(definition) }),
      operationId: method === 'GET' ? operationId : `${operationId}.post`,
      path: `/v1/queries/${name}`,
      parameters: [
        ...(method === 'GET' ? fieldParameters(definition, []) : []),
        ...queryParameters(definition),
      ],
      answers: outputAnswers(definition),
    }
  })

export function resourceDoc(definition: Definition, path: string): RouteDoc {
  const parts = partsOf(path)
  const shared = sharedDoc(definition, `${definition.name}.${definition.kind === 'query' ? 'read' : 'write'}`)
  if (isQuery(definition))
    return {
      ...shared,
      parameters: [...fieldParameters(definition, parts), ...queryParameters(definition)],
      answers: outputAnswers(definition),
    }
  const rest = Object.fromEntries(Object.entries(definition.input).filter(([name]) => !parts.includes(name)))
  const inPath = fieldParameters(definition, parts).filter((each) => each.in === 'path')
  return {
    ...shared,
    parameters: [...inPath, ...commandParameters(definition as CommandDefinition)],
    body: { schema: Closed(rest), isRequired: isSomeRequired(rest) },
    answers: {
      200: {
        description: 'Done: the new representation.',
        schema: definition.output,
        headers: [...headersOf(definition), 'Polity-Decision'],
      },
      ...pendingAnswers(),
    },
  }
}

const isCommand = (definition: Definition): definition is CommandDefinition => definition.kind === 'command'
const isQuery = (definition: Definition): definition is QueryDefinition => definition.kind === 'query'

/** The newest major goes by its base name, as callers may write it. */
function shownName(catalog: Catalog, { kind, name }: Definition): string {
  const base = baseName(name)
  const newest = (kind === 'command' ? catalog.command(base) : catalog.query(base)).definition
  return newest.name === name ? base : name
}

const ALWAYS: readonly ErrorCode[] = ['input.invalid', 'denied', 'gate.unavailable']
const ON_COMMANDS: readonly ErrorCode[] = [
  'entry.too-large',
  'idempotency.conflict',
  'expectation.failed',
  'log.saturated',
  'secret.plaintext',
]
const ON_QUERIES: readonly ErrorCode[] = ['cursor.invalid', 'cursor.ahead']

function sharedDoc({ summary, name, errors = [], kind, risk, effect }: Definition, operationId: string) {
  const facets = [
    risk === undefined ? '' : `risk ${risk}`,
    effect === undefined ? '' : `effect ${effect}`,
  ].filter(Boolean)
  return {
    operationId,
    summary: facets.length > 0 ? `${summary} (${facets.join(', ')})` : summary,
    tag: name.slice(0, name.indexOf('.')),
    errors: [...ALWAYS, ...(kind === 'command' ? ON_COMMANDS : ON_QUERIES), ...errors],
  }
}

const bodyOf = ({ schema, input }: Definition): NonNullable<RouteDoc['body']> => {
  const isRequired = isSomeRequired(input)
  return { schema: Closed({ input: isRequired ? schema : Type.Optional(schema) }), isRequired }
}

const requiredOf = (input: Fields): readonly string[] =>
  (Closed(input) as { required?: readonly string[] }).required ?? []
const isSomeRequired = (input: Fields): boolean => requiredOf(input).length > 0

/** The fields of an input as parameters: in the path where it names them, in the query string otherwise. */
function fieldParameters({ input }: Definition, parts: readonly string[]): ParameterDoc[] {
  const required = requiredOf(input)
  return Object.entries(input).map(([name, schema]) => {
    const isInPath = parts.includes(name)
    return {
      name,
      in: isInPath ? 'path' : 'query',
      isRequired: isInPath || required.includes(name),
      schema,
      ...(isPlain(schema) ? {} : { description: 'JSON; text that is not JSON stands for itself.' }),
    }
  })
}

const header = (name: string, description: string, schema: TSchema = Type.String()): ParameterDoc => ({
  name,
  in: 'header',
  isRequired: false,
  description,
  schema,
})

const commandParameters = ({ http, effect }: CommandDefinition): ParameterDoc[] => [
  header(
    'Idempotency-Key',
    'The same key and input answer the same for a day.',
    Type.String({ minLength: 1, maxLength: 256 }),
  ),
  header('Prefer', 'respond-async: answer as soon as the run has begun.'),
  header('traceparent', 'W3C Trace Context.'),
  ...(effect === 'atomic' || effect === 'working'
    ? []
    : [
        header(
          'Polity-Deadline',
          'RFC 3339, in UTC: what has not ended by then is undone and fails.',
          Timestamp,
        ),
        header('Polity-Callback', 'URL to which word of the end is sent, as a Standard Webhook (v1a).'),
      ]),
  ...(http?.ifMatch === undefined
    ? []
    : [
        header('If-Match', 'The entity tag that the caller saw; another one by now is an error.'),
        header('If-None-Match', '*: only if it does not exist yet.'),
      ]),
]

const queryParameters = ({ http }: QueryDefinition): ParameterDoc[] => [
  header('Polity-After', 'A cursor: answer from a state that includes everything up to it.'),
  ...(http?.etag === undefined ? [] : [header('If-None-Match', 'Entity tags that the caller has.')]),
]

const headersOf = ({ http }: Definition): string[] => [CURSOR, ...(http?.etag === undefined ? [] : [ETAG])]

const done = ({ output }: Definition) =>
  Closed({
    status: Type.Literal('done'),
    output,
    decision: Type.String(),
    cursor: Type.String(),
    run: Type.Optional(Type.String()),
  })

const Running = Closed({
  status: Type.Literal('running'),
  run: Type.String(),
  decision: Type.String(),
  cursor: Type.String(),
  parked: Type.Optional(Type.String()),
})
const Suspended = Closed({
  status: Type.Literal('suspended'),
  decision: Type.String(),
  sentence: Type.String(),
  obligations: Type.Array(Type.String()),
  approval: Type.Optional(Type.String()),
  cursor: Type.String(),
})

const pendingAnswers = (): Record<number, AnswerDoc> => ({
  202: {
    description:
      'Running (Location names the run), or suspended until people have agreed (Location names the approval).',
    schema: Type.Union([Running, Suspended]),
    headers: [CURSOR, 'Location'],
  },
})

const outputAnswers = (definition: QueryDefinition): Record<number, AnswerDoc> => ({
  200: { description: 'The answer.', schema: definition.output, headers: headersOf(definition) },
  ...(definition.http?.etag === undefined
    ? {}
    : { 304: { description: 'The caller has it already.', headers: headersOf(definition) } }),
})
