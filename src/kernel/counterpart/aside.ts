// What a counterpart did not take, until a person says what becomes of it: shown without bodies, delivered again, or forgotten.

import { Buffer } from 'node:buffer'
import type { CommandContext } from '../catalog/context.ts'
import type { ModuleHost } from '../catalog/module.ts'
import type { WorkingReads } from '../catalog/working-rows.ts'
import { PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import { type AsideItem, KEPT_MAX, type KeptItem, outboxOf, refusedOf, TOMBSTONE_MS } from './outbox.ts'

/** Counted per counterpart, and forgotten in one commit. */
const ASIDE_MAX = 1000
/** Bodies that one commit hands to delivery where no key is named: well below what the log's queue holds. */
const RETRIED_SIZE_MAX_BYTES = 16 * 1024 * 1024
/** Rows of a scan: each has a body. */
const SCAN_ROWS = 100
/** So that an entry holds them, each of 200 characters at most. */
const KEYS_PER_FACT = 100

/** Facts about what a person did with it, as the module tells them. */
export interface AsideFacts {
  retried(keys: readonly string[]): Draft
  dropped(keys: readonly string[]): Draft
}

/** What stands aside, but for its body. */
export interface ShownAside extends Omit<AsideItem, 'body' | 'method' | 'path'> {
  /** Of its body. */
  readonly sizeBytes: number
}

/** The invocation of an atomic command: what is read is what its commit expects. */
type Act = Pick<CommandContext, 'rows' | 'record'>

export interface Settled {
  readonly count: number
  /** Nothing of what was asked for is left aside. */
  readonly isAll: boolean
}

export interface Aside {
  /** In the order of their keys, from behind one on. */
  page(limit: number, after?: string): Promise<readonly ShownAside[]>
  /** Up to ASIDE_MAX. */
  count(): Promise<number>
  /**
   * Keeps it for delivery again, under its key. Those that are named, or nothing: throws `not-found`, `limit`, and
   * `counterpart.waiting` where the same request waits already. Otherwise as many as there is room for, the first
   * first; those that wait already stay aside.
   */
  retry(act: Act, keys?: readonly string[]): Promise<Settled>
  /** Those that are named, or nothing: throws `not-found`. Otherwise ASIDE_MAX of them. */
  drop(act: Act, keys?: readonly string[]): Promise<Settled>
}

interface Found {
  /** Of its row, in both tables. */
  readonly place: string
  readonly item: AsideItem
}

/** @param area the module's, to which its tables belong; `counterpart` need not be open */
export function openAside(
  host: Pick<ModuleHost, 'env' | 'rows'>,
  area: string,
  counterpart: string,
  facts: AsideFacts,
): Aside {
  const table = refusedOf(area)
  const where: Where = { table, outbox: outboxOf(area), prefix: `${counterpart}/`, counterpart }
  const { prefix } = where
  return {
    async page(limit, after) {
      const from = after === undefined ? {} : { after: `${prefix}${after}` }
      const rows = await host.rows.scan(table, { prefix, limit, ...from })
      return rows.map(({ value }) => shownOf(value as AsideItem))
    },
    async count() {
      let count = 0
      for await (const _ of placesIn(host.rows, where)) if (++count === ASIDE_MAX) break
      return count
    },
    async retry(act, keys) {
      const { found, isAll } = await deliverable(act.rows, where, keys)
      const nowMs = host.env.now()
      const retriedAt = new Date(nowMs).toISOString()
      for (const { place, item } of found)
        act.rows.write({ table: where.outbox, key: place, value: { ...keptOf(item), retriedAt } })
      letGo(act, where, found, nowMs)
      // The row that those who retry take turns by: see `deliverable`.
      if (found.length > 0) act.rows.write(gone(table, counterpart, nowMs))
      act.record(...told(found, facts.retried))
      return { count: found.length, isAll }
    },
    async drop(act, keys) {
      const found: Found[] = []
      let isAll = true
      for await (const each of asked(act.rows, where, keys)) {
        if (found.length === ASIDE_MAX) {
          isAll = false
          break
        }
        found.push(each)
      }
      letGo(act, where, found, host.env.now())
      act.record(...told(found, facts.dropped))
      return { count: found.length, isAll }
    },
  }
}

interface Where {
  readonly table: string
  readonly outbox: string
  readonly prefix: string
  readonly counterpart: string
}

const shownOf = ({ body, method: _, path: __, ...item }: AsideItem): ShownAside => ({
  ...item,
  sizeBytes: Buffer.byteLength(body),
})

async function* placesIn(rows: Pick<WorkingReads, 'scan'>, { table, prefix }: Where): AsyncGenerator<string> {
  for (let after: string | undefined; ; ) {
    const from = after === undefined ? {} : { after }
    const page = await rows.scan(table, { prefix, limit: SCAN_ROWS, ...from })
    for (const { key } of page) yield key
    after = page.at(-1)?.key
    if (page.length < SCAN_ROWS) return
  }
}

/**
 * What there is room for in the outbox, and not in it already. Two who looked for room at a time would fill it beyond
 * its bound together, so each reads and writes one more row: of the two, one looks again.
 */
async function deliverable(
  rows: Act['rows'],
  where: Where,
  keys: readonly string[] | undefined,
): Promise<{ readonly found: readonly Found[]; readonly isAll: boolean }> {
  const { table, outbox, prefix, counterpart } = where
  await rows.get(table, counterpart)
  const room = Math.max(0, KEPT_MAX - (await rows.scan(outbox, { prefix, limit: KEPT_MAX })).length)
  const found: Found[] = []
  let isAll = true
  let sizeBytes = 0
  for await (const each of asked(rows, where, keys)) {
    const { place, item } = each
    if ((await rows.get(outbox, place)).value !== undefined) {
      if (keys !== undefined) throw waitsAlready(counterpart, item.key)
      isAll = false
      continue
    }
    if (found.length === room && (keys !== undefined || room === 0)) throw full(counterpart)
    sizeBytes += Buffer.byteLength(item.body)
    const isTooMuch = keys === undefined && sizeBytes > RETRIED_SIZE_MAX_BYTES
    if (found.length === room || isTooMuch) return { found, isAll: false }
    found.push(each)
  }
  return { found, isAll }
}

/** Each is read as what the commit expects. Throws `not-found` for a key that is named in vain. */
async function* asked(
  rows: Act['rows'],
  where: Where,
  keys: readonly string[] | undefined,
): AsyncGenerator<Found> {
  const { table, prefix, counterpart } = where
  const places = keys === undefined ? placesIn(rows, where) : new Set(keys.map((key) => `${prefix}${key}`))
  for await (const place of places) {
    const { value } = await rows.get(table, place)
    if (value !== undefined) yield { place, item: value as AsideItem }
    else if (keys !== undefined) throw notThere(counterpart, place.slice(prefix.length))
  }
}

const notThere = (counterpart: string, key: string): PolityError =>
  new PolityError('not-found', `nothing is set aside for ${counterpart} under ${key}: list what is`, {
    counterpart,
    key,
  })

const waitsAlready = (counterpart: string, key: string): PolityError =>
  new PolityError(
    'counterpart.waiting',
    `${key} waits for ${counterpart} already: what is set aside stays until that is delivered`,
    { counterpart, key },
  )

const full = (counterpart: string): PolityError =>
  new PolityError(
    'limit',
    `up to ${KEPT_MAX} requests to ${counterpart} are kept: name fewer, or deliver those that wait first`,
    { counterpart, max: KEPT_MAX },
  )

function keptOf({ status: _, asideAt: __, ...item }: AsideItem): KeptItem {
  return item
}

const gone = (table: string, key: string, nowMs: number) => ({
  table,
  key,
  value: null,
  expiresAtMs: nowMs + TOMBSTONE_MS,
})

function letGo({ rows }: Act, { table }: Where, found: readonly Found[], nowMs: number): void {
  rows.write(...found.map(({ place }) => gone(table, place, nowMs)))
}

function told(found: readonly Found[], fact: (keys: readonly string[]) => Draft): Draft[] {
  const keys = found.map(({ item }) => item.key)
  return Array.from({ length: Math.ceil(keys.length / KEYS_PER_FACT) }, (_, at) =>
    fact(keys.slice(at * KEYS_PER_FACT, (at + 1) * KEYS_PER_FACT)),
  )
}
