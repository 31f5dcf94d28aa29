// Resourceful routes: GET a query and PUT a command at the path that their http facet names.

import type { Definition } from '../../kernel/catalog/definition.ts'
import { PolityError } from '../../kernel/errors.ts'
import { act, representation } from './actions.ts'
import { fieldsOf, isRecord, pathFieldsOf } from './fields.ts'
import { resourceDoc } from './openapi-actions.ts'
import { ask } from './queries.ts'
import { type PrincipalRequest, partsOf, type Route } from './route.ts'
import type { ServedHub } from './served-hub.ts'

export const resourceRoutes = (hub: ServedHub): Route[] =>
  hub.catalog.definitions.flatMap((definition) => {
    const path = resourcePathOf(definition)
    return path === undefined ? [] : [resourceRoute(hub, definition, path)]
  })

/** `/v1/state/{namespace}/{key}`. Throws TypeError for a part that is no input field, and for a path of its own. */
export function resourcePathOf({ name, http, input }: Definition): string | undefined {
  if (http?.path === undefined) return undefined
  if (http.path.startsWith('/'))
    throw new TypeError(`${name}: the path ${http.path} begins with /, but stands below /v1/`)
  for (const part of partsOf(http.path))
    if (!Object.hasOwn(input, part)) throw new TypeError(`${name}: the path part {${part}} is no input field`)
  return `/v1/${http.path}`
}

function resourceRoute(hub: ServedHub, definition: Definition, path: string): Route {
  const shared = {
    path,
    class: 'resource',
    access: 'principal',
    docs: [resourceDoc(definition, path)],
  } as const
  if (definition.kind === 'query')
    return {
      ...shared,
      method: 'GET',
      handle: (request: PrincipalRequest) => {
        const input = joined(
          pathFieldsOf(definition.input, request.params),
          fieldsOf(definition.input, request.search),
        )
        return ask(hub, definition, input, request)
      },
    }
  return {
    ...shared,
    method: 'PUT',
    handle: async (request: PrincipalRequest) => {
      const { body = {} } = request
      if (!isRecord(body))
        throw new PolityError('input.invalid', 'the body must be an object of the remaining fields')
      return representation(
        await act(hub, definition, joined(pathFieldsOf(definition.input, request.params), body), request),
      )
    },
  }
}

function joined(
  path: Readonly<Record<string, unknown>>,
  rest: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const twice = Object.keys(path).find((name) => Object.hasOwn(rest, name))
  if (twice !== undefined) throw new PolityError('input.invalid', `/${twice} is in the path already`)
  return { ...rest, ...path }
}
