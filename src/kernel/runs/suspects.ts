// Suspects: runs that may be what ends their hubs work one at a time, so that when the hub ends the others are not to blame.

import type { Env } from '../env.ts'
import type { Alarms } from './alarms.ts'
import { openPlaces } from './places.ts'

/** A run that was taken over more often than this without a newly recorded step is one. */
export const UNSUSPECTED_TAKE_OVERS = 3
/** A hub that has lived for so long beside a suspect at work is not ended by it: others need not wait any longer. */
const TURN_MAX_MS = 30_000

export interface Suspects {
  /** Resolves with what ends the turn, which may be called twice. Rejects with the signal's reason. */
  turn(signal: AbortSignal): Promise<() => void>
}

export function openSuspects(alarms: Alarms, env: Pick<Env, 'now'>): Suspects {
  const turns = openPlaces(1)
  return {
    async turn(signal) {
      await turns.take(signal)
      const over = new AbortController()
      over.signal.addEventListener('abort', () => turns.release(), { once: true })
      const end = () => over.abort()
      alarms.at(env.now() + TURN_MAX_MS, over.signal).then(end, end)
      return end
    },
  }
}
