// Brokers: events of the log go out to NATS JetStream and Redis Streams, and come in from there, each at least once.

import { defineModule, type Module, type ModuleHost, type OpenedModule } from '../../kernel/catalog/module.ts'
import { list, putSink, putSource, remove, retry, setAside, status } from './actions.ts'
import { SET_ASIDE } from './aside.ts'
import { openConnections } from './connections.ts'
import * as contract from './contract.ts'
import { openFlowing } from './flowing.ts'
import { putOneSink, putOneSource, removeOne } from './putting.ts'
import type { BrokersOptions } from './settings.ts'
import { listBrokers, pageOfSetAside, retryOne, statusOfOwn } from './showing.ts'
import type { FlowPorts } from './sinks.ts'
import { SEEN } from './sources.ts'

/** Enough of the digest of the log's statement key to tell logs apart. */
const HUB_CHARS = 16

export const brokersModule = (options: BrokersOptions = {}): Module =>
  defineModule(
    'brokers',
    { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
    (host) => openBrokers(host, options),
  )

function openBrokers(host: ModuleHost, options: BrokersOptions): OpenedModule {
  const connections = openConnections(host, options)
  const ports: FlowPorts = { host, connections, hub: host.statementSigner.keyid.slice(0, HUB_CHARS) }
  const flowing = openFlowing(ports)
  return {
    commands: [
      putSink.handle((ctx, input) => putOneSink(ctx, input, connections)),
      putSource.handle((ctx, input) => putOneSource(ctx, input, connections, host)),
      remove.handle((ctx, { name }) => removeOne(ctx, name)),
      retry.handle((ctx, { name }) => ctx.step('retry', () => retryOne(ctx, name, flowing))),
    ],
    queries: [
      list.handle((ctx) => listBrokers(ctx, ports)),
      status.handle((ctx, input) => statusOfOwn(ctx, input, ports, flowing)),
      setAside.handle((ctx, input) => pageOfSetAside(ctx, input, ports, flowing)),
    ],
    sweptTables: [SEEN, SET_ASIDE],
    async close() {
      await flowing.close()
      await connections.close()
    },
  }
}
