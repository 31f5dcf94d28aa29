// A run's row as it is committed, with the version that fences it.

import type { StoreReader } from '../store/store.ts'
import { type CarriedRun, RUNS, type RunRow } from './run.ts'

export async function loadRun(
  reader: Pick<StoreReader, 'load'>,
  id: string,
): Promise<CarriedRun | undefined> {
  const row = (await reader.load(RUNS, [id])).value.get(id)
  return row?.value == null ? undefined : { row: JSON.parse(row.value) as RunRow, version: row.version }
}
