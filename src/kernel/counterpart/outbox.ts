// What could not be delivered to a counterpart: rows of its module, in order, bounded, each under the key of its call.

import { Buffer } from 'node:buffer'
import type { ModuleHost } from '../catalog/module.ts'
import type { RowChange } from '../catalog/working-rows.ts'
import { PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import type { Sent } from './exchange.ts'

/** Kept per counterpart; what comes on top is refused. */
export const KEPT_MAX = 1000
export const KEPT_SIZE_MAX_BYTES = 256 * 1024
/** What a counterpart did not want is there for a person to look at for so long; that it was refused, the log says for ever. */
const REFUSED_KEPT_MS = 30 * 24 * 3600_000
/** A row that is gone keeps its version for so long: longer than any commit is under way. */
export const TOMBSTONE_MS = 3600_000

export interface KeptItem extends Sent {
  readonly operation: string
  /** RFC 3339. */
  readonly keptAt: string
  /** Why it was not delivered. */
  readonly code: string
  /** RFC 3339; when a person let it be delivered again. A day to arrive in begins anew with it. */
  readonly retriedAt?: string
}

/** As it stands aside. What comes aside under the same key later is the same request, and takes its place. */
export interface AsideItem extends KeptItem {
  readonly status: number
  /** RFC 3339; absent where an earlier release set it aside. */
  readonly asideAt?: string
}

export interface KeptRow {
  readonly key: string
  readonly version: number
  readonly item: KeptItem
}

/** Facts about what is kept, as the module tells them; each is committed with what it tells. */
export interface KeptFacts {
  kept(item: KeptItem): Draft
  /** In the order in which they arrived. */
  forwarded(items: readonly KeptItem[]): Draft
  /** The counterpart does not want it, or answers nothing that can be read; it stays aside for a person. */
  refused(item: KeptItem, status: number): Draft
}

export interface Outbox {
  /** False when it was kept before. Throws `limit` and `payload.too-large`. */
  keep(item: KeptItem): Promise<boolean>
  /** Oldest first, from behind the key of a row on. */
  next(limit: number, after?: string): Promise<readonly KeptRow[]>
  waiting(): Promise<number>
  /** What became of some of them, in one commit. Throws `expectation.failed` where another hub was faster. */
  settle(forwarded: readonly KeptRow[], refused: readonly Refused[]): Promise<void>
}

export interface Refused {
  readonly row: KeptRow
  readonly status: number
}

export const outboxOf = (area: string): string => `${area}.outbox`
export const refusedOf = (area: string): string => `${area}.refused`

/** A module lists them among its `sweptTables`. */
export const outboxTables = (area: string): readonly string[] => [outboxOf(area), refusedOf(area)]

/** @param area the module's, to which its tables belong */
export function openOutbox(
  host: Pick<ModuleHost, 'env' | 'rows' | 'record'>,
  area: string,
  counterpart: string,
  facts: KeptFacts,
): Outbox {
  const table = outboxOf(area)
  const aside = refusedOf(area)
  const prefix = `${counterpart}/`
  const next = async (limit: number, after?: string): Promise<readonly KeptRow[]> =>
    (await host.rows.scan(table, { prefix, limit, ...(after === undefined ? {} : { after }) })).map(
      ({ key, version, value }) => ({
        key,
        version,
        item: value as KeptItem,
      }),
    )
  const waiting = async () => (await next(KEPT_MAX)).length
  return {
    next,
    waiting,
    async keep(item) {
      const key = `${prefix}${item.key}`
      const { version, value } = await host.rows.get(table, key)
      if (value !== undefined) return false
      requireSmall(item, counterpart)
      if ((await waiting()) >= KEPT_MAX)
        throw new PolityError('limit', `${KEPT_MAX} requests to ${counterpart} are kept already`, {
          counterpart,
          max: KEPT_MAX,
        })
      await host.record([facts.kept(item)], {
        changes: [{ table, key, value: item }],
        expect: [{ table, key, version }],
      })
      return true
    },
    async settle(forwarded, refused) {
      const rows = [...forwarded, ...refused.map(({ row }) => row)]
      const nowMs = host.env.now()
      const changes: RowChange[] = [
        ...rows.map(({ key }) => ({ table, key, value: null, expiresAtMs: nowMs + TOMBSTONE_MS })),
        ...refused.map(({ row: { key, item }, status }) => ({
          table: aside,
          key,
          value: { ...item, status, asideAt: new Date(nowMs).toISOString() } satisfies AsideItem,
          expiresAtMs: nowMs + REFUSED_KEPT_MS,
        })),
      ]
      const drafts = [
        ...(forwarded.length === 0 ? [] : [facts.forwarded(forwarded.map(({ item }) => item))]),
        ...refused.map(({ row: { item }, status }) => facts.refused(item, status)),
      ]
      const expect = rows.map(({ key, version }) => ({ table, key, version }))
      if (rows.length > 0) await host.record(drafts, { changes, expect })
    },
  }
}

function requireSmall({ body }: KeptItem, counterpart: string): void {
  const sizeBytes = Buffer.byteLength(body)
  if (sizeBytes > KEPT_SIZE_MAX_BYTES)
    throw new PolityError(
      'payload.too-large',
      `a request to ${counterpart} has ${sizeBytes} bytes: up to ${KEPT_SIZE_MAX_BYTES} are kept`,
      { counterpart, sizeBytes },
    )
}
