// The outbox: proposals of hubs that do not write, and the answers of the one that does.

import type { Buffer } from 'node:buffer'
import { PolityError } from '../../errors.ts'
import { quote } from './schema.ts'
import { type Ask, bytesOf } from './session.ts'

/** A proposal or its answer, sealed by whoever sends it. */
export interface Parcel {
  readonly id: string
  readonly bytes: Uint8Array
}

/**
 * Parcels rest in a table that a crash of the server empties: nothing in it was acknowledged, and its sender gives
 * up waiting. Every method rejects as a Store does.
 */
export interface Outbox {
  /** The same id again is the same parcel. Throws `log.saturated`, `body.too-large`, `input.invalid`. */
  send(id: string, bytes: Uint8Array): Promise<void>
  /** Unanswered parcels, oldest first; at least one if there is any, and no more than some 32 MiB. */
  waiting(limit: number): Promise<Parcel[]>
  /** Answers for parcels that are gone are dropped. */
  answer(items: readonly Parcel[]): Promise<void>
  /** Answers that have come, each of them once. */
  take(ids: readonly string[]): Promise<Parcel[]>
  /** Those that are neither waiting nor answered: a crash of the server took them. */
  missing(ids: readonly string[]): Promise<string[]>
  /** Drops what is older; answers how many. */
  sweep(maxAgeMs: number): Promise<number>
}

const PARCELS_MAX = 8192
const PARCEL_SIZE_MAX_BYTES = 16 * 1024 * 1024
const PAGE_SIZE_MAX_BYTES = 32 * 1024 * 1024
const ID_SIZE_MAX = 128

export function openOutbox(ask: Ask, schema: string): Outbox {
  const table = `${quote(schema)}.outbox`
  return {
    async send(id, bytes) {
      checkParcel(id, bytes)
      const [{ there, count } = { there: false, count: '0' }] = await ask<{ there: boolean; count: string }>(
        `WITH room AS (SELECT count(*) AS count FROM ${table}),
           sent AS (INSERT INTO ${table} (id, bytes) SELECT $1, $2 FROM room WHERE count < $3
             ON CONFLICT (id) DO NOTHING RETURNING 1)
         SELECT EXISTS (SELECT FROM sent) OR EXISTS (SELECT FROM ${table} WHERE id = $1) AS there, count FROM room`,
        [id, bytesOf(bytes), PARCELS_MAX],
      )
      if (!there && Number(count) >= PARCELS_MAX)
        throw new PolityError(
          'log.saturated',
          'more is under way to the hub that writes than it can take: try again shortly',
        )
    },
    async waiting(limit) {
      return ask<{ id: string; bytes: Buffer }>(
        `SELECT id, bytes FROM (
           SELECT id, bytes, sent, sum(octet_length(bytes)) OVER (ORDER BY sent, id) AS total,
             row_number() OVER (ORDER BY sent, id) AS place
           FROM ${table} WHERE answer IS NULL) AS queue
         WHERE place <= $1::bigint AND (place = 1 OR total <= $2) ORDER BY place`,
        [limit, PAGE_SIZE_MAX_BYTES],
      )
    },
    async answer(items) {
      if (items.length === 0) return
      for (const { id, bytes } of items) checkParcel(id, bytes)
      await ask(
        `UPDATE ${table} o SET answer = a.bytes, bytes = ''
           FROM unnest($1::text[], $2::bytea[]) AS a(id, bytes) WHERE o.id = a.id`,
        [items.map(({ id }) => id), items.map(({ bytes }) => bytesOf(bytes))],
      )
    },
    async take(ids) {
      if (ids.length === 0) return []
      return ask<{ id: string; bytes: Buffer }>(
        `DELETE FROM ${table} WHERE id = ANY($1::text[]) AND answer IS NOT NULL RETURNING id, answer AS bytes`,
        [ids],
      )
    },
    async missing(ids) {
      if (ids.length === 0) return []
      const found = await ask<{ id: string }>(
        `SELECT id FROM unnest($1::text[]) AS asked(id)
           WHERE NOT EXISTS (SELECT FROM ${table} o WHERE o.id = asked.id)`,
        [ids],
      )
      return found.map(({ id }) => id)
    },
    async sweep(maxAgeMs) {
      const [dropped] = await ask<{ count: string }>(
        `WITH dropped AS (DELETE FROM ${table}
           WHERE sent < clock_timestamp() - $1 * interval '1 millisecond' RETURNING 1)
         SELECT count(*) AS count FROM dropped`,
        [maxAgeMs],
      )
      return Number(dropped?.count)
    },
  }
}

function checkParcel(id: string, { length }: Uint8Array): void {
  if (id === '' || id.length > ID_SIZE_MAX || /\p{Cc}/u.test(id) || !id.isWellFormed())
    throw new PolityError('input.invalid', `a parcel is named with 1 to ${ID_SIZE_MAX} characters`)
  if (length > PARCEL_SIZE_MAX_BYTES)
    throw new PolityError('body.too-large', `a parcel may have ${PARCEL_SIZE_MAX_BYTES} bytes, not ${length}`)
}
