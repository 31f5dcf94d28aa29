// Rows of pull subscriptions: a cursor per group, a row per item that is out or set aside, a row per dead one.

import type { RowChange, WorkingReads, WorkingRows } from '../catalog/working-rows.ts'
import { PolityError } from '../errors.ts'
import { SCAN_LIMIT_MAX } from '../store/store.ts'
import { boundedReason, itemKey, prefixOf, requireName } from './subscription-rows.ts'

/** Items of one group that are leased or set aside: one page, because every take looks at all of them. */
export const OPEN_ITEMS_MAX = SCAN_LIMIT_MAX
/** Dead items of one group; at the bound it stands still until some are dropped or tried again. */
export const DEAD_MAX = 10_000
/** A row that is gone keeps its version for so long: longer than any commit is under way. */
const TOMBSTONE_MS = 3600_000

export interface PullTables {
  /** Name -> Group. */
  readonly groups: string
  /** Name and seq -> OpenItem. */
  readonly items: string
  /** Name and seq -> DeadItem. */
  readonly dead: string
  readonly swept: readonly string[]
}

export const pullTables = (area: string): PullTables => {
  const tables = { groups: `${area}.pull-groups`, items: `${area}.pull-items`, dead: `${area}.pull-dead` }
  return { ...tables, swept: Object.values(tables) }
}

/** Which of the tables of some module's pull subscriptions it is, if it is one. */
export function pullTableOf(table: string): keyof Omit<PullTables, 'swept'> | undefined {
  if (table.endsWith('.pull-groups')) return 'groups'
  if (table.endsWith('.pull-items')) return 'items'
  return table.endsWith('.pull-dead') ? 'dead' : undefined
}

export interface Group {
  /** The next entry that the group has not looked at. */
  readonly position: number
  readonly isPaused: boolean
  readonly dead: number
}

export interface OpenItem {
  readonly seq: number
  /** Absent: no order. */
  readonly key?: string
  readonly state: 'leased' | 'waiting' | 'behind'
  readonly attempts: number
  /** Wall clock, milliseconds: end of the lease, or when it may be tried again. */
  readonly atMs?: number
  readonly delivery?: string
  readonly consumer?: string
  /** Why the last attempt failed. */
  readonly reason?: string
  /** RFC 3339. */
  readonly since: string
}

export interface DeadItem {
  readonly seq: number
  readonly key?: string
  readonly attempts: number
  readonly reason: string
  /** RFC 3339. */
  readonly since: string
}

/** Throws `not-found`. */
export async function groupOf(rows: WorkingReads, tables: PullTables, name: string): Promise<Group> {
  requireName(name)
  const { value } = await rows.get(tables.groups, name)
  if (value === undefined)
    throw new PolityError('not-found', `there is no subscription ${JSON.stringify(name)}`)
  return value as Group
}

/** In seq order. */
export async function openItems(
  rows: Pick<WorkingRows, 'scan'>,
  tables: PullTables,
  name: string,
): Promise<readonly OpenItem[]> {
  const page = await rows.scan(tables.items, { prefix: prefixOf(name), limit: OPEN_ITEMS_MAX })
  return page.map(({ value }) => value as OpenItem)
}

export const gone = (table: string, key: string, nowMs: number): RowChange => ({
  table,
  key,
  value: null,
  expiresAtMs: nowMs + TOMBSTONE_MS,
})

/**
 * Makes an item dead; false when it was dead already (it came again by a seek). Who counts the dead is the caller,
 * in the group's row.
 */
export async function buried(
  rows: WorkingRows,
  tables: PullTables,
  name: string,
  { seq, key, attempts }: Pick<OpenItem, 'seq' | 'key' | 'attempts'>,
  reason: string,
  nowMs: number,
): Promise<boolean> {
  const place = itemKey(name, seq)
  const { value } = await rows.get(tables.dead, place)
  const dead: DeadItem = {
    seq,
    ...(key === undefined ? {} : { key }),
    attempts,
    reason: boundedReason(reason),
    since: new Date(nowMs).toISOString(),
  }
  rows.write({ table: tables.dead, key: place, value: dead })
  return value === undefined
}
