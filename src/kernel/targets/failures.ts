// Which errors tell something about a target, and which only about us.

import { type ErrorCode, PolityError } from '../errors.ts'

/** Refusals by our own side: the target was not asked, or not by a fault of its own. */
const OURS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'cancelled',
  'denied',
  'gate.failed',
  'gate.unavailable',
  'input.invalid',
  'entry.invalid',
  'entry.too-large',
  'payload.too-large',
  'egress.invalid',
  'egress.refused',
  'secret.missing',
  'target.open',
  'target.busy',
  'limit',
  'log.closed',
  'log.saturated',
  'run.cancelled',
  // Whoever asks chooses it, and could close a target to everybody with deadlines that nobody can meet.
  'run.deadline',
  'run.moved',
  'run.paused',
  'expectation.failed',
])

/** All but cancellations and refusals by our own side; timeouts count. */
export function countsAgainstTarget(error: unknown): boolean {
  if (error instanceof PolityError) return !OURS.has(error.code)
  return !(error instanceof Error && error.name === 'AbortError')
}

/** Why a signal was aborted, as an error with a code. */
export function abortReason({ reason }: AbortSignal): PolityError {
  if (reason instanceof PolityError) return reason
  if (reason instanceof Error && reason.name === 'TimeoutError')
    return new PolityError('timeout', 'the call did not end in time', {}, reason)
  return new PolityError('cancelled', 'the call was cancelled', {}, reason)
}
