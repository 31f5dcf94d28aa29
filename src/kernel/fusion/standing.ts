// What the gate is told about the act as a whole: the health of its target, and one piece of advice. Rules decide what follows.

import { OUTCOME } from '../../kit/reputation.ts'
import type { StandingSource } from '../catalog/standing.ts'
import type { Chain } from '../gate/types.ts'
import { labelOf } from '../log/audience.ts'
import type { ReputationReads } from '../trust/reading.ts'
import { type LeastTrusted, leastTrusted } from '../trust/standing.ts'
import type { Scenes } from './signals.ts'
import { type Signals, unifiedDecision } from './unified-decision.ts'
import { principalActedOn } from './watched.ts'

/**
 * Advice is about changing something. Looking at what is ill is how it gets well, and a heartbeat is no act: nothing is
 * advised against either.
 */
export const fusionSource = (scenes: Scenes, reads: ReputationReads): StandingSource => ({
  name: 'fusion',
  read: async (question) => {
    const { action, kind, effect, resource, risk, caller, nowMs } = question
    if (kind === 'query') return { health: await scenes.health(resource, nowMs), advice: 'execute' }
    if (effect === 'working') return { advice: 'execute' }
    const [scene, least] = await Promise.all([
      scenes.of(action, resource, nowMs),
      leastTrusted(reads, question),
    ])
    const signals = { ...scene, risk, trust: trustSignal(least) }
    const { advice } = unifiedDecision(asSeenBy(caller.chain, resource, signals))
    return { health: scene.health, advice }
  },
})

export function trustSignal(least: LeastTrusted | undefined): Signals['trust'] {
  if (least === undefined) return null
  const { own, elsewhere, override, score } = least.found
  return {
    // Whoever vouches for somebody vouches against what was seen of him, too.
    score: override?.trust ?? score,
    outcomes: (own.positive + own.negative + elsewhere.positive + elsewhere.negative) / OUTCOME,
  }
}

/** Who is ill must still be able to say so, and to leave: its own state does not speak against acts on itself. */
export function asSeenBy(chain: Chain, resource: string, signals: Signals): Signals {
  const actor = chain.at(-1)
  const own = actor === undefined ? undefined : labelOf(actor)
  const isSelf =
    own !== undefined && (resource === own.replace(':', '/') || principalActedOn(resource) === own)
  return isSelf ? { ...signals, health: 'unknown' } : signals
}
