// The pace of one lane: how many attempts at a time, and not before when; what fails is tried more slowly, what works recovers.

/** Attempts of one lane at a time. */
export const LANE_CONCURRENT_MAX = 4
const PAUSE_MIN_MS = 1_000
const PAUSE_MAX_MS = 300_000

export interface Lane {
  readonly name: string
  readonly underWay: Set<string>
  /** When its next delivery is due, as far as is known; 0: to be looked up. */
  nextAtMs: number
  notBeforeMs: number
  concurrentMax: number
  /** Answers in a row that asked for less. */
  pauses: number
  /** Its last attempt failed, or took long: together such lanes get only a part of the places. */
  hasFailed: boolean
}

export const newLane = (name: string): Lane => ({
  name,
  underWay: new Set(),
  nextAtMs: 0,
  notBeforeMs: 0,
  concurrentMax: LANE_CONCURRENT_MAX,
  pauses: 0,
  hasFailed: false,
})

/** Beyond this a receiver holds places that others need, even if it answers well in the end. */
const SLOW_MS = 5_000

export function paceSuccess(lane: Lane, durationMs: number): void {
  lane.concurrentMax = Math.min(lane.concurrentMax + 1, LANE_CONCURRENT_MAX)
  lane.pauses = 0
  lane.notBeforeMs = 0
  lane.hasFailed = durationMs > SLOW_MS
}

/** `isOverloaded`: the receiver has asked for less (429, 502, 504, or Retry-After). */
export function paceFailure(
  lane: Lane,
  { nowMs, isOverloaded, retryAfterMs = 0 }: { nowMs: number; isOverloaded: boolean; retryAfterMs?: number },
): void {
  lane.hasFailed = true
  lane.concurrentMax = Math.max(1, Math.floor(lane.concurrentMax / 2))
  if (!isOverloaded) return
  lane.concurrentMax = 1
  const pauseMs = Math.min(PAUSE_MIN_MS * 2 ** Math.min(lane.pauses, 30), PAUSE_MAX_MS)
  lane.pauses += 1
  lane.notBeforeMs = Math.max(lane.notBeforeMs, nowMs + Math.max(pauseMs, retryAfterMs))
}

/** When the lane has something to do again; Infinity: never, as far as is known. */
export const readyAtMs = (lane: Lane): number =>
  lane.underWay.size >= lane.concurrentMax
    ? Number.POSITIVE_INFINITY
    : Math.max(lane.nextAtMs, lane.notBeforeMs)

export const isIdle = (lane: Lane, nowMs: number): boolean =>
  lane.underWay.size === 0 && lane.nextAtMs === Number.POSITIVE_INFINITY && lane.notBeforeMs <= nowMs
