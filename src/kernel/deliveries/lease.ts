// Which hub carries the deliveries of a sender: a row with holder and expiry, fenced by its version.

import type { Env } from '../env.ts'
import { isElsewhere, LEASE_MS, type LeaseRow, type LeaseTaker, RENEW_MS } from '../lease.ts'
import type { Log } from '../log/log.ts'
import type { StoreReader } from '../store/store.ts'

/** Sender -> LeaseRow. */
const DELIVERY_LEASES = 'deliveries.leases'

export interface LeasePorts extends LeaseTaker {
  readonly log: Pick<Log, 'append' | 'lost'>
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

/** undefined while another hub holds it. */
export async function acquireLease(ports: LeasePorts, sender: string): Promise<Lease | undefined> {
  const known = (await ports.reader.load(DELIVERY_LEASES, [sender])).value.get(sender)
  const row = known?.value == null ? undefined : (JSON.parse(known.value) as LeaseRow)
  if (row && isElsewhere(ports, row)) return undefined
  return write(ports, sender, known?.version ?? 0)
}

async function write(ports: LeasePorts, sender: string, version: number): Promise<Lease> {
  const { env, holder, isAlone, log } = ports
  const row: LeaseRow = { holder, expiresAtMs: env.now() + LEASE_MS }
  await log.append(
    {
      entries: [],
      expect: [{ table: DELIVERY_LEASES, key: sender, version }],
      rows: [{ table: DELIVERY_LEASES, key: sender, value: JSON.stringify(row) }],
    },
    { isReserved: true },
  )
  const renewAtMs = env.monotonic() + RENEW_MS
  const lease: Lease = {
    renewInMs: () => renewAtMs - env.monotonic(),
    async release() {
      if (isAlone) return
      const expect = [{ table: DELIVERY_LEASES, key: sender, version: version + 1 }]
      const over: LeaseRow = { holder, expiresAtMs: 0 }
      const rows = [{ table: DELIVERY_LEASES, key: sender, value: JSON.stringify(over) }]
      await log.append({ entries: [], expect, rows }, { isReserved: true }).catch(() => undefined)
    },
    renewed: async () => (isAlone || lease.renewInMs() > 0 ? lease : write(ports, sender, version + 1)),
  }
  return lease
}
