// Leases kept in rows: how long one lasts, whether another hub has it, and what is done while this one has. Each is fenced by its row's version.

import { isConflict } from './conflict.ts'
import { type Env, pause } from './env.ts'
import { PolityError } from './errors.ts'
import type { Log } from './log/log.ts'
import type { RowPlace, StoreReader } from './store/store.ts'

/** Whoever has it renews well before; after this long without renewal another hub takes over. */
export const LEASE_MS = 15_000
export const RENEW_MS = 5_000

/** What a row says of whoever serves it. */
export interface LeaseRow {
  readonly holder: string
  readonly expiresAtMs: number
}

/** The hub that asks. */
export interface LeaseTaker {
  readonly env: Pick<Env, 'now'>
  /** Names this hub among those that share the log. */
  readonly holder: string
  /** Whether no other hub can be at work on this log: then a lease that is left over counts for nothing. */
  readonly isAlone: boolean
}

/** Whether another hub has it, which may still live. */
export const isElsewhere = ({ env, holder, isAlone }: LeaseTaker, row: LeaseRow): boolean =>
  row.holder !== holder && !isAlone && row.expiresAtMs > env.now()

export interface LeasePorts extends LeaseTaker {
  readonly log: Pick<Log, 'append'>
  readonly reader: Pick<StoreReader, 'load'>
  readonly env: Env
}

export interface Lease {
  renewInMs(): number
  /** The lease from now on; renewed only when it is time to. Throws `expectation.failed` once another hub has it. */
  renewed(): Promise<Lease>
  /** Lets another hub take over at once; where that fails, the lease runs out. */
  release(): Promise<void>
}

/** undefined while another hub holds it. Throws `expectation.failed` where one was faster. */
export async function acquireLease(ports: LeasePorts, { table, key }: RowPlace): Promise<Lease | undefined> {
  const known = (await ports.reader.load(table, [key])).value.get(key)
  const row = known?.value == null ? undefined : (JSON.parse(known.value) as LeaseRow)
  if (row && isElsewhere(ports, row)) return undefined
  return write(ports, { table, key }, known?.version ?? 0)
}

async function write(ports: LeasePorts, place: RowPlace, version: number): Promise<Lease> {
  const { env, holder, isAlone, log } = ports
  const row: LeaseRow = { holder, expiresAtMs: env.now() + LEASE_MS }
  await log.append(
    { entries: [], expect: [{ ...place, version }], rows: [{ ...place, value: JSON.stringify(row) }] },
    { isReserved: true },
  )
  const renewAtMs = env.monotonic() + RENEW_MS
  const lease: Lease = {
    renewInMs: () => renewAtMs - env.monotonic(),
    async release() {
      if (isAlone) return
      const expect = [{ ...place, version: version + 1 }]
      const over: LeaseRow = { holder, expiresAtMs: 0 }
      const rows = [{ ...place, value: JSON.stringify(over) }]
      await log.append({ entries: [], expect, rows }, { isReserved: true }).catch(() => undefined)
    },
    renewed: async () => (isAlone || lease.renewInMs() > 0 ? lease : write(ports, place, version + 1)),
  }
  return lease
}

/**
 * Acts while this hub has the lease, which is renewed beside it and released afterwards; undefined, and nothing done,
 * while another hub has it. Whoever acts begins nothing more once `lost` is aborted: another hub may have begun.
 */
export async function underLease<T>(
  ports: LeasePorts,
  place: RowPlace,
  act: (lost: AbortSignal) => Promise<T>,
): Promise<T | undefined> {
  const lost = new AbortController()
  if (ports.isAlone) return act(lost.signal)
  const lease = await acquireLease(ports, place).catch((error: unknown) => {
    if (isConflict(error)) return undefined
    throw error
  })
  if (lease === undefined) return undefined
  const over = new AbortController()
  const renewing = keepLease(ports.env, lease, over.signal, lost)
  try {
    return await act(lost.signal)
  } finally {
    over.abort()
    await (await renewing)?.release()
  }
}

/** Answers the lease as it is when it is over; undefined once it is lost. */
async function keepLease(
  env: Env,
  lease: Lease,
  over: AbortSignal,
  lost: AbortController,
): Promise<Lease | undefined> {
  for (let held = lease; ; ) {
    await pause(env, held.renewInMs(), over)
    if (over.aborted) return held
    const next = await inTime(env, held.renewed())
    if (next === undefined) {
      lost.abort(
        new PolityError('cancelled', 'another hub may go on with this now: the lease was not renewed'),
      )
      return undefined
    }
    held = next
  }
}

/** A renewal that is not through when the lease runs out is as good as none. */
async function inTime(env: Env, renewed: Promise<Lease>): Promise<Lease | undefined> {
  const through = new AbortController()
  try {
    return await Promise.race([
      renewed.catch(() => undefined),
      pause(env, LEASE_MS - 2 * RENEW_MS, through.signal).then(() => undefined),
    ])
  } finally {
    through.abort()
  }
}
