// Which items a consumer gets next: leases that ended, items whose time has come, then new entries; one at a time per key.

import type { WorkingRows } from '../catalog/working-rows.ts'
import type { Env } from '../env.ts'
import { asPolityError } from '../errors.ts'
import type { Entry } from '../log/entry.ts'
import type { ReadableLog } from '../log/log.ts'
import {
  type Limits,
  limitsOf,
  type NextTake,
  type PulledItem,
  type PullOptions,
  requireWhole,
  type Taken,
} from './pull-options.ts'
import {
  buried,
  DEAD_MAX,
  type Group,
  gone,
  groupOf,
  OPEN_ITEMS_MAX,
  type OpenItem,
  openItems,
  type PullTables,
} from './pull-rows.ts'
import { itemKey } from './subscription-rows.ts'

/** Entries that one take looks at; it answers what it has found by then. */
const LOOK_MAX = 1000
/** What is wanted may be asked by an expression that takes its time, and everybody else waits meanwhile: after so many entries a take ends that has looked for so long. */
const LOOK_MIN = 64
const LOOK_MS = 50
/** A cursor that moved less without finding anything is not worth a commit. */
const UNSAVED_MAX = 256

export interface TakePorts {
  readonly env: Env
  readonly log: Pick<ReadableLog, 'read' | 'entry' | 'head' | 'cursorAt' | 'positionOf'>
  readonly tables: PullTables
}

interface Asked {
  readonly consumer: string
  readonly max: number
}

/** A take in the making. */
interface Take extends TakePorts, Limits {
  readonly rows: WorkingRows
  readonly options: PullOptions
  readonly consumer: string
  readonly nowMs: number
  readonly group: Group
  /** Seqs of items that are out or set aside. */
  readonly known: ReadonlySet<number>
  /** Keys of which no more items may be leased. */
  readonly busy: Set<string>
  readonly items: PulledItem[]
  /** How many more may be leased. */
  room: number
  open: number
  dead: number
  position: number
  nextAtMs: number
  /** Whether an item's row is written: then the cursor has to move with it. */
  isChanged: boolean
  /** Whether an entry above `position` could be taken if there were one. */
  isLooking: boolean
}

export async function take(
  ports: TakePorts,
  rows: WorkingRows,
  options: PullOptions,
  { consumer, max }: Asked,
): Promise<Taken> {
  const limits = limitsOf(options)
  requireWhole('max', max, Number.MAX_SAFE_INTEGER)
  const { env, tables } = ports
  const group = await groupOf(rows, tables, options.name)
  if (group.isPaused) return { items: [], next: {}, isFull: false }
  const nowMs = env.now()
  const open = await openItems(rows, tables, options.name)
  const leased = open.filter((item) => isLeased(item, nowMs)).length
  const state: Take = {
    ...ports,
    ...limits,
    rows,
    options,
    consumer,
    nowMs,
    group,
    known: new Set(open.map(({ seq }) => seq)),
    busy: new Set(),
    items: [],
    room: Math.min(max, limits.inFlightMax - leased),
    open: open.length,
    dead: group.dead,
    position: group.position,
    nextAtMs: Number.POSITIVE_INFINITY,
    isChanged: false,
    isLooking: false,
  }
  for (const item of open) await reconsider(state, item)
  await look(state)
  saveGroup(state)
  return { items: state.items, next: nextOf(state), isFull: isFull(state) }
}

const isLeased = ({ state, atMs = 0 }: OpenItem, nowMs: number): boolean => state === 'leased' && atMs > nowMs

const isFull = ({ open, dead }: Take): boolean => open >= OPEN_ITEMS_MAX || dead >= DEAD_MAX

/** An item that is out or set aside, in seq order: the first one of its key decides for all behind it. */
async function reconsider(state: Take, item: OpenItem): Promise<void> {
  const { key, attempts, atMs = 0 } = item
  if (key !== undefined && state.busy.has(key)) return
  const isSpent = item.state === 'leased' && attempts >= state.deliverMax
  if (item.state !== 'behind' && atMs > state.nowMs) state.nextAtMs = Math.min(state.nextAtMs, atMs)
  else if (isSpent && state.dead < DEAD_MAX)
    return bury(state, item, `not acknowledged within ${state.ackWaitMs} ms`)
  else if (!isSpent && state.room > 0) {
    const entry = await entryOf(state, item)
    // What nobody gets any more holds up nothing of its key.
    if (entry === undefined || !(await isStillWanted(state, item, entry))) return
    await lease(state, item, entry)
  }
  if (key !== undefined) state.busy.add(key)
}

/** undefined where it can be read no more: then it is dead. */
async function entryOf(state: Take, item: OpenItem): Promise<Entry | undefined> {
  try {
    return (await state.log.entry(item.seq)).entry
  } catch (thrown) {
    const error = asPolityError(thrown)
    if (error.code !== 'log.pruned') throw error
    await bury(state, item, error.message)
    return undefined
  }
}

/**
 * It may have expired since it was handed out: then it goes. Where it is only for somebody else now (a route, a role),
 * it is dead, because that may be taken back.
 */
async function isStillWanted(state: Take, item: OpenItem, entry: Entry): Promise<boolean> {
  const { options, rows, tables, nowMs } = state
  try {
    if (options.isOver?.(entry) === true) {
      if (!(await isStill(state, item))) return false
      rows.write(gone(tables.items, itemKey(options.name, item.seq), nowMs))
      state.open -= 1
      state.isChanged = true
      return false
    }
    if (options.wants(entry)) return true
  } catch (thrown) {
    await bury(state, item, asPolityError(thrown).message)
    return false
  }
  if (state.dead < DEAD_MAX) await bury(state, item, 'it is not for this subscription any more')
  return false
}

async function lease(state: Take, item: OpenItem, entry: Entry): Promise<void> {
  const { env, tables, rows, options, consumer, nowMs, ackWaitMs } = state
  if (!(await isStill(state, item))) return
  const key = itemKey(options.name, item.seq)
  const attempt = item.attempts + 1
  const delivery = `${item.seq}.${env.id()}`
  const untilMs = nowMs + ackWaitMs
  const value: OpenItem = { ...item, state: 'leased', attempts: attempt, atMs: untilMs, delivery, consumer }
  rows.write({ table: tables.items, key, value })
  state.isChanged = true
  state.items.push({ delivery, attempt, untilMs, entry })
  state.room -= 1
  state.nextAtMs = Math.min(state.nextAtMs, untilMs)
}

/** Whoever settles an item in the meantime wins: before the commit by its version, before this by what it says. */
async function isStill({ rows, tables, options, known }: Take, item: OpenItem): Promise<boolean> {
  if (!known.has(item.seq)) return true
  const now = (await rows.get(tables.items, itemKey(options.name, item.seq))).value as OpenItem | undefined
  return now?.state === item.state && now.delivery === item.delivery && now.atMs === item.atMs
}

async function bury(state: Take, item: OpenItem, reason: string): Promise<void> {
  const { rows, tables, options, nowMs } = state
  const key = itemKey(options.name, item.seq)
  if (!(await isStill(state, item))) return
  if (state.known.has(item.seq)) {
    rows.write(gone(tables.items, key, nowMs))
    state.open -= 1
  }
  state.isChanged = true
  if (await buried(rows, tables, options.name, item, reason, nowMs)) state.dead += 1
}

/** New entries, until there is no room for more or enough was looked at. */
async function look(state: Take): Promise<void> {
  const { env, log, options } = state
  const end = Math.min(log.head().size, state.position + LOOK_MAX)
  const isInOrder = options.key === undefined
  const mayLook = () => state.room > 0 && !isFull(state) && !(isInOrder && state.busy.has(''))
  let isLate = false
  while (mayLook() && state.position < end && !isLate) {
    const limit = end - state.position
    const page = await log.read({ after: log.cursorAt(state.position), limit })
    const lateMs = env.monotonic() + LOOK_MS
    for (const [at, entry] of page.entries.entries()) {
      if (!mayLook()) return
      isLate = at >= LOOK_MIN && env.monotonic() >= lateMs
      if (isLate) break
      state.position = entry.seq
      await consider(state, entry)
      state.position = entry.seq + 1
    }
    if (!isLate && page.entries.length < limit) state.position = end
  }
  // However little it was: the next take goes on behind it.
  if (isLate) state.isChanged = true
  state.isLooking = mayLook()
  if (state.isLooking && state.position < log.head().size) state.nextAtMs = state.nowMs
}

async function consider(state: Take, entry: Entry): Promise<void> {
  const { options, nowMs } = state
  if (state.known.has(entry.seq)) return
  const item = { seq: entry.seq, attempts: 0, since: new Date(nowMs).toISOString() }
  let key: string | undefined
  try {
    if (!options.wants(entry)) return
    key = options.key === undefined ? '' : options.key(entry)
  } catch (thrown) {
    return bury(state, { ...item, state: 'waiting' }, asPolityError(thrown).message)
  }
  const keyed = key === undefined ? item : { ...item, key }
  state.open += 1
  if (key === undefined || !state.busy.has(key)) {
    if (key !== undefined) state.busy.add(key)
    return lease(state, { ...keyed, state: 'leased' }, entry)
  }
  const { tables, rows } = state
  state.isChanged = true
  rows.write({
    table: tables.items,
    key: itemKey(options.name, entry.seq),
    value: { ...keyed, state: 'behind' } satisfies OpenItem,
  })
}

/** Written by every take that changes an item, so that of two takes at once one loses and looks again. */
function saveGroup({ rows, tables, options, group, position, dead, isChanged }: Take): void {
  if (isChanged || position - group.position >= UNSAVED_MAX)
    rows.write({ table: tables.groups, key: options.name, value: { ...group, position, dead } })
}

const nextOf = ({ isLooking, position, nextAtMs }: Take): NextTake => ({
  ...(isLooking ? { position } : {}),
  ...(Number.isFinite(nextAtMs) ? { atMs: nextAtMs } : {}),
})
