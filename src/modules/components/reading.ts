// Reading: components with their health, as of now.

import type { Reads } from '../../kernel/catalog/context.ts'
import type { WorkingReads } from '../../kernel/catalog/working-rows.ts'
import { principalActedOn, type WatchedTarget } from '../../kernel/fusion/watched.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import {
  type Component,
  type ComponentRow,
  components,
  type get,
  type list,
  type status,
} from './contract.ts'
import { type ChecksRow, type Health, healthOf } from './health.ts'
import { CHECKS, COMPONENTS_MAX, LEASES, type LeaseRow } from './leases.ts'
import { unknownComponent } from './registering.ts'
import { brakeOf } from './watch.ts'

type Shown = Static<typeof Component>
type Rows = Pick<WorkingReads, 'get' | 'scan'>

const PAGE_SIZE = 100

/** A component with what is known of it right now. */
export interface Seen {
  readonly row: ComponentRow
  readonly lease: LeaseRow | undefined
  readonly checks: ChecksRow | undefined
  readonly health: Health
  readonly reasons: readonly string[]
}

/** Every component in the order of ids; three reads, however many there are. */
export async function allSeen(reads: Reads, rows: Rows, nowMs: number): Promise<readonly Seen[]> {
  const [known, leases, checks] = await Promise.all([
    reads.list(components, { limit: COMPONENTS_MAX }),
    rows.scan(LEASES, { limit: COMPONENTS_MAX }),
    rows.scan(CHECKS, { limit: COMPONENTS_MAX }),
  ])
  const leaseOf = new Map(leases.map(({ key, value }) => [key, value as LeaseRow]))
  const checksOf = new Map(checks.map(({ key, value }) => [key, value as ChecksRow]))
  return known.map(({ key, value }) => seenOf(value, leaseOf.get(key), checksOf.get(key), nowMs))
}

function seenOf(
  row: ComponentRow,
  lease: LeaseRow | undefined,
  checks: ChecksRow | undefined,
  nowMs: number,
): Seen {
  const names = row.checks.map(({ name }) => name)
  return { row, lease, checks, ...healthOf(lease, names, checks, nowMs) }
}

export async function getComponent(
  reads: Reads,
  { id }: Static<typeof get.schema>,
  rows: Rows,
  nowMs: number,
): Promise<Shown> {
  const [known, lease, checks] = await Promise.all([
    reads.get(components, id),
    rows.get(LEASES, id),
    rows.get(CHECKS, id),
  ])
  if (known === undefined) throw unknownComponent(id)
  return shown(
    seenOf(known.value, lease.value as LeaseRow | undefined, checks.value as ChecksRow | undefined, nowMs),
  )
}

const RESOURCE_PREFIX = 'component/'
const WATCHED: Readonly<Record<Health, WatchedTarget['health']>> = {
  passing: 'healthy',
  warning: 'degraded',
  critical: 'critical',
  lost: 'critical',
}

/**
 * How the component is that a resource names, or the principal who is named at its end, for the gate; undefined where
 * nothing is known. By leases and the checks that ran: a decision does not wait until what it looks at is published.
 */
export async function watchedTarget(
  resource: string,
  rows: Rows,
  nowMs: number,
): Promise<WatchedTarget | undefined> {
  const principal = principalActedOn(resource)
  if (principal !== undefined) return watchedPrincipal(principal, rows, nowMs)
  if (!resource.startsWith(RESOURCE_PREFIX)) return undefined
  const id = resource.slice(RESOURCE_PREFIX.length)
  const [leased, checked] = await Promise.all([rows.get(LEASES, id), rows.get(CHECKS, id)])
  const lease = leased.value as LeaseRow | undefined
  return lease && watchedLease(lease, checked.value as ChecksRow | undefined, nowMs)
}

function watchedLease(lease: LeaseRow, checks: ChecksRow | undefined, nowMs: number): WatchedTarget {
  const ran = checks?.epoch === lease.epoch ? checks.results.map(({ name }) => name) : []
  const { health, reasons } = healthOf(lease, ran, checks, nowMs)
  return { health: WATCHED[health], reason: reasons[0] ?? 'it is well', asOfMs: nowMs }
}

/** By the components that he registered: critical when all of them are, degraded when one is not well. */
async function watchedPrincipal(
  principal: string,
  rows: Rows,
  nowMs: number,
): Promise<WatchedTarget | undefined> {
  const leases = await rows.scan(LEASES, { limit: COMPONENTS_MAX })
  const owned = leases.filter(({ value }) => (value as LeaseRow).owner === principal)
  const seen = await Promise.all(
    owned.map(async ({ key, value }) =>
      watchedLease(value as LeaseRow, (await rows.get(CHECKS, key)).value as ChecksRow | undefined, nowMs),
    ),
  )
  const ill = seen.find(({ health }) => health !== 'healthy')
  if (ill === undefined) return seen[0]
  const isAll = seen.every(({ health }) => health === 'critical')
  return isAll ? ill : { ...ill, health: 'degraded' }
}

export async function listComponents(
  reads: Reads,
  { kind, capability, health, after, limit = PAGE_SIZE }: Static<typeof list.schema>,
  rows: Rows,
  nowMs: number,
): Promise<Static<typeof list.output>> {
  const found = (await allSeen(reads, rows, nowMs)).filter(
    ({ row, health: its }) =>
      (after === undefined || Buffer.compare(Buffer.from(row.id), Buffer.from(after)) > 0) &&
      (kind === undefined || row.kind === kind) &&
      (capability === undefined || row.capabilities.includes(capability)) &&
      (health === undefined || its === health),
  )
  const items = found.slice(0, limit).map(shown)
  const last = items.at(-1)
  return { items, ...(last !== undefined && found.length > limit ? { after: last.id } : {}) }
}

export async function statusOf(
  reads: Reads,
  rows: Rows,
  nowMs: number,
): Promise<Static<typeof status.output>> {
  const [seen, brake] = await Promise.all([allSeen(reads, rows, nowMs), brakeOf(rows)])
  const counted = (wanted: Health) => seen.filter(({ health }) => health === wanted).length
  return {
    passing: counted('passing'),
    warning: counted('warning'),
    critical: counted('critical'),
    lost: counted('lost'),
    isHolding: brake?.phase === 'holding',
    ...(brake === undefined ? {} : { since: timeOf(brake.sinceMs), count: brake.count, total: brake.total }),
  }
}

function shown({ row, lease, checks, health, reasons }: Seen): Shown {
  const { isLost: _, ...described } = row
  const results = checks?.epoch === row.epoch ? checks.results : []
  return {
    ...described,
    health,
    reasons: [...reasons],
    ...(lease === undefined
      ? {}
      : { renewedAt: timeOf(lease.renewedAtMs), expiresAt: timeOf(lease.expiresAtMs) }),
    checkReports: row.checks.map(({ name }) => {
      const result = results.find((each) => each.name === name)
      return result === undefined
        ? { name, state: 'unknown' as const, note: 'has not run yet' }
        : { name, state: result.state, note: result.note, since: timeOf(result.sinceMs) }
    }),
  }
}

const timeOf = (ms: number): string => new Date(ms).toISOString()
