// What our witnesses have cosigned, as rows: it need not be asked for again after a restart.

import { hash } from 'node:crypto'
import { formatVkey, type NoteKey } from '../../kit/signed-note.ts'
import type { Published, WorkingWrite } from '../log/proposal.ts'
import type { StoreReader } from '../store/store.ts'

/** Working state: digest of a witness's key -> what it cosigned last; and under WITNESSED what a quorum did. */
const COLLECTED = 'witness.collected'
const WITNESSED = 'quorum'

export interface Collected {
  readonly size: number
  readonly atMs: number
}

export const collectedKey = (key: NoteKey): string => hash('sha256', formatVkey(key), 'hex')

export async function loadCollected(reader: StoreReader, keys: readonly NoteKey[]) {
  const { value } = await reader.load(COLLECTED, keys.map(collectedKey))
  const rows = keys.flatMap((key) => {
    const row = value.get(collectedKey(key))
    return row?.value == null ? [] : [[collectedKey(key), JSON.parse(row.value) as Collected] as const]
  })
  return new Map(rows)
}

export const collectedWrite = (key: NoteKey, collected: Collected): WorkingWrite => ({
  table: COLLECTED,
  key: collectedKey(key),
  value: JSON.stringify(collected),
})

/** As it was stored: whoever reads it checks it under the policy that is in force now. */
export async function loadWitnessed(reader: StoreReader): Promise<Published | undefined> {
  const row = (await reader.load(COLLECTED, [WITNESSED])).value.get(WITNESSED)
  return row?.value == null ? undefined : (JSON.parse(row.value) as Published)
}

export const witnessedWrite = (published: Published): WorkingWrite => ({
  table: COLLECTED,
  key: WITNESSED,
  value: JSON.stringify(published),
})
