// A breaker: stops calling a target that keeps failing, and lets exactly one call find out whether it has recovered.

import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'

export type BreakerState = 'closed' | 'open' | 'half-open'

export interface BreakerPolicy {
  readonly failuresMax: number
  readonly windowMs: number
  readonly openMs: number
}

export interface Breaker {
  /** Half-open from the moment in which a probe is under way. */
  state(): BreakerState
  /** Within the window, less one for each success since. */
  failures(): number
  /** Wall clock; when the next probe may go. undefined while closed. */
  retryAtMs(): number | undefined
  /** Throws `target.open` where a call has no chance now. Claims nothing. */
  require(): void
  /** Admits one call, which is the probe if the breaker was open. Throws `target.open`. */
  enter(): Admission
}

/** One admitted call; exactly one of these is called, once. */
export interface Admission {
  succeeded(): void
  failed(): void
  /** Says nothing about the target: cancelled, or refused by our own side. */
  undecided(): void
}

/** What those who come while a probe is under way are told to wait. */
const PROBE_WAIT_MS = 1000

/** Times are monotonic, so a wall clock that jumps neither opens nor closes anything. */
export function openBreaker(
  env: Pick<Env, 'now' | 'monotonic'>,
  target: string,
  policy: () => BreakerPolicy,
): Breaker {
  /** Monotonic times, oldest first; at most `failuresMax`. */
  let failedAt: number[] = []
  let openUntil: number | undefined
  let isProbing = false
  /** Rises whenever the breaker opens or closes: what was admitted before has nothing to say about the time after. */
  let epoch = 0

  const recent = () => {
    const since = env.monotonic() - policy().windowMs
    failedAt = failedAt.filter((at) => at > since)
    return failedAt
  }
  /** undefined: it is closed. */
  const turn = (until: number | undefined) => {
    openUntil = until
    failedAt = []
    isProbing = false
    epoch += 1
  }
  const open = () => turn(env.monotonic() + policy().openMs)
  const retryAtMs = () => {
    if (openUntil === undefined) return undefined
    const leftMs = isProbing ? PROBE_WAIT_MS : Math.max(0, openUntil - env.monotonic())
    return Math.ceil(env.now() + leftMs)
  }
  const require = () => {
    if (openUntil === undefined || (!isProbing && env.monotonic() >= openUntil)) return
    const atMs = retryAtMs()
    throw new PolityError(
      'target.open',
      `${target} has failed too often and is not asked now: try again at ${new Date(atMs ?? 0).toISOString()}`,
      { target, retryAtMs: atMs },
    )
  }

  return {
    state: () => (openUntil === undefined ? 'closed' : isProbing ? 'half-open' : 'open'),
    failures: () => recent().length,
    retryAtMs,
    require,
    enter() {
      require()
      const isProbe = openUntil !== undefined
      if (isProbe) isProbing = true
      const mine = epoch
      const ifCurrent = (act: () => void) => () => {
        if (epoch === mine) act()
      }
      return {
        // One failure less, and not all of them: who fails four times of five is not well.
        succeeded: ifCurrent(() => (isProbe ? turn(undefined) : void recent().shift())),
        failed: ifCurrent(() => {
          if (isProbe) return open()
          if (recent().push(env.monotonic()) >= policy().failuresMax) open()
        }),
        // The next one probes instead.
        undecided: ifCurrent(() => {
          if (isProbe) isProbing = false
        }),
      }
    },
  }
}
