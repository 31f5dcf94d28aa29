// What this hub has cosigned of other logs: one row per origin, which is committed before its cosignature is given away.

import { originHash } from '../../kit/tlog-witness.ts'
import type { Beside } from '../catalog/hub-records.ts'
import type { StoreReader } from '../store/store.ts'

/** Working state: origin hash -> the latest checkpoint that was cosigned. It outlives a dismissal. */
const SEEN = 'witness.seen'

export interface Seen {
  readonly origin: string
  readonly size: number
  /** Base64 of 32 bytes. */
  readonly root: string
  /** The log's signatures that were verified, and our cosignature. */
  readonly note: string
  /** Our signature lines, as they were answered. */
  readonly lines: string
  readonly cosignedAtMs: number
}

export interface SeenRow {
  /** What an expectation compares; 0 when nothing was ever cosigned for this origin. */
  readonly version: number
  readonly seen?: Seen
}

/** By the hash of the origin, as URLs name it. */
export async function loadSeen(reader: StoreReader, hash: string): Promise<SeenRow> {
  const row = (await reader.load(SEEN, [hash])).value.get(hash)
  return row?.value == null
    ? { version: row?.version ?? 0 }
    : { version: row.version, seen: JSON.parse(row.value) as Seen }
}

/** One write that only succeeds if nobody has cosigned another checkpoint of the log meanwhile. */
export function seenWrite(version: number, seen: Seen): Beside {
  const key = originHash(seen.origin)
  return {
    expect: [{ table: SEEN, key, version }],
    rows: [{ table: SEEN, key, value: JSON.stringify(seen) }],
  }
}
