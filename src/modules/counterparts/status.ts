// How the services are: each by its own answers, its breaker and what is kept for it; and the whole by one formula.

import type { Reads } from '../../kernel/catalog/context.ts'
import type { Aside } from '../../kernel/counterpart/aside.ts'
import type { Counterpart, CounterpartState } from '../../kernel/counterpart/counterpart.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { DEGRADATION_FORMULA, degradationOf } from '../../kit/degradation.ts'
import type { Asides } from './aside.ts'
import type { Connections } from './connections.ts'
import { asideCounts, type Integrations, serviceCounts, type status } from './contract.ts'

type Status = Static<typeof status.output>
type ServiceStatus = Status['services'][number]

export async function statusOf(
  reads: Pick<Reads, 'get'>,
  connections: Connections,
  asides: Asides,
): Promise<Status> {
  const found = await Promise.all(
    [...connections].map(([name, each]) => serviceStatus(reads, each, asides(name))),
  )
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
  aside: Pick<Aside, 'count'>,
): Promise<{ readonly state: CounterpartState; readonly service: ServiceStatus }> {
  const state = await counterpart.state()
  const counts = (await reads.get(serviceCounts, state.name))?.value
  const settled = (await reads.get(asideCounts, state.name))?.value
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
      aside: await aside.count(),
      kept: counts?.kept ?? 0,
      forwarded: counts?.forwarded ?? 0,
      refused: counts?.refused ?? 0,
      retried: settled?.retried ?? 0,
      dropped: settled?.dropped ?? 0,
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

export const integrationsOf = (
  reads: Pick<Reads, 'get'>,
  connections: Connections,
  asides: Asides,
): Integrations => ({
  async report() {
    const { degradationLevel, services } = await statusOf(reads, connections, asides)
    return { degradationLevel, services }
  },
})
