// How the services are: each by its own answers, its breaker and what is kept for it; and the whole by one formula.

import type { Reads } from '../../kernel/catalog/context.ts'
import type { Counterpart, CounterpartState } from '../../kernel/counterpart/counterpart.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { DEGRADATION_FORMULA, degradationOf } from '../../kit/degradation.ts'
import type { Connections } from './connections.ts'
import { type Integrations, serviceCounts, type status } from './contract.ts'

type Status = Static<typeof status.output>
type ServiceStatus = Status['services'][number]

export async function statusOf(reads: Pick<Reads, 'get'>, connections: Connections): Promise<Status> {
  const found = await Promise.all([...connections.values()].map(async (each) => serviceStatus(reads, each)))
  const { level, reason } = degradationOf(found.map(({ state }) => state))
  return {
    degradationLevel: level,
    degradationFormula: DEGRADATION_FORMULA,
    degradationReason: reason,
    services: found.map(({ service }) => service),
  }
}

async function serviceStatus(
  reads: Pick<Reads, 'get'>,
  counterpart: Counterpart,
): Promise<{ readonly state: CounterpartState; readonly service: ServiceStatus }> {
  const state = await counterpart.state()
  const counts = (await reads.get(serviceCounts, state.name))?.value
  const { name, priority, breaker, probe, waiting, probedAtMs, lastSuccessAtMs, lastError } = state
  return {
    state,
    service: {
      service: name,
      priority,
      status: wordOf(state),
      breaker,
      probe,
      isFallbackInUse: state.standing === 'degraded',
      waiting,
      kept: counts?.kept ?? 0,
      forwarded: counts?.forwarded ?? 0,
      refused: counts?.refused ?? 0,
      ...(probedAtMs === undefined ? {} : { probedAt: new Date(probedAtMs).toISOString() }),
      ...(lastSuccessAtMs === undefined ? {} : { lastSuccessAt: new Date(lastSuccessAtMs).toISOString() }),
      // What follows the code may name places inside.
      ...(lastError === undefined ? {} : { lastError: lastError.split(':')[0] ?? '' }),
    },
  }
}

/** Whoever was not asked yet has not failed either. */
function wordOf({ standing }: CounterpartState): ServiceStatus['status'] {
  if (standing === 'lost') return 'unhealthy'
  return standing === 'degraded' ? 'degraded' : 'healthy'
}

export const integrationsOf = (reads: Pick<Reads, 'get'>, connections: Connections): Integrations => ({
  async report() {
    const { degradationLevel, services } = await statusOf(reads, connections)
    return { degradationLevel, services }
  },
})
