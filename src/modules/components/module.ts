// Components: a registry under leases, checks, a brake for mass losses, manifests, and what the gateway needs.

import { defineModule, type Module, type ModuleHost, type OpenedModule } from '../../kernel/catalog/module.ts'
import { targetHealth } from '../../kernel/fusion/watched.ts'
import { openAddressRule } from './addresses.ts'
import { openChecker } from './checks/checker.ts'
import { openProbe } from './checks/probe.ts'
import { canConnect } from './checks/self-probe.ts'
import * as contract from './contract.ts'
import {
  declared,
  deregister,
  drift,
  gatewayRequest,
  get,
  list,
  lossBrake,
  MANIFESTS_KEY,
  manifests,
  manifestsApply,
  plan,
  register,
  renew,
  services,
  status,
  traffic,
} from './contract.ts'
import { openServiceGateway } from './gateway/gateway.ts'
import { openTraffic } from './gateway/traffic.ts'
import { CHECKS, LEASES } from './leases.ts'
import { applyManifests, declaredModules, driftOf, planOf } from './manifests/manifests.ts'
import { getComponent, listComponents, statusOf, watchedTarget } from './reading.ts'
import { deregisterComponent, registerComponent, renewLease } from './registering.ts'
import type { ComponentsOptions } from './settings.ts'
import { brakeOf, watchComponents } from './watch.ts'

/** Throws `usage` for networks in `allow` that are none. */
export const componentsModule = (options: ComponentsOptions = {}): Module =>
  defineModule(
    'components',
    { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
    (host) => openComponents(host, options),
  )

function openComponents(host: ModuleHost, options: ComponentsOptions): OpenedModule {
  const { env, rows } = host
  const { allow, gateway } = options
  const rule = openAddressRule(env, allow)
  const routes = openTraffic()
  const way = openServiceGateway(host, rule, routes, gateway)
  const watch = watchComponents(host, {
    checker: openChecker(host, openProbe(env, rule)),
    probe: canConnect,
    options,
  })
  return {
    commands: [
      register.handle((ctx, input) => registerComponent(ctx, input, rule)),
      renew.handle(renewLease),
      deregister.handle(deregisterComponent),
      manifestsApply.handle((ctx, { yaml }) => applyManifests(ctx, yaml)),
    ],
    queries: [
      get.handle((ctx, input) => getComponent(ctx, input, rows, env.now())),
      list.handle((ctx, input) => listComponents(ctx, input, rows, env.now())),
      status.handle((ctx) => statusOf(ctx, rows, env.now())),
      traffic.handle((_, input) => routes.page(input)),
      plan.handle((ctx, { yaml }) => planOf(ctx, yaml)),
      drift.handle((ctx) => driftOf(ctx, rows, env.now())),
      declared.handle((ctx) => declaredModules(ctx)),
      gatewayRequest.handle(async (_, { component, method }) => {
        const instances = await way.instances(component, method === 'WEBSOCKET' ? 'ws' : 'http')
        return {
          instances: instances.map(({ component: id, url, health }) => ({ component: id, url, health })),
        }
      }),
    ],
    faces: [
      services.provide(way),
      targetHealth.provide({ of: (resource) => watchedTarget(resource, rows, env.now()) }),
      lossBrake.provide({ isHolding: async () => (await brakeOf(rows))?.phase === 'holding' }),
    ],
    sweptTables: [LEASES, CHECKS],
    declared: {
      name: 'components.manifests',
      digest: async () => (await host.reads.get(manifests, MANIFESTS_KEY))?.value.digest ?? 'none',
    },
    close: () => watch.close(),
  }
}
