// What became of whatever was asked at this hub since rules came into force: how much was denied, and how much met an error in a policy.

import type { Gate } from '../gate/gate.ts'
import type { Digest, GateRequest, Verdict } from '../gate/types.ts'

/** Fewer are no share of anything. */
const WATCHED_MIN = 5
const ERROR_SHARE_MAX_PERCENT = 5

export interface Counts {
  readonly asked: number
  readonly denied: number
  /** Met an error in a policy. */
  readonly failed: number
}

export const NOTHING_COUNTED: Counts = { asked: 0, denied: 0, failed: 0 }

export interface WatchedGate {
  /** The same gate, whose decisions are counted. */
  readonly gate: Gate
  /** Under the rules in force. */
  counts(): Counts
}

/**
 * Counts under the rules in force, and anew under the next ones. The log would be too late: equal denials are one entry.
 * `isWatched`: nothing is counted for nobody, for a denial is decided twice.
 */
export function watched(gate: Gate, isWatched: () => boolean): WatchedGate {
  let digest: Digest | undefined
  let counts = NOTHING_COUNTED
  const countUnder = (bundle: Digest) => {
    if (bundle === digest) return
    digest = bundle
    counts = NOTHING_COUNTED
  }
  const count = (request: GateRequest, { evidence, effect, errors }: Verdict) => {
    countUnder(evidence.bundle)
    // What a room could not answer is no fault of the rules: it names no policy.
    const hasFailed = errors.some(({ policy }) => policy !== '')
    // Otherwise whoever is denied anyway could have rules taken back, by asking often enough.
    if (effect === 'denied' && !hasFailed && wasDenied(gate, request)) return
    counts = {
      asked: counts.asked + 1,
      denied: counts.denied + (effect === 'denied' ? 1 : 0),
      failed: counts.failed + (hasFailed ? 1 : 0),
    }
  }
  return {
    gate: {
      get bundle() {
        return gate.bundle
      },
      get source() {
        return gate.source
      },
      get rollout() {
        return gate.rollout
      },
      classify: (request) => gate.classify(request),
      decide(request) {
        const verdict = gate.decide(request)
        if (isWatched()) count(request, verdict)
        return verdict
      },
      decideBefore: (request) => gate.decideBefore(request),
      reconsider: (question) => gate.reconsider(question),
      load(...next) {
        gate.load(...next)
        // Also where they were in force before and nothing was asked in between.
        countUnder(gate.bundle.digest)
      },
    },
    counts: () => (digest === gate.bundle.digest ? counts : NOTHING_COUNTED),
  }
}

/** Also under the rules before: then it is no harm that these do. Of what they could not decide nobody knows that. */
function wasDenied(gate: Gate, request: GateRequest): boolean {
  try {
    return gate.decideBefore(request)?.effect === 'denied'
  } catch {
    return false
  }
}

/** Why the rules under which it was counted do harm; undefined: they do none that can be seen. */
export function harmIn({ asked, denied, failed }: Counts, deniedShareMaxPercent: number): string | undefined {
  if (asked < WATCHED_MIN) return undefined
  if (failed * 100 > asked * ERROR_SHARE_MAX_PERCENT)
    return `${failed} of ${asked} decisions since met an error in a policy`
  if (denied * 100 > asked * deniedShareMaxPercent)
    return `${denied} of ${asked} requests since were denied: more than ${deniedShareMaxPercent} percent`
  return undefined
}
