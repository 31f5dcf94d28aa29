// The run that waits for a request: what it asked for must not happen once it has ended, or is to end.

import type { Expectation } from '../log/view.ts'
import { RUNS_CONTROL, readControls } from '../runs/control.ts'
import { loadRun } from '../runs/load-run.ts'
import { isEnded, RUNS } from '../runs/run.ts'
import type { StoreReader } from '../store/store.ts'
import type { RequestRow } from './request.ts'

interface Asker {
  /** Why nobody waits any more, in a sentence. */
  readonly gone?: string
  /** What holds for as long as it waits. */
  readonly expect: readonly Expectation[]
}

const NOBODY: Asker = { expect: [] }

/** Of a request that no run asks for, there is nobody who could be gone. */
export async function askerOf(
  { run }: Pick<RequestRow, 'run'>,
  reader: Pick<StoreReader, 'load'>,
): Promise<Asker> {
  if (run === undefined) return NOBODY
  const found = await loadRun(reader, run)
  if (!found || isEnded(found.row)) return { ...NOBODY, gone: `run ${run}, which asked for it, has ended` }
  const control = (await readControls(reader, [run])).get(run)
  if (control?.cancel) return { ...NOBODY, gone: `run ${run}, which asked for it, was cancelled` }
  return {
    expect: [
      { table: RUNS, key: run, version: found.version },
      { table: RUNS_CONTROL, key: run, version: control?.version ?? 0 },
    ],
  }
}
