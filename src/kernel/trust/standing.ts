// What the gate is told about trust: whether somebody who decides for himself asks, and how far the least trusted of them is.

import type { StandingQuestion, StandingSource } from '../catalog/standing.ts'
import type { Principal } from '../gate/types.ts'
import { labelOf } from '../log/audience.ts'
import { ANY_FAMILY, familyOf } from './evidence.ts'
import { type Found, foundIn, type ReputationReads, readKnown } from './reading.ts'

/** The least trusted link of those that decide for themselves. */
export interface LeastTrusted {
  readonly principal: string
  readonly found: Found
}

export type TrustQuestion = Pick<StandingQuestion, 'caller' | 'action' | 'facts' | 'isAutonomous' | 'nowMs'>

const FULL_TRUST = 1000

/** Rows change with every act of the same principal, so that they are read as of now and not expected at the commit. */
export const trustSource = (reads: ReputationReads): StandingSource => ({
  name: 'trust',
  read: async (question) => {
    const least = await leastTrusted(reads, question)
    return least === undefined
      ? { autonomous: false, trust: FULL_TRUST }
      : { autonomous: true, trust: least.found.trust }
  },
})

/** Undefined where nobody decides for himself. Several rooms ask about one question; it is looked up once. */
export function leastTrusted(
  reads: ReputationReads,
  question: TrustQuestion,
): Promise<LeastTrusted | undefined> {
  const known = asked.get(question)
  if (known) return known
  const found = lookUp(reads, question)
  asked.set(question, found)
  return found
}

const asked = new WeakMap<object, Promise<LeastTrusted | undefined>>()

async function lookUp(
  reads: ReputationReads,
  { caller, action, facts, isAutonomous = false, nowMs }: TrustQuestion,
): Promise<LeastTrusted | undefined> {
  const family = familyOf(action) ?? ANY_FAMILY
  const all = await Promise.all(
    autonomousLinks(caller.chain, isAutonomous || facts.autonomous === true).map(async (link) => {
      const principal = labelOf(link)
      return { principal, found: foundIn(await readKnown(reads, principal), family, nowMs) }
    }),
  )
  return all.reduce<LeastTrusted | undefined>(
    (least, each) => (least === undefined || each.found.trust < least.found.trust ? each : least),
    undefined,
  )
}

/**
 * Agents and components. Where whoever asks says that it is autonomous, whoever acts is one of them, whatever its kind:
 * it can only lose by it, because people and services are not compared with a threshold.
 */
function autonomousLinks(chain: readonly Principal[], isStated: boolean): readonly Principal[] {
  const links = chain.filter(({ kind }) => kind === 'agent' || kind === 'component')
  const actor = chain.at(-1)
  return isStated && actor !== undefined && !links.includes(actor) ? [...links, actor] : links
}
