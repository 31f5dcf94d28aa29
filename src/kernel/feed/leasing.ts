// The lease of a push subscription: taken with its cursor, and forgotten with everything that is set aside.

import { despiteConflicts } from '../conflict.ts'
import type { Env } from '../env.ts'
import { isElsewhere, LEASE_MS, type LeaseTaker } from '../lease.ts'
import type { Log } from '../log/log.ts'
import { SCAN_LIMIT_MAX, type StoreReader } from '../store/store.ts'
import type { Held } from './subscriber.ts'
import type { ParkedItem, SubscriptionOptions } from './subscription.ts'
import {
  knownRow,
  PARKED,
  parkedRows,
  prefixOf,
  SUBSCRIPTIONS,
  type SubscriptionRow,
} from './subscription-rows.ts'

/** The version of a row that is forgotten lives so long: longer than anybody can be paused and still hold it. */
const TOMBSTONE_MS = 24 * 3600_000

export interface LeasePorts extends LeaseTaker {
  readonly log: Log
  readonly reader: StoreReader
  readonly env: Env
}

export interface Taken {
  readonly held: Held
  readonly parked: readonly ParkedItem[]
}

/** `elsewhere`: another hub serves it. `forgotten`: it is there no more, and was not opened just now. */
export const takeLease = (
  ports: LeasePorts,
  { name, from = 'now' }: Pick<SubscriptionOptions, 'name' | 'from'>,
  isNew: boolean,
): Promise<Taken | 'elsewhere' | 'forgotten'> =>
  despiteConflicts(async () => {
    const { log, reader, env, holder } = ports
    const { version, row: before } = await knownRow(reader, name)
    if (before === undefined && !isNew) return 'forgotten'
    if (before && isElsewhere(ports, before)) return 'elsewhere'
    // What an earlier one of this name may have left, had the hub crashed while it was forgotten.
    if (before === undefined) await dropParked(ports, name)
    const row: SubscriptionRow = {
      holder,
      expiresAtMs: env.now() + LEASE_MS,
      position: before?.position ?? firstPosition(log, from),
      isPaused: before?.isPaused ?? false,
    }
    await log.append(
      {
        entries: [],
        expect: [{ table: SUBSCRIPTIONS, key: name, version }],
        rows: [{ table: SUBSCRIPTIONS, key: name, value: JSON.stringify(row) }],
      },
      { isReserved: true },
    )
    // From here on nobody else can change them.
    return { held: { version: version + 1, row }, parked: await parkedRows(reader, name) }
  })

const firstPosition = ({ head }: Pick<Log, 'head'>, from: 'now' | 'start' | number): number =>
  from === 'now' ? head().size : from === 'start' ? 0 : from

/** Whoever serves it can move nothing from here on. */
export async function forgetRows(
  ports: Pick<LeasePorts, 'log' | 'reader' | 'env'>,
  name: string,
): Promise<void> {
  await despiteConflicts(async () => {
    const { version, row } = await knownRow(ports.reader, name)
    if (row === undefined) return
    const expiresAtMs = ports.env.now() + TOMBSTONE_MS
    await ports.log.append(
      {
        entries: [],
        expect: [{ table: SUBSCRIPTIONS, key: name, version }],
        rows: [{ table: SUBSCRIPTIONS, key: name, value: null, expiresAtMs }],
      },
      { isReserved: true },
    )
  })
  await dropParked(ports, name)
}

async function dropParked({ log, reader }: Pick<LeasePorts, 'log' | 'reader'>, name: string): Promise<void> {
  for (;;) {
    const { value } = await reader.scan(PARKED, { prefix: prefixOf(name), limit: SCAN_LIMIT_MAX })
    if (value.length === 0) return
    const drop = value.map(({ key }) => ({ table: PARKED, key }))
    await log.append({ entries: [], drop }, { isReserved: true })
  }
}
