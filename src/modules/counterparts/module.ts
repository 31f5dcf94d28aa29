// Counterparts: carries analyses to the services outside that are on, and does their work here where they do not answer.

import { defineModule, type Module, type ModuleHost, type OpenedModule } from '../../kernel/catalog/module.ts'
import { outboxTables } from '../../kernel/counterpart/outbox.ts'
import { PolityError } from '../../kernel/errors.ts'
import { dropSome, openAsides, pageOfAside, retrySome } from './aside.ts'
import { openConnections } from './connections.ts'
import * as contract from './contract.ts'
import { analyze, aside, drop, integrations, retry, type ServiceName, status, sync } from './contract.ts'
import { carryAnalysis } from './flow.ts'
import type { CounterpartsOptions } from './settings.ts'
import { openSharedFiles } from './shared-files.ts'
import { integrationsOf, statusOf } from './status.ts'

export const counterpartsModule = (options: CounterpartsOptions = {}): Module =>
  defineModule(
    'counterparts',
    { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
    (host) => openCounterparts(host, options),
  )

function openCounterparts(host: ModuleHost, options: CounterpartsOptions): OpenedModule {
  const connections = openConnections(host, options)
  const asides = openAsides(host)
  const files = openSharedFiles(() => host.dataDir(), host.env, host.onFailure)
  const connected = (service: ServiceName) => {
    const counterpart = connections.get(service)
    if (counterpart === undefined)
      throw new PolityError('not-found', `${service} is off: configure its URL to turn it on`, { service })
    return counterpart
  }
  return {
    commands: [
      analyze.handle((ctx, input) => carryAnalysis(ctx, input, { host, connections, files })),
      sync.handle(async (ctx, { service }) => {
        const counterpart = connected(service)
        return ctx.step('sync', async () => {
          const forwarded = await counterpart.sync()
          const { waiting } = await counterpart.state()
          return { service, forwarded, waiting }
        })
      }),
      retry.handle((ctx, { service, keys }) => {
        connected(service)
        return retrySome(ctx, asides, service, keys)
      }),
      drop.handle((ctx, input) => dropSome(ctx, asides, input)),
    ],
    queries: [
      status.handle((ctx) => statusOf(ctx, connections, asides)),
      aside.handle((_, input) => pageOfAside(asides, input)),
    ],
    faces: [integrations.provide(integrationsOf(host.reads, connections, asides))],
    sweptTables: outboxTables('counterparts'),
    async close() {
      await Promise.all([...connections.values()].map((each) => each.close()))
    },
  }
}
