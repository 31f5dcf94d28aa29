// A run as it is committed: its row with the version that fences it, what was asked of it, and its journal.

import type { StoreReader } from '../store/store.ts'
import { type Control, NO_CONTROL, readControls } from './control.ts'
import { Journal } from './journal.ts'
import { type LifePorts, RUNS_LIVES, type TakeOvers } from './life.ts'
import { type CarriedRun, noRun, RUNS, type RunRow } from './run.ts'

export async function loadRun(
  reader: Pick<StoreReader, 'load'>,
  id: string,
): Promise<CarriedRun | undefined> {
  const row = (await reader.load(RUNS, [id])).value.get(id)
  return row?.value == null ? undefined : { row: JSON.parse(row.value) as RunRow, version: row.version }
}

/** What a life begins with. */
interface ReadRun {
  readonly run: CarriedRun
  readonly control: Control
  readonly journal: Journal
  readonly takeOvers: TakeOvers | undefined
}

/** Throws `run.not-found`. */
export async function readRun(
  { reader, cipher }: Pick<LifePorts, 'reader' | 'cipher'>,
  id: string,
): Promise<ReadRun> {
  const run = await loadRun(reader, id)
  if (!run) throw noRun(id)
  const control = (await readControls(reader, [id])).get(id) ?? NO_CONTROL
  const lives = (await reader.load(RUNS_LIVES, [id])).value.get(id)?.value
  const takeOvers = lives == null ? undefined : (JSON.parse(lives) as TakeOvers)
  return { run, control, takeOvers, journal: await Journal.load(id, cipher, reader) }
}
