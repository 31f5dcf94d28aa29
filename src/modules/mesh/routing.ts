// The table in force as any hub reads it: by its digest, compiled once.

import type { Reads } from '../../kernel/catalog/context.ts'
import { PolityError } from '../../kernel/errors.ts'
import { compileRoutes, NO_ROUTES, type RouteTable } from './route-table.ts'
import { ROUTES_ACTIVE, routes, routesKey } from './views.ts'

const COMPILED_MAX = 8

export interface Routing {
  /** In an atomic command the digest becomes an expectation: whoever publishes while routes change is asked again. */
  active(reads: Pick<Reads, 'get'>): Promise<RouteTable>
}

export function openRouting(): Routing {
  const compiled = new Map<string, RouteTable>()
  return {
    async active(reads) {
      const digest = (await reads.get(routes, ROUTES_ACTIVE))?.value.digest
      if (digest === undefined) return NO_ROUTES
      const known = compiled.get(digest)
      if (known) return known
      const yaml = (await reads.get(routes, routesKey(digest)))?.value.yaml
      if (yaml === undefined) throw new PolityError('internal', `the routing table ${digest} has no text`)
      const table = compileRoutes(yaml)
      if (compiled.size >= COMPILED_MAX) compiled.clear()
      compiled.set(digest, table)
      return table
    },
  }
}
