// Queries over HTTP: GET and POST /v1/queries/{name}; the answer is the output, with its cursor and entity tag.

import type { Definition } from '../../kernel/catalog/definition.ts'
import { PolityError } from '../../kernel/errors.ts'
import { CURSOR_HEADER, inputOf, traceparentOf } from './actions.ts'
import { fieldsOf } from './fields.ts'
import { queryDocs } from './openapi-actions.ts'
import { etagOf, isKnown } from './preconditions.ts'
import { type HttpAnswer, json, type PrincipalRequest, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'

/** How long a read waits for the state that `Polity-After` asks for. */
const AFTER_WAIT_MS = 10_000

export const queryRoutes = (hub: ServedHub): Route[] => [
  {
    method: 'GET',
    path: '/v1/queries/{name}',
    class: 'query',
    access: 'principal',
    docs: queryDocs(hub.catalog, 'GET'),
    handle: (request) => {
      const { definition } = hub.catalog.query(request.params.name ?? '')
      return ask(hub, definition, fieldsOf(definition.input, request.search), request)
    },
  },
  {
    method: 'POST',
    path: '/v1/queries/{name}',
    class: 'query',
    access: 'principal',
    docs: queryDocs(hub.catalog, 'POST'),
    handle: (request) => {
      const { definition } = hub.catalog.query(request.params.name ?? '')
      return ask(hub, definition, inputOf(request.body), request)
    },
  },
]

/** Throws `cursor.ahead` when the log does not reach the cursor in `Polity-After` in time. */
export async function ask(
  hub: Pick<ServedHub, 'ask'>,
  definition: Definition,
  input: Readonly<Record<string, unknown>>,
  { caller, headers, signal }: PrincipalRequest,
): Promise<HttpAnswer> {
  const after = headers['polity-after']
  const traceparent = traceparentOf({ headers })
  const deadline = after === undefined ? undefined : AbortSignal.timeout(AFTER_WAIT_MS)
  try {
    const { output, cursor } = await hub.ask(caller, definition.name, input, {
      ...(after === undefined ? {} : { after: String(after) }),
      ...(traceparent === undefined ? {} : { traced: { traceparent } }),
      ...(deadline === undefined ? {} : { signal: AbortSignal.any([signal, deadline]) }),
    })
    return answerOf(definition, output, cursor, headers)
  } catch (error) {
    if (error instanceof PolityError) throw error
    if (signal.aborted) throw new PolityError('cancelled', 'the client has gone')
    if (deadline?.aborted)
      throw new PolityError('cursor.ahead', 'the log has not reached the cursor in Polity-After')
    throw error
  }
}

function answerOf(
  definition: Definition,
  output: unknown,
  cursor: string,
  headers: PrincipalRequest['headers'],
): HttpAnswer {
  const etag = etagOf(definition, output)
  const shared = {
    [CURSOR_HEADER]: cursor,
    vary: 'authorization, cookie',
    'cache-control': etag === undefined ? 'no-store' : 'private, no-cache',
    ...(etag === undefined ? {} : { etag }),
  }
  return isKnown(headers, etag) ? { status: 304, headers: shared } : json(200, output, shared)
}
