// How one outcome after the other makes a check passing, warning or critical.

import type { Static } from '../../../kernel/schema/schema.ts'
import type { CheckResult } from '../health.ts'
import { type Check, FAILURES_BEFORE_CRITICAL, SUCCESSES_BEFORE_PASSING } from '../schemas.ts'

/** What one try of a check found. */
export interface Outcome {
  readonly verdict: 'pass' | 'warn' | 'fail'
  readonly note: string
}

const NOTE_MAX_CHARS = 200

/** A check that was critical has to pass several times in a row; one that never failed passes with the first. */
export function standingAfter(
  before: CheckResult,
  { verdict, note }: Outcome,
  check: Static<typeof Check>,
  nowMs: number,
): CheckResult {
  const { failuresBeforeCritical = FAILURES_BEFORE_CRITICAL } = check
  const { successesBeforePassing = SUCCESSES_BEFORE_PASSING } = check
  const isFailure = verdict === 'fail'
  const failures = isFailure ? before.failures + 1 : 0
  const successes = isFailure ? 0 : before.successes + 1
  const state = isFailure
    ? failures >= failuresBeforeCritical || before.state === 'critical'
      ? 'critical'
      : 'warning'
    : before.state === 'critical' && successes < successesBeforePassing
      ? 'critical'
      : verdict === 'warn'
        ? 'warning'
        : 'passing'
  const sinceMs = state === before.state ? before.sinceMs : nowMs
  return { name: check.name, state, failures, successes, note: note.slice(0, NOTE_MAX_CHARS), sinceMs }
}
