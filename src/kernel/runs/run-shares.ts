// How many runs one principal may have under way, so that nobody's leave no room for those of others.

import { actorOf } from '../catalog/recorder.ts'
import { PolityError } from '../errors.ts'
import { openShares } from '../shares.ts'
import type { RunRow } from './run.ts'

/** Runs of one principal chain that are under way, waiting or in line; owners and the hub itself may have them all. */
export const RUNS_OPEN_EACH_MAX = 5000
/** Of one who acts, for whomever he says: with other names he has no more than three of them. */
export const RUNS_OPEN_ACTING_MAX = 3 * RUNS_OPEN_EACH_MAX

type Shared = Pick<RunRow, 'id' | 'chain'>

export interface RunShares {
  /** Throws `run.limit`. */
  take(row: Shared): void
  /** A run that is resumed had its room once, and goes on in any case. */
  resume(row: Shared): void
  /** Gives it back; nothing happens where there is none. */
  leave(id: string): void
}

export function openRunShares(): RunShares {
  const shares = openShares(RUNS_OPEN_EACH_MAX)
  const acting = openShares(RUNS_OPEN_ACTING_MAX)
  const taken = new Map<string, () => void>()
  const take = ({ id, chain }: Shared): boolean => {
    if (chain.every(({ kind, roles }) => kind === 'hub' || roles.includes('owner'))) return true
    const back = shares.take(actorOf(chain))
    const room = back && acting.take(actorOf(chain.slice(-1)))
    if (back === undefined || room === undefined) {
      back?.()
      return false
    }
    taken.set(id, () => {
      back()
      room()
    })
    return true
  }
  return {
    take(row) {
      if (take(row)) return
      throw new PolityError(
        'run.limit',
        `${actorOf(row.chain)} has as many runs under way or in line as it may (${RUNS_OPEN_EACH_MAX}, and ${RUNS_OPEN_ACTING_MAX} for all it acts for): try again when one has ended`,
      )
    },
    resume: (row) => void take(row),
    leave(id) {
      taken.get(id)?.()
      taken.delete(id)
    },
  }
}
