// A bulkhead: so many calls of a target at a time, and a bounded queue in front of them.

import { PolityError } from '../errors.ts'
import { abortReason } from './failures.ts'

export interface BulkheadPolicy {
  readonly concurrentMax: number
  readonly waitingMax: number
}

export interface Bulkhead {
  underWay(): number
  waiting(): number
  /**
   * A place, first come first served; answers what gives it back (once). Throws `target.busy` when too many wait, and
   * the signal's reason while waiting.
   */
  take(signal?: AbortSignal): Promise<() => void>
}

export function openBulkhead(target: string, policy: () => BulkheadPolicy): Bulkhead {
  let underWay = 0
  /** A Set keeps the order of arrival, and whoever gives up leaves it at once. */
  const queue = new Set<() => void>()

  const place = () => {
    underWay += 1
    let isTaken = true
    return () => {
      if (!isTaken) return
      isTaken = false
      underWay -= 1
      admit()
    }
  }
  const admit = () => {
    for (const enter of queue) {
      if (underWay >= policy().concurrentMax) return
      queue.delete(enter)
      enter()
    }
  }

  return {
    underWay: () => underWay,
    waiting: () => queue.size,
    async take(signal) {
      if (signal?.aborted) throw abortReason(signal)
      if (underWay < policy().concurrentMax && queue.size === 0) return place()
      if (queue.size >= policy().waitingMax) throw busy(target, queue.size)
      return new Promise((resolve, reject) => {
        const leave = () => {
          queue.delete(enter)
          if (signal !== undefined) reject(abortReason(signal))
        }
        const enter = () => {
          signal?.removeEventListener('abort', leave)
          resolve(place())
        }
        queue.add(enter)
        signal?.addEventListener('abort', leave, { once: true })
        // There may be more places than when the others began to wait; they go first.
        admit()
      })
    },
  }
}

const busy = (target: string, waiting: number): PolityError =>
  new PolityError('target.busy', `${waiting} calls wait for ${target} already: try again later`, {
    target,
    waiting,
  })
