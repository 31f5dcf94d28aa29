// The counterparts behind the services that are on.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { type Counterpart, openCounterpart } from '../../kernel/counterpart/counterpart.ts'
import { defineCounterpart } from '../../kernel/counterpart/definition.ts'
import type { KeptFacts } from '../../kernel/counterpart/outbox.ts'
import { RequestKept, RequestRefused, RequestsForwarded, type ServiceName } from './contract.ts'
import { SERVICE_LIST } from './services.ts'
import type { CounterpartsOptions } from './settings.ts'

export type Connections = ReadonlyMap<ServiceName, Counterpart>

/** Opens all or none: a setting that is wrong stops the hub before anything is asked. */
export function openConnections(host: ModuleHost, options: CounterpartsOptions): Connections {
  const { probeIntervalMs, retry, breaker } = options
  const defined = SERVICE_LIST.flatMap(({ name, option, priority }) => {
    const service = options[option]
    if (service === undefined) return []
    const definition = defineCounterpart({
      ...service,
      name,
      priority,
      ...(probeIntervalMs === undefined ? {} : { probeIntervalMs }),
      ...(retry === undefined ? {} : { retry }),
      ...(breaker === undefined ? {} : { breaker }),
    })
    return [{ name, definition }]
  })
  return new Map(
    defined.map(({ name, definition }) => [
      name,
      openCounterpart(host, definition, 'counterparts', factsOf(name)),
    ]),
  )
}

const factsOf = (service: ServiceName): KeptFacts => {
  const about = { subject: `counterpart/${service}` }
  return {
    kept: ({ operation, key, code }) => RequestKept({ service, operation, key, code }, about),
    forwarded: (items) => RequestsForwarded({ service, keys: items.map(({ key }) => key) }, about),
    refused: ({ operation, key }, status) => RequestRefused({ service, operation, key, status }, about),
  }
}
