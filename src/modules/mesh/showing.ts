// The routing table in force, as people see it.

import type { QueryContext } from '../../kernel/catalog/context.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import type { showRoutes } from './actions.ts'
import type { Routing } from './routing.ts'
import { ROUTES_ACTIVE, routes, routesKey } from './views.ts'

export async function showActive(
  ctx: QueryContext,
  routing: Routing,
): Promise<Static<(typeof showRoutes)['output']>> {
  const active = (await ctx.get(routes, ROUTES_ACTIVE))?.value
  if (active?.digest === undefined) return { groups: [] }
  const { groups } = await routing.active(ctx)
  const yaml = (await ctx.get(routes, routesKey(active.digest)))?.value.yaml
  return {
    digest: active.digest,
    activatedAt: active.activatedAt,
    ...(yaml === undefined ? {} : { yaml }),
    groups: Object.entries(groups).map(([name, members]) => ({ name, members: [...members] })),
  }
}
