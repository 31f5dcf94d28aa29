// The checker: runs every check of every component at its interval, a bounded number at a time, and keeps how each stands.

import type { Reads } from '../../../kernel/catalog/context.ts'
import type { ModuleHost } from '../../../kernel/catalog/module.ts'
import { asPolityError } from '../../../kernel/errors.ts'
import type { Draft } from '../../../kernel/log/entry.ts'
import type { Static } from '../../../kernel/schema/schema.ts'
import { factAgainst } from '../../../kernel/trust/alerting.ts'
import { CheckFailed, CheckPassed, components } from '../contract.ts'
import { type CheckResult, type ChecksRow, unknown } from '../health.ts'
import { CHECKS, type WatchedLease } from '../leases.ts'
import { subjectOf } from '../registering.ts'
import { CHECK_INTERVAL_MS, type Check } from '../schemas.ts'
import type { Probe } from './probe.ts'
import { standingAfter } from './standing.ts'

const CONCURRENT_MAX = 32
/** Of the components of one owner: checks that hang take their time, and not that of others. */
const OWNED_CONCURRENT_MAX = 24
/** Of an interval, up or down: components that came together are not asked together for ever. */
const JITTER_SHARE = 0.1

export interface Checker {
  /** Takes over what is new, forgets what is gone, and begins what is due. */
  keepUp(leases: readonly WatchedLease[]): void
  /** Another hub checks now. */
  forget(): void
  close(): Promise<void>
}

interface Watched {
  readonly id: string
  readonly owner: string
  readonly epoch: number
  readonly checks: readonly Static<typeof Check>[]
  readonly nextAtMs: Map<string, number>
  readonly underWay: Set<string>
}

type Host = Pick<ModuleHost, 'env' | 'rows' | 'record' | 'onFailure'> & { readonly reads: Pick<Reads, 'get'> }

export function openChecker(host: Host, probe: Probe): Checker {
  const { env } = host
  const closing = new AbortController()
  const watched = new Map<string, Watched>()
  const loading = new Set<string>()
  const underWay = new Set<Promise<void>>()
  const track = (work: Promise<void>) => {
    const tracked = work
      .catch((error: unknown) => {
        if (!closing.signal.aborted) host.onFailure(asPolityError(error))
      })
      .finally(() => underWay.delete(tracked))
    underWay.add(tracked)
  }
  /** By owner. */
  const running = new Map<string, number>()
  const load = async ({ id, owner, epoch }: WatchedLease) => {
    loading.add(id)
    try {
      const row = (await host.reads.get(components, id))?.value
      if (row === undefined || row.epoch !== epoch) return
      const first = (intervalMs: number) => env.monotonic() + intervalMs * chance(env)
      const nextAtMs = new Map(row.checks.map((check) => [check.name, first(intervalOf(check))]))
      watched.set(id, { id, owner, epoch, checks: row.checks, nextAtMs, underWay: new Set() })
    } finally {
      loading.delete(id)
    }
  }
  const runOne = async (of: Watched, check: Static<typeof Check>) => {
    of.underWay.add(check.name)
    running.set(of.owner, (running.get(of.owner) ?? 0) + 1)
    try {
      const outcome = await probe(check, closing.signal)
      // Who left or was registered again in between is not spoken of.
      if (!closing.signal.aborted && watched.get(of.id) === of) await keep(host, of, check, outcome)
    } finally {
      of.underWay.delete(check.name)
      const left = (running.get(of.owner) ?? 1) - 1
      if (left > 0) running.set(of.owner, left)
      else running.delete(of.owner)
      const jitter = 1 + JITTER_SHARE * (2 * chance(env) - 1)
      of.nextAtMs.set(check.name, env.monotonic() + intervalOf(check) * jitter)
    }
  }
  return {
    keepUp(leases) {
      const there = new Map(leases.map((lease) => [lease.id, lease]))
      for (const [id, { epoch }] of watched) if (there.get(id)?.epoch !== epoch) watched.delete(id)
      for (const lease of leases) if (!watched.has(lease.id) && !loading.has(lease.id)) track(load(lease))
      const nowMs = env.monotonic()
      for (const [of, check] of dueAt(watched.values(), nowMs))
        if (
          underWay.size < CONCURRENT_MAX + loading.size &&
          (running.get(of.owner) ?? 0) < OWNED_CONCURRENT_MAX
        )
          track(runOne(of, check))
    },
    forget: () => watched.clear(),
    async close() {
      closing.abort()
      watched.clear()
      await Promise.all(underWay)
    },
  }
}

const intervalOf = ({ intervalMs = CHECK_INTERVAL_MS }: Static<typeof Check>): number => intervalMs

/** The most overdue first, so that none starves where there are too many. */
function dueAt(
  watched: Iterable<Watched>,
  nowMs: number,
): readonly (readonly [Watched, Static<typeof Check>])[] {
  const due: { readonly atMs: number; readonly pair: readonly [Watched, Static<typeof Check>] }[] = []
  for (const of of watched)
    for (const check of of.checks) {
      const atMs = of.nextAtMs.get(check.name) ?? 0
      if (atMs <= nowMs && !of.underWay.has(check.name)) due.push({ atMs, pair: [of, check] })
    }
  return due.sort((one, other) => one.atMs - other.atMs).map(({ pair }) => pair)
}

/** 0 to 1. */
const chance = ({ random }: Pick<ModuleHost['env'], 'random'>): number => {
  const [high = 0, low = 0] = random(2)
  return (high * 256 + low) / 65_536
}

const ATTEMPTS_MAX = 4

/** Only what changes is written: a check that goes on as before costs nothing. Checks of one component share its row. */
async function keep(
  host: Host,
  { id, owner, epoch, checks }: Watched,
  check: Static<typeof Check>,
  outcome: Parameters<typeof standingAfter>[1],
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { version, value } = await host.rows.get(CHECKS, id)
    const row = value as ChecksRow | undefined
    const results = row?.epoch === epoch ? row.results : []
    const before = results.find(({ name }) => name === check.name) ?? unknown(check.name)
    const after = standingAfter(before, outcome, check, host.env.now())
    if (isSettled(before, after)) return
    const others = checks.filter(({ name }) => name !== check.name)
    const kept = others.flatMap(({ name }) => results.filter((each) => each.name === name))
    const next: ChecksRow = { epoch, results: [...kept, after] }
    try {
      await host.record(factsOf({ id, owner }, before, after), {
        changes: [{ table: CHECKS, key: id, value: next }],
        expect: [{ table: CHECKS, key: id, version }],
      })
      return
    } catch (error) {
      if (asPolityError(error).code !== 'expectation.failed' || attempt === ATTEMPTS_MAX) throw error
      // Registered again while the check ran: its row went with that.
      const now = (await host.rows.get(CHECKS, id)).value as ChecksRow | undefined
      if (now === undefined || now.epoch !== epoch) return
    }
  }
}

/** Whether the row says the same, and no count has to go on. */
const isSettled = (before: CheckResult, after: CheckResult): boolean =>
  before.state === after.state &&
  before.note === after.note &&
  (after.state === 'critical' ? after.failures > 0 && before.successes === 0 : after.failures === 0)

/** A check that ends as failing speaks against whoever registered the component, who said where it is. */
function factsOf(
  { id, owner }: Pick<Watched, 'id' | 'owner'>,
  before: CheckResult,
  after: CheckResult,
): readonly Draft[] {
  if (after.state === 'critical' && before.state !== 'critical') {
    const fact = CheckFailed({ id, check: after.name, note: after.note }, subjectOf(id))
    return factAgainst(owner, { family: 'components', severity: 'medium', fact })
  }
  if (before.state === 'critical' && after.state !== 'critical')
    return [CheckPassed({ id, check: after.name }, subjectOf(id))]
  return []
}
