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

export interface OwnJudgement extends Judgement {
  /** Whose leases were judged; absent: all of them. */
  readonly owner?: string
}

/**
 * First the hub as a whole; while nothing speaks against it, each owner for himself: many losses of one are held and
 * declared like those of all, and are nobody else's concern. `brakes`: by owner.
 */
export function judgeOwners(
  sight: Sight,
  brakes: ReadonlyMap<string, BrakeRow>,
): readonly [OwnJudgement, ...OwnJudgement[]] {
  const whole = judgeLeases(sight)
  const byOwner = Map.groupBy(sight.leases, ({ owner }) => owner)
  const isWhole = sight.brake !== undefined || whole.event === 'pulled' || byOwner.size < 2
  const owners = new Set([...(isWhole ? [] : byOwner.keys()), ...brakes.keys()])
  const each = [...owners].map((owner): OwnJudgement => {
    const leases = isWhole ? [] : (byOwner.get(owner) ?? [])
    return { ...judgeLeases({ ...sight, leases, brake: brakes.get(owner) }), owner }
  })
  return [isWhole ? whole : { ...whole, declare: [] }, ...each]
}

/** Pure: the same sight has the same judgement. */
export function judgeLeases(sight: Sight): Judgement {
  const { leases, brake, nowMs, graceFromMs, holdMs, probesWork } = sight
  const overdue = leases.filter((lease) => lease.lostAtMs === undefined && dueMs(lease, sight) <= nowMs)
  const recent = leases.filter(({ lostAtMs }) => lostAtMs !== undefined && lostAtMs > nowMs - WINDOW_MS)
  const known = [...leases.filter(({ lostAtMs }) => lostAtMs === undefined), ...recent]
  // Grace stops the clock of a loss, and does not make anybody return.
  const silent = leases.filter((each) => each.lostAtMs === undefined && each.expiresAtMs + SKEW_MS <= nowMs)
  const settled = overdue
    .filter((lease) => dueMs(lease, sight) + Math.min(lease.ttlMs, SETTLE_MAX_MS) <= nowMs)
    .sort((one, other) => one.expiresAtMs - other.expiresAtMs || byId(one, other))
  const seen = { overdue: overdue.length, declare: [] }

  if (brake === undefined) {
    const gone = [...overdue, ...recent]
    if (overdue.length === 0 || !isMass(gone, known)) return { ...seen, declare: settled }
    const pulled = { phase: 'holding', sinceMs: nowMs, count: gone.length, total: known.length } as const
    return { ...seen, event: 'pulled', brake: pulled }
  }
  if (brake.phase === 'holding') {
    const isOver = silent.length === 0 || !isMass([...silent, ...recent], known)
    if (isOver) return { ...seen, event: 'renewals', brake: null }
    // A clock that went back must not hold for ever.
    const isLong = Math.abs(nowMs - Math.max(brake.sinceMs, graceFromMs)) >= holdMs
    return isLong && probesWork
      ? { ...seen, event: 'confirmed', brake: { ...brake, phase: 'declaring' } }
      : seen
  }
  if (silent.length === 0 || isOwnersAlone([...silent, ...recent], known)) return { ...seen, brake: null }
  const [next] = settled
  const isPaced = Math.abs(nowMs - (brake.declaredAtMs ?? 0)) >= PACE_MS
  return next !== undefined && isPaced
    ? { ...seen, declare: [next], brake: { ...brake, declaredAtMs: nowMs } }
    : seen
}

const massMinOf = (total: number): number => Math.max(MASS_MIN, Math.ceil(total * MASS_SHARE))

const isMass = (gone: readonly WatchedLease[], known: readonly WatchedLease[]): boolean =>
  gone.length >= massMinOf(known.length) && !isOwnersAlone(gone, known)

/**
 * What we do wrong, every owner feels. Where only some lose many while the others are heard, it is theirs: nobody holds
 * the losses of others by letting his own components die.
 */
function isOwnersAlone(gone: readonly WatchedLease[], known: readonly WatchedLease[]): boolean {
  const lost = Map.groupBy(gone, ({ owner }) => owner)
  const losesFew = ({ owner }: WatchedLease) => (lost.get(owner)?.length ?? 0) < MASS_MIN
  const others = known.filter(losesFew)
  if (others.length === 0 || others.length === known.length) return false
  return gone.filter(losesFew).length < Math.min(massMinOf(others.length), others.length)
}

/** When a lease is overdue: whoever renewed before the hub was away has its whole length again. */
const dueMs = ({ expiresAtMs, ttlMs }: WatchedLease, { graceFromMs }: Sight): number =>
  Math.max(expiresAtMs, graceFromMs + ttlMs) + SKEW_MS
