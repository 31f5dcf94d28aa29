// The health of a component: its lease and its checks together, with the reasons in words.

import type { Static } from '../../kernel/schema/schema.ts'
import type { LeaseRow } from './leases.ts'
import type { CheckState, HealthWord } from './schemas.ts'

export type Health = Static<typeof HealthWord>

/** What is known of one check. */
export interface CheckResult {
  readonly name: string
  readonly state: Static<typeof CheckState>
  /** In a row, since the last other result. */
  readonly failures: number
  readonly successes: number
  readonly note: string
  /** Wall clock of the last change of state. */
  readonly sinceMs: number
}

export interface ChecksRow {
  /** Of the registration that asked for these checks. */
  readonly epoch: number
  readonly results: readonly CheckResult[]
}

export interface Judged {
  readonly health: Health
  readonly reasons: readonly string[]
}

/**
 * `lost`: the lease ran out and was declared so. `critical`: a check failed as often as it may. `warning`: the lease
 * is overdue and not yet declared lost, a check warns, begins to fail or has not run. `passing`: none of these.
 */
export function healthOf(
  lease: LeaseRow | undefined,
  checkNames: readonly string[],
  checks: ChecksRow | undefined,
  nowMs: number,
): Judged {
  if (lease === undefined || lease.lostAtMs !== undefined)
    return { health: 'lost', reasons: ['its lease ran out'] }
  const results = checks?.epoch === lease.epoch ? checks.results : []
  const stated = checkNames.map((name) => results.find((each) => each.name === name) ?? unknown(name))
  const failing = stated.filter(({ state }) => state === 'critical')
  const doubtful = stated.filter(({ state }) => state === 'warning' || state === 'unknown')
  const overdueMs = nowMs - lease.expiresAtMs
  const reasons = [
    ...(overdueMs > 0 ? [`its lease is overdue by ${Math.ceil(overdueMs / 1000)} s`] : []),
    ...[...failing, ...doubtful].map(({ name, note }) => `check ${name}: ${note}`),
  ]
  if (failing.length > 0) return { health: 'critical', reasons }
  return { health: reasons.length > 0 ? 'warning' : 'passing', reasons }
}

export const unknown = (name: string): CheckResult => ({
  name,
  state: 'unknown',
  failures: 0,
  successes: 0,
  note: 'has not run yet',
  sinceMs: 0,
})
