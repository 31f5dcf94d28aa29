// The mass-loss brake: who may be declared lost now, and when many silent components are first taken for a silent hub.

import { byId, type WatchedLease } from './leases.ts'

/** Leases that run out within this time of each other ran out at once. */
export const WINDOW_MS = 30_000
/** A lease is declared lost so long after it ran out, or its own length if that is shorter: what ran out with it shows by then. */
const SETTLE_MAX_MS = 15_000
/** Clocks of hubs that share a log may differ by so much. */
const SKEW_MS = 2000
const MASS_MIN = 3
const MASS_SHARE = 0.15
/** How long a mass loss is taken for the hub's own fault. */
export const HOLD_MS = 5 * 60_000
/** Between losses that are declared after a mass loss was confirmed. */
const PACE_MS = 5000

export interface BrakeRow {
  /** `holding`: nobody is declared lost. `declaring`: the loss is real, and is declared one by one. */
  readonly phase: 'holding' | 'declaring'
  readonly sinceMs: number
  /** When it was pulled. */
  readonly count: number
  readonly total: number
  readonly declaredAtMs?: number
}

export interface Sight {
  readonly leases: readonly WatchedLease[]
  readonly brake: BrakeRow | undefined
  /** Wall clock. */
  readonly nowMs: number
  /** Leases count from here if they were renewed before: the hub was away, or its clock jumped. */
  readonly graceFromMs: number
  readonly holdMs: number
  /** Whether what the hub does by itself works: its clock, its log, its network. */
  readonly probesWork: boolean
}

export interface Judgement {
  readonly declare: readonly WatchedLease[]
  /** What the brake becomes; absent: it stays. */
  readonly brake?: BrakeRow | null
  readonly event?: 'pulled' | 'renewals' | 'confirmed'
  readonly overdue: number
}

/** Pure: the same sight has the same judgement. */
export function judgeLeases(sight: Sight): Judgement {
  const { leases, brake, nowMs, graceFromMs, holdMs, probesWork } = sight
  const overdue = leases.filter((lease) => lease.lostAtMs === undefined && dueMs(lease, sight) <= nowMs)
  const recent = leases.filter(({ lostAtMs }) => lostAtMs !== undefined && lostAtMs > nowMs - WINDOW_MS)
  const total = leases.filter(({ lostAtMs }) => lostAtMs === undefined).length + recent.length
  const massMin = Math.max(MASS_MIN, Math.ceil(total * MASS_SHARE))
  // Grace stops the clock of a loss, and does not make anybody return.
  const silent = leases.filter((each) => each.lostAtMs === undefined && each.expiresAtMs + SKEW_MS <= nowMs)
  const settled = overdue
    .filter((lease) => dueMs(lease, sight) + Math.min(lease.ttlMs, SETTLE_MAX_MS) <= nowMs)
    .sort((one, other) => one.expiresAtMs - other.expiresAtMs || byId(one, other))
  const seen = { overdue: overdue.length, declare: [] }

  if (brake === undefined) {
    const count = overdue.length + recent.length
    if (count < massMin || overdue.length === 0) return { ...seen, declare: settled }
    return { ...seen, event: 'pulled', brake: { phase: 'holding', sinceMs: nowMs, count, total } }
  }
  if (brake.phase === 'holding') {
    const isOver = silent.length === 0 || silent.length + recent.length < massMin
    if (isOver) return { ...seen, event: 'renewals', brake: null }
    // A clock that went back must not hold for ever.
    const isLong = Math.abs(nowMs - Math.max(brake.sinceMs, graceFromMs)) >= holdMs
    return isLong && probesWork
      ? { ...seen, event: 'confirmed', brake: { ...brake, phase: 'declaring' } }
      : seen
  }
  if (silent.length === 0) return { ...seen, brake: null }
  const [next] = settled
  const isPaced = Math.abs(nowMs - (brake.declaredAtMs ?? 0)) >= PACE_MS
  return next !== undefined && isPaced
    ? { ...seen, declare: [next], brake: { ...brake, declaredAtMs: nowMs } }
    : seen
}

/** When a lease is overdue: whoever renewed before the hub was away has its whole length again. */
const dueMs = ({ expiresAtMs, ttlMs }: WatchedLease, { graceFromMs }: Sight): number =>
  Math.max(expiresAtMs, graceFromMs + ttlMs) + SKEW_MS
