// Pull subscriptions: competing consumers that take items and acknowledge them; all state is rows, so any hub serves any request.

import type { WorkingReads, WorkingRows } from '../catalog/working-rows.ts'
import type { Env } from '../env.ts'
import type { ReadableLog } from '../log/log.ts'
import { SCAN_LIMIT_MAX } from '../store/store.ts'
import { openPullNews, type PullNews } from './pull-news.ts'
import { type PullOptions, requireWhole, type Taken } from './pull-options.ts'
import {
  type DeadItem,
  type Group,
  gone,
  groupOf,
  type OpenItem,
  openItems,
  type PullTables,
  pullTables,
} from './pull-rows.ts'
import { type Settling, settling } from './pull-settling.ts'
import { take } from './pull-take.ts'
import type { ParkedItem, SubscriptionState } from './subscription.ts'
import { itemKey, prefixOf, requireName } from './subscription-rows.ts'

export type { PullNews } from './pull-news.ts'
export type { PulledItem, PullOptions, Taken } from './pull-options.ts'

/**
 * Everything reads and writes through the rows that it is given, so that it is one commit with the caller's own
 * (`ctx.rows` of a `working` command). Two takes of one subscription conflict (`expectation.failed`), and so do two
 * that settle one item: `invoke` tries again. Calls that name a subscription throw `not-found` where it was not created.
 */
export interface Pull extends Settling {
  /** A module lists `tables.swept` among its `sweptTables`. */
  readonly tables: PullTables
  /** Makes the subscription, if there is none. Position: of the first entry that it looks at. */
  create(rows: WorkingRows, name: string, position: number): Promise<void>
  /** Up to `max` items, leased to `consumer` for ackWaitMs: ended leases and items that are due first, then new entries. */
  take(
    rows: WorkingRows,
    options: PullOptions,
    asked: { readonly consumer: string; readonly max: number },
  ): Promise<Taken>
  /** Goes on from another position; what is set aside stays. */
  seek(rows: WorkingRows, name: string, position: number): Promise<void>
  /** While it is paused, nothing is taken; what is leased may be settled. */
  pause(rows: WorkingRows, name: string): Promise<void>
  resume(rows: WorkingRows, name: string): Promise<void>
  /** Ends it for good, in turns of 1,000 items: call it until it answers true, each time in a commit of its own. */
  forget(rows: WorkingRows, name: string): Promise<boolean>
  state(rows: WorkingReads, name: string): Promise<SubscriptionState>
  /** Waiting, behind and dead ones, by seq; `after` is exclusive. */
  parked(
    rows: WorkingReads,
    name: string,
    range: { readonly after?: number; readonly limit: number },
  ): Promise<readonly ParkedItem[]>
  /** To wait between two takes. */
  readonly news: PullNews
}

export interface PullPorts {
  readonly env: Env
  readonly log: Omit<ReadableLog, 'follow' | 'witnessed'>
  /** Area of the module: names its tables. */
  readonly area: string
}

export function openPull({ env, log, area }: PullPorts): Pull {
  const tables = pullTables(area)
  const news = openPullNews(env, log)
  const edit = async (rows: WorkingRows, name: string, change: Partial<Group>) => {
    const group = await groupOf(rows, tables, name)
    rows.write({ table: tables.groups, key: name, value: { ...group, ...change } })
    news.settled(name)
  }
  const requirePosition = (position: number) => requireWhole('position', position, log.head().size, 0)
  return {
    tables,
    news,
    ...settling(env, tables, news.settled),
    async create(rows, name, position) {
      requireName(name)
      requirePosition(position)
      const { value } = await rows.get(tables.groups, name)
      const group: Group = { position, isPaused: false, dead: 0 }
      if (value === undefined) rows.write({ table: tables.groups, key: name, value: group })
    },
    take: (rows, options, asked) => take({ env, log, tables }, rows, options, asked),
    async seek(rows, name, position) {
      requirePosition(position)
      await edit(rows, name, { position })
    },
    pause: (rows, name) => edit(rows, name, { isPaused: true }),
    resume: (rows, name) => edit(rows, name, { isPaused: false }),
    forget: (rows, name) => forget(rows, tables, name, env.now()),
    async state(rows, name) {
      const { position, isPaused, dead } = await groupOf(rows, tables, name)
      const open = await openItems(rows, tables, name)
      const underWay = open.filter(({ state }) => state === 'leased').length
      const lag = Math.max(0, log.head().size - position)
      return { name, position, lag, underWay, parked: open.length - underWay, dead, isPaused }
    },
    parked: (rows, name, range) => parked(rows, tables, name, range),
  }
}

async function forget(rows: WorkingRows, tables: PullTables, name: string, nowMs: number): Promise<boolean> {
  const { value } = await rows.get(tables.groups, name)
  if (value !== undefined) rows.write(gone(tables.groups, name, nowMs))
  for (const table of [tables.items, tables.dead]) {
    const page = await rows.scan(table, { prefix: prefixOf(name), limit: SCAN_LIMIT_MAX })
    rows.write(...page.map(({ key }) => gone(table, key, nowMs)))
    if (page.length === SCAN_LIMIT_MAX) return false
  }
  return true
}

async function parked(
  rows: WorkingReads,
  tables: PullTables,
  name: string,
  { after, limit }: { readonly after?: number; readonly limit: number },
): Promise<readonly ParkedItem[]> {
  await groupOf(rows, tables, name)
  const open = (await openItems(rows, tables, name)).filter(
    ({ seq, state }) => state !== 'leased' && (after === undefined || seq > after),
  )
  const dead = await rows.scan(tables.dead, {
    prefix: prefixOf(name),
    limit,
    ...(after === undefined ? {} : { after: itemKey(name, after) }),
  })
  return [...open.map(waitingItem), ...dead.map(({ value }) => deadItem(value as DeadItem))]
    .sort((a, b) => a.seq - b.seq)
    .slice(0, limit)
}

const waitingItem = ({ seq, key, state, attempts, reason = '', atMs, since }: OpenItem): ParkedItem => ({
  seq,
  ...(key === undefined ? {} : { key }),
  state: state === 'behind' ? 'behind' : 'waiting',
  attempts,
  reason,
  ...(atMs === undefined ? {} : { nextAtMs: atMs }),
  parkedAt: since,
})

const deadItem = ({ seq, key, attempts, reason, since }: DeadItem): ParkedItem => ({
  seq,
  ...(key === undefined ? {} : { key }),
  state: 'dead',
  attempts,
  reason,
  parkedAt: since,
})
