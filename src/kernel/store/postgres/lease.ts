// Who may write: one holder at a time, and an epoch that every write must know.

import { PolityError } from '../../errors.ts'
import { quote } from './schema.ts'
import type { Ask } from './session.ts'

export interface LeaseHolder {
  readonly holder: string
  /** Grows with every change of hands; a write that knows an older one is refused. */
  readonly epoch: number
  readonly expiresInMs: number
}

/** The right to write one realm. Time is the server's clock alone. Every method rejects as a Store does. */
export interface WriterLease {
  /** Undefined while somebody else holds it. Who holds it already gets a new epoch. */
  acquire(holder: string, ttlMs: number): Promise<{ readonly epoch: number } | undefined>
  /** False once another holder took over. A lease that merely ran out is renewed: nobody wrote in between. */
  renew(holder: string, epoch: number, ttlMs: number): Promise<boolean>
  /** Nothing that was begun under the epoch can be written afterwards. */
  release(holder: string, epoch: number): Promise<void>
  /** Undefined when it is free or has run out. */
  current(): Promise<LeaseHolder | undefined>
}

const TTL_MAX_MS = 3_600_000
const HOLDER_SIZE_MAX = 128

/**
 * Acknowledged means synced, also behind a pooler that lost the session's settings: said inside the transaction
 * itself. An epoch that a crash could take back would be given twice.
 */
export const SYNCED = `set_config('synchronous_commit', 'on', true) AS synced`

export function openLease(ask: Ask, schema: string): WriterLease {
  const s = quote(schema)
  return {
    async acquire(holder, ttlMs) {
      checkHolder(holder)
      checkTtl(ttlMs)
      const [taken] = await ask<{ epoch: string }>(
        changeEpoch(
          s,
          `holder = $1, expires = clock_timestamp() + $2 * interval '1 millisecond'`,
          `holder IS NULL OR holder = $1 OR expires <= clock_timestamp()`,
        ),
        [holder, ttlMs],
      )
      return taken && { epoch: Number(taken.epoch) }
    },
    async renew(holder, epoch, ttlMs) {
      checkTtl(ttlMs)
      const renewed = await ask(
        `UPDATE ${s}.lease SET expires = clock_timestamp() + $3 * interval '1 millisecond'
           WHERE holder = $1 AND epoch = $2 RETURNING ${SYNCED}`,
        [holder, epoch, ttlMs],
      )
      return renewed.length === 1
    },
    async release(holder, epoch) {
      await ask(changeEpoch(s, 'holder = NULL, expires = NULL', 'holder = $1 AND epoch = $2'), [
        holder,
        epoch,
      ])
    },
    async current() {
      const [found] = await ask<{ holder: string; epoch: string; left: number }>(
        `SELECT holder, epoch, extract(epoch FROM expires - clock_timestamp())::float8 * 1000 AS left
           FROM ${s}.lease WHERE holder IS NOT NULL AND expires > clock_timestamp()`,
      )
      return (
        found && { holder: found.holder, epoch: Number(found.epoch), expiresInMs: Math.max(0, found.left) }
      )
    },
  }
}

/**
 * The epoch under which a program may write that holds no lease: one that runs beside no hub. A hub that is paused
 * past its lease is shut out first. Throws `store.fenced` while somebody holds the lease.
 */
export async function epochWithoutLease(ask: Ask, schema: string): Promise<number> {
  const s = quote(schema)
  await ask(
    changeEpoch(s, 'holder = NULL, expires = NULL', 'holder IS NOT NULL AND expires <= clock_timestamp()'),
  )
  const [found] = await ask<{ epoch: string; holder: string | null }>(`SELECT epoch, holder FROM ${s}.lease`)
  if (!found || found.holder !== null)
    throw new PolityError(
      'store.fenced',
      `${found?.holder ?? 'another hub'} holds the right to write this log: stop it first`,
      { holder: found?.holder },
    )
  return Number(found.epoch)
}

/** A new epoch, written where each fenced write looks for it. Rows are locked in this order and no other. */
const changeEpoch = (s: string, change: string, condition: string): string =>
  `WITH taken AS (UPDATE ${s}.lease SET epoch = epoch + 1, ${change} WHERE ${condition}
       RETURNING epoch, ${SYNCED}),
     head AS (UPDATE ${s}.head SET epoch = taken.epoch FROM taken RETURNING taken.epoch),
     anchor AS (UPDATE ${s}.anchor SET epoch = taken.epoch FROM head, taken)
   SELECT epoch, synced FROM taken`

function checkHolder(holder: string): void {
  if (holder !== '' && holder.length <= HOLDER_SIZE_MAX && !/\p{Cc}/u.test(holder)) return
  throw new PolityError(
    'input.invalid',
    `a holder is named with 1 to ${HOLDER_SIZE_MAX} characters, none of them a control character`,
  )
}

function checkTtl(ttlMs: number): void {
  if (Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= TTL_MAX_MS) return
  throw new PolityError('input.invalid', `a lease lasts 1 to ${TTL_MAX_MS} milliseconds`, { ttlMs })
}
