// The watch: one hub of several looks at all leases every moment, declares losses, and runs the checks.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { type Env, pause } from '../../kernel/env.ts'
import { asPolityError, type ErrorCode } from '../../kernel/errors.ts'
import { openFailing } from '../../kernel/failing.ts'
import { factAgainst } from '../../kernel/trust/alerting.ts'
import { type BrakeRow, HOLD_MS, judgeOwners, type OwnJudgement } from './brake.ts'
import type { Checker } from './checks/checker.ts'
import { ComponentLost, MassLossEnded, MassLossSuspected } from './contract.ts'
import { allLeases, COMPONENTS_MAX, LEASES, type LeaseRow, type WatchedLease } from './leases.ts'
import { subjectOf } from './registering.ts'
import type { ComponentsOptions } from './settings.ts'

/** Working state: who watches, in one row; and the brakes that are pulled, of the whole hub and by owner. */
const WATCHER = 'components.watcher'
const BRAKE = 'components.brake'
const ONLY = 'all'

const ROUND_MS = 750
/** Whoever watches renews well before; after this long without renewal another hub takes over. */
const WATCHER_TTL_MS = 15_000
const WATCHER_RENEW_MS = 5000
/** A round that comes so late, or clocks that drift apart so far in one, mean that renewals may have been missed. */
const AWAY_MS = 5000

interface WatcherRow {
  readonly holder: string
  readonly untilMs: number
}

type Host = Pick<ModuleHost, 'env' | 'rows' | 'record' | 'onFailure'>

export interface WatchPorts {
  readonly checker: Checker
  /** Whether the network of this machine works: asked only while a mass loss is looked into. */
  readonly probe: () => Promise<boolean>
  readonly options?: Pick<ComponentsOptions, 'massLossMs'>
}

export interface Watch {
  close(): Promise<void>
}

export function watchComponents(host: Host, ports: WatchPorts): Watch {
  const closing = new AbortController()
  const watcher = openWatcher(host, ports)
  const failing = openFailing(host.onFailure)
  const going = (async () => {
    while (!closing.signal.aborted) {
      try {
        await watcher.round()
        failing.works()
      } catch (error) {
        if (!PASSING.includes(asPolityError(error).code)) failing.fails(error)
      }
      await pause(host.env, ROUND_MS, closing.signal)
    }
  })()
  return {
    async close() {
      closing.abort()
      await going
      await watcher.leave()
    },
  }
}

/** Somebody was faster, or the hub is about to close: the next round sees. */
const PASSING: readonly ErrorCode[] = ['expectation.failed', 'log.saturated', 'log.closed', 'store.fenced']

/** The brakes of the hub (ONLY) and of owners. */
async function brakesOf(rows: Host['rows']) {
  const found = await rows.scan(BRAKE, { limit: COMPONENTS_MAX })
  return new Map(found.map(({ key, version, value }) => [key, { version, row: value as BrakeRow }]))
}

/** The brake of the whole hub as it stands; also for whoever only asks. */
export async function brakeOf(rows: Host['rows']): Promise<BrakeRow | undefined> {
  return (await rows.get(BRAKE, ONLY)).value as BrakeRow | undefined
}

function openWatcher(host: Host, { checker, probe, options = {} }: WatchPorts) {
  const { env, rows } = host
  const me = env.id()
  const presence = openPresence(env)
  let heldUntilMs = 0

  /** Throws `expectation.failed` when another hub was faster. */
  const holdWatch = async (): Promise<boolean> => {
    const nowMs = env.now()
    if (heldUntilMs - nowMs > WATCHER_TTL_MS - WATCHER_RENEW_MS && heldUntilMs - nowMs <= WATCHER_TTL_MS)
      return true
    const { version, value } = await rows.get(WATCHER, ONLY)
    const row = value as WatcherRow | undefined
    // A lease that ends later than any lease can was written by a clock that was wrong.
    const isTaken =
      row !== undefined && row.holder !== me && isBetween(row.untilMs - nowMs, 0, WATCHER_TTL_MS)
    if (isTaken) {
      presence.lost()
      return false
    }
    if (row?.holder !== me) presence.lost()
    const mine: WatcherRow = { holder: me, untilMs: nowMs + WATCHER_TTL_MS }
    await host.record([], {
      changes: [{ table: WATCHER, key: ONLY, value: mine }],
      expect: [{ table: WATCHER, key: ONLY, version }],
    })
    heldUntilMs = mine.untilMs
    return true
  }

  return {
    async round() {
      const leases = await allLeases(rows)
      if (leases.length === 0 || !(await holdWatch())) {
        presence.lost()
        checker.forget()
        return
      }
      const graceFromMs = presence.seen()
      const brakes = await brakesOf(rows)
      const isHolding = [...brakes.values()].some(({ row }) => row?.phase === 'holding')
      const sight = {
        leases,
        brake: brakes.get(ONLY)?.row,
        nowMs: env.now(),
        graceFromMs,
        holdMs: options.massLossMs ?? HOLD_MS,
        probesWork: isHolding && (await probe()),
      }
      const own = [...brakes].flatMap(([key, { row }]) => (key === ONLY ? [] : [[key, row] as const]))
      for (const judged of judgeOwners(sight, new Map(own))) {
        await recordBrake(host, judged, brakes.get(judged.owner ?? ONLY)?.version)
        for (const lease of judged.declare) await declareLost(host, lease)
      }
      checker.keepUp(leases)
    },
    /** Another hub need not wait until the lease has run out. */
    async leave() {
      if (heldUntilMs > env.now()) await release(host, me).catch(() => undefined)
      await checker.close()
    },
  }
}

const isBetween = (value: number, low: number, high: number): boolean => value > low && value <= high

/** Knows since when this hub has been looking without a gap. */
function openPresence(env: Pick<Env, 'now' | 'monotonic'>) {
  let last: { readonly wallMs: number; readonly monotonicMs: number } | undefined
  let graceFromMs = 0
  return {
    /** A round takes place; answers from when on leases count. */
    seen(): number {
      const now = { wallMs: env.now(), monotonicMs: env.monotonic() }
      if (last === undefined || wasAway(last, now)) graceFromMs = now.wallMs
      last = now
      return graceFromMs
    },
    lost() {
      last = undefined
    },
  }
}

/** A stopped process shows in both clocks, a suspended machine in the wall clock, and a clock that was set as well. */
const wasAway = (
  before: { readonly wallMs: number; readonly monotonicMs: number },
  now: { readonly wallMs: number; readonly monotonicMs: number },
): boolean => {
  const elapsedMs = now.monotonicMs - before.monotonicMs
  const wallElapsedMs = now.wallMs - before.wallMs
  return elapsedMs > AWAY_MS || Math.abs(wallElapsedMs - elapsedMs) > AWAY_MS
}

async function recordBrake(
  host: Host,
  { brake, event, overdue, owner }: OwnJudgement,
  known: number | undefined,
): Promise<void> {
  if (brake === undefined) return
  const key = owner ?? ONLY
  // What is gone has a version too.
  const version = known ?? (await host.rows.get(BRAKE, key)).version
  const whose = owner === undefined ? {} : { owner }
  const ended = (outcome: 'renewals' | 'confirmed') => [
    MassLossEnded({ outcome, overdue, ...whose }, BRAKE_SUBJECT),
  ]
  const suspected = owner === undefined ? 'hub' : 'owner'
  const drafts =
    event === 'pulled' && brake !== null
      ? [MassLossSuspected({ count: brake.count, total: brake.total, suspected, ...whose }, BRAKE_SUBJECT)]
      : event === 'renewals' || event === 'confirmed'
        ? ended(event)
        : []
  await host.record(drafts, {
    changes: [{ table: BRAKE, key, value: brake }],
    expect: [{ table: BRAKE, key, version }],
  })
}

const BRAKE_SUBJECT = { subject: 'components' }

/** The renewal that comes at the same moment wins: its row is another one then. */
async function declareLost(host: Host, { version, ...lease }: WatchedLease): Promise<void> {
  const { id, ...row } = lease
  const lost: LeaseRow = { ...row, lostAtMs: host.env.now() }
  const expiredAt = new Date(row.expiresAtMs).toISOString()
  try {
    const fact = ComponentLost({ id, epoch: row.epoch, expiredAt }, subjectOf(id))
    await host.record(factAgainst(row.owner, { family: 'components', severity: 'medium', fact }), {
      changes: [{ table: LEASES, key: id, value: lost }],
      expect: [{ table: LEASES, key: id, version }],
    })
  } catch (error) {
    if (asPolityError(error).code !== 'expectation.failed') throw error
  }
}

async function release(host: Host, me: string): Promise<void> {
  const { version, value } = await host.rows.get(WATCHER, ONLY)
  if ((value as WatcherRow | undefined)?.holder !== me) return
  await host.record([], {
    changes: [{ table: WATCHER, key: ONLY, value: null }],
    expect: [{ table: WATCHER, key: ONLY, version }],
  })
}
