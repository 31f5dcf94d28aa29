// Targets: whoever Polity depends on, each behind a breaker and a bulkhead, with a budget for repetitions.

import type { RetryPolicy } from './retry.ts'

export interface TargetPolicy {
  /** Failures within `windowMs` that open the breaker; default 5. */
  readonly failuresMax?: number
  /** Default 60,000. */
  readonly windowMs?: number
  /** How long an open breaker refuses before it lets one probe through; default 60,000. */
  readonly openMs?: number
  /** Calls at a time; default 16. */
  readonly concurrentMax?: number
  /** Calls that wait for a place; default 64. */
  readonly waitingMax?: number
}

export type BreakerState = 'closed' | 'open' | 'half-open'

export interface TargetState {
  readonly name: string
  readonly breaker: BreakerState
  readonly failures: number
  /** Wall clock; when an open breaker lets a probe through. */
  readonly retryAtMs?: number
  readonly underWay: number
  readonly waiting: number
  readonly calls: number
  readonly failed: number
  readonly refused: number
  readonly lastError?: string
  readonly lastSuccessAtMs?: number
}

export interface Targets {
  /** Sets the policy of a target; without it the defaults hold. */
  declare(name: string, policy: TargetPolicy): void
  /**
   * One call under the target's breaker and bulkhead. Throws `target.open` (with `retryAtMs`) without having tried,
   * `target.busy` when too many wait, and what the body throws. `isFailure` says which errors count against the
   * target; default: all but `cancelled` and refusals by our own side.
   */
  call<T>(
    name: string,
    body: (signal: AbortSignal) => Promise<T>,
    options?: { readonly signal?: AbortSignal; readonly isFailure?: (error: unknown) => boolean },
  ): Promise<T>
  /** As `call`, tried again while the policy, and the target's retry budget (20 % of its calls), allow it. */
  retrying<T>(
    name: string,
    body: (signal: AbortSignal) => Promise<T>,
    retry: RetryPolicy,
    options?: { readonly signal?: AbortSignal; readonly isFailure?: (error: unknown) => boolean },
  ): Promise<T>
  state(name: string): TargetState
  list(): readonly TargetState[]
}

export function openTargets(_env: unknown): Targets {
  const refuse = () => {
    throw new Error('to be built')
  }
  return { declare: refuse, call: refuse, retrying: refuse, state: refuse, list: () => [] }
}
