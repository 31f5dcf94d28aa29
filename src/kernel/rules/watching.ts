// What became of whatever was asked at this hub since rules came into force: how much was denied, and how much met an error in a policy.

import type { Gate } from '../gate/gate.ts'
import type { Digest } from '../gate/types.ts'

/** Fewer are no share of anything. */
const WATCHED_MIN = 5
const ERROR_SHARE_MAX_PERCENT = 5

export interface WatchedGate {
  /** The same gate, whose decisions are counted. */
  readonly gate: Gate
  /** Why the rules in force do harm; undefined: they do none that can be seen. */
  fault(deniedShareMaxPercent: number): string | undefined
}

/** Counts under the rules in force, and anew under the next ones. The log would be too late: equal denials are one entry. */
export function watched(gate: Gate): WatchedGate {
  let digest: Digest | undefined
  let [asked, denied, failed] = [0, 0, 0]
  const count = (verdict: ReturnType<Gate['decide']>) => {
    if (verdict.evidence.bundle !== digest) {
      digest = verdict.evidence.bundle
      ;[asked, denied, failed] = [0, 0, 0]
    }
    asked += 1
    if (verdict.effect === 'denied') denied += 1
    // What a room could not answer is no fault of the rules: it names no policy.
    if (verdict.errors.some(({ policy }) => policy !== '')) failed += 1
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
        count(verdict)
        return verdict
      },
      reconsider: (question) => gate.reconsider(question),
      load: (...next) => gate.load(...next),
    },
    fault(deniedShareMaxPercent) {
      if (digest !== gate.bundle.digest || asked < WATCHED_MIN) return undefined
      if (failed * 100 > asked * ERROR_SHARE_MAX_PERCENT)
        return `${failed} of ${asked} decisions since met an error in a policy`
      if (denied * 100 > asked * deniedShareMaxPercent)
        return `${denied} of ${asked} requests since were denied: more than ${deniedShareMaxPercent} percent`
      return undefined
    },
  }
}
