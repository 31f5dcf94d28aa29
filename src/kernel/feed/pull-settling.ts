// Settling what was taken: acknowledged, refused, kept longer; and what operators do with items set aside.

import type { WorkingRows } from '../catalog/working-rows.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { delayBefore, random01 } from '../targets/retry.ts'
import { limitsOf, type PullOptions, requireWhole, type Settled } from './pull-options.ts'
import {
  buried,
  type DeadItem,
  gone,
  groupOf,
  OPEN_ITEMS_MAX,
  type OpenItem,
  openItems,
  type PullTables,
} from './pull-rows.ts'
import { boundedReason, itemKey, prefixOf, requireName } from './subscription-rows.ts'

/** Deliveries or items that one call names. */
const SETTLED_MAX = 256
const DELAY_MAX_MS = 7 * 24 * 3600_000

export interface Refusal {
  /** Before it is handed out again; default: as `retry` of the options says. */
  readonly delayMs?: number
  readonly reason: string
  /** It never will be done: it is dead at once. */
  readonly isFinal?: boolean
}

export interface Settling {
  /** Done for good. Counts also after the lease ended, as long as nobody else got it. */
  ack(rows: WorkingRows, name: string, deliveries: readonly string[]): Promise<Settled>
  /** Not done: later again, or dead after `deliverMax` attempts. */
  nack(
    rows: WorkingRows,
    options: PullOptions,
    deliveries: readonly string[],
    refusal: Refusal,
  ): Promise<Settled>
  /** Leases last `forMs` from now on; default ackWaitMs. */
  extend(
    rows: WorkingRows,
    options: PullOptions,
    deliveries: readonly string[],
    forMs?: number,
  ): Promise<Settled>
  /** Dead items come back with all their attempts, waiting ones are due now; SETTLED_MAX at a time. Answers how many. */
  retry(rows: WorkingRows, name: string, seqs?: readonly number[]): Promise<number>
  /** Forgets dead items. Answers how many. */
  drop(rows: WorkingRows, name: string, seqs: readonly number[]): Promise<number>
}

export function settling(env: Env, tables: PullTables, onSettled: (name: string) => void): Settling {
  const ports = { env, tables }
  return {
    async ack(rows, name, deliveries) {
      const settled = await settle(ports, rows, name, deliveries, async (_item, key) => {
        rows.write(gone(tables.items, key, env.now()))
      })
      onSettled(name)
      return settled
    },
    async nack(rows, options, deliveries, refusal) {
      const settled = await nack(ports, rows, options, deliveries, refusal)
      onSettled(options.name)
      return settled
    },
    async extend(rows, options, deliveries, forMs = limitsOf(options).ackWaitMs) {
      requireWhole('forMs', forMs, DELAY_MAX_MS)
      return settle(ports, rows, options.name, deliveries, async (item, key) => {
        const value: OpenItem = { ...item, atMs: env.now() + forMs }
        rows.write({ table: tables.items, key, value })
      })
    },
    async retry(rows, name, seqs) {
      const count = await retryDead(ports, rows, name, seqs)
      onSettled(name)
      return count + (await hurry(ports, rows, name, seqs))
    },
    drop: (rows, name, seqs) => drop(ports, rows, name, seqs),
  }
}

interface Ports {
  readonly env: Env
  readonly tables: PullTables
}

/** Acts on each delivery that still is the last attempt at its item. Throws `limit`, `not-found`. */
async function settle(
  { tables }: Ports,
  rows: WorkingRows,
  name: string,
  deliveries: readonly string[],
  act: (item: OpenItem, key: string) => Promise<void>,
): Promise<Settled> {
  requireName(name)
  requireFew(deliveries.length)
  const done: string[] = []
  const late: string[] = []
  for (const delivery of new Set(deliveries)) {
    const seq = seqOf(delivery)
    const key = itemKey(name, seq ?? 0)
    const item = seq === undefined ? undefined : ((await rows.get(tables.items, key)).value as OpenItem)
    if (item?.state === 'leased' && item.delivery === delivery) {
      await act(item, key)
      done.push(delivery)
    } else late.push(delivery)
  }
  return { done, late }
}

function requireFew(count: number): void {
  if (count > SETTLED_MAX)
    throw new PolityError('limit', `at most ${SETTLED_MAX} items may be named at a time`, {
      max: SETTLED_MAX,
    })
}

const seqOf = (delivery: string): number | undefined => {
  const digits = /^([0-9]{1,16})\./.exec(delivery)?.[1]
  const seq = Number(digits)
  return digits !== undefined && Number.isSafeInteger(seq) ? seq : undefined
}

async function nack(
  ports: Ports,
  rows: WorkingRows,
  options: PullOptions,
  deliveries: readonly string[],
  { delayMs, reason, isFinal = false }: Refusal,
): Promise<Settled> {
  const { env, tables } = ports
  const { deliverMax, retry } = limitsOf(options)
  if (delayMs !== undefined) requireWhole('delayMs', delayMs, DELAY_MAX_MS, 0)
  const nowMs = env.now()
  const dying: OpenItem[] = []
  const settled = await settle(ports, rows, options.name, deliveries, async (item, key) => {
    if (isFinal || item.attempts >= deliverMax) {
      rows.write(gone(tables.items, key, nowMs))
      dying.push(item)
      return
    }
    const { delivery: _, consumer: __, ...rest } = item
    const waitMs = delayMs ?? delayBefore(retry, item.attempts + 1, random01(env))
    const value: OpenItem = { ...rest, state: 'waiting', atMs: nowMs + waitMs, reason: boundedReason(reason) }
    rows.write({ table: tables.items, key, value })
  })
  if (dying.length > 0) {
    const group = await groupOf(rows, tables, options.name)
    let { dead } = group
    for (const item of dying) if (await buried(rows, tables, options.name, item, reason, nowMs)) dead += 1
    rows.write({ table: tables.groups, key: options.name, value: { ...group, dead } })
  }
  return settled
}

/** Dead items as they are named, or the first ones; as many as there is room for. */
async function deadOf(
  { tables }: Ports,
  rows: WorkingRows,
  name: string,
  seqs: readonly number[] | undefined,
): Promise<readonly { readonly key: string; readonly item: DeadItem }[]> {
  requireFew(seqs?.length ?? 0)
  const keys =
    seqs === undefined
      ? (await rows.scan(tables.dead, { prefix: prefixOf(name), limit: SETTLED_MAX })).map(({ key }) => key)
      : [...new Set(seqs)].map((seq) => itemKey(name, seq))
  const found = await Promise.all(
    keys.map(async (key) => ({
      key,
      item: (await rows.get(tables.dead, key)).value as DeadItem | undefined,
    })),
  )
  return found.flatMap(({ key, item }) => (item === undefined ? [] : [{ key, item }]))
}

async function retryDead(
  ports: Ports,
  rows: WorkingRows,
  name: string,
  seqs: readonly number[] | undefined,
): Promise<number> {
  const { env, tables } = ports
  const group = await groupOf(rows, tables, name)
  const open = new Set((await openItems(rows, tables, name)).map(({ seq }) => seq))
  const nowMs = env.now()
  let count = 0
  for (const { key, item } of await deadOf(ports, rows, name, seqs)) {
    if (open.size >= OPEN_ITEMS_MAX) break
    count += 1
    rows.write(gone(tables.dead, key, nowMs))
    // It came again by a seek and is under way already.
    if (open.has(item.seq)) continue
    open.add(item.seq)
    const value: OpenItem = { ...item, state: 'waiting', attempts: 0, atMs: nowMs }
    rows.write({ table: tables.items, key, value })
  }
  if (count > 0)
    rows.write({
      table: tables.groups,
      key: name,
      value: { ...group, dead: Math.max(0, group.dead - count) },
    })
  return count
}

/** Waiting items are due now. */
async function hurry(
  { env, tables }: Ports,
  rows: WorkingRows,
  name: string,
  seqs: readonly number[] | undefined,
): Promise<number> {
  const named = seqs && new Set(seqs)
  const nowMs = env.now()
  const waiting = (await openItems(rows, tables, name)).filter(
    ({ state, seq, atMs = 0 }) => state === 'waiting' && atMs > nowMs && (named?.has(seq) ?? true),
  )
  let count = 0
  for (const { seq } of waiting.slice(0, SETTLED_MAX)) {
    const key = itemKey(name, seq)
    const item = (await rows.get(tables.items, key)).value as OpenItem | undefined
    if (item?.state !== 'waiting') continue
    rows.write({ table: tables.items, key, value: { ...item, atMs: nowMs } satisfies OpenItem })
    count += 1
  }
  return count
}

async function drop(ports: Ports, rows: WorkingRows, name: string, seqs: readonly number[]): Promise<number> {
  const { env, tables } = ports
  const group = await groupOf(rows, tables, name)
  const dead = await deadOf(ports, rows, name, seqs)
  for (const { key } of dead) rows.write(gone(tables.dead, key, env.now()))
  if (dead.length > 0)
    rows.write({
      table: tables.groups,
      key: name,
      value: { ...group, dead: Math.max(0, group.dead - dead.length) },
    })
  return dead.length
}
