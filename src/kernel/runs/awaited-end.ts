// Waits for the end of a run, whichever hub it is with.

import { LOOK_INTERVAL_MS } from './attention.ts'
import type { HeldRuns } from './held-runs.ts'
import type { LifePorts } from './life.ts'
import { loadRun } from './load-run.ts'
import { patiently } from './patient-append.ts'
import { isEnded, noRun, type RunRow } from './run.ts'

/** The row once the run has ended. Throws `run.not-found`, or the signal's reason. */
export async function awaitedEnd(
  { reader, env, alarms }: Pick<LifePorts, 'reader' | 'env' | 'alarms'>,
  held: HeldRuns,
  id: string,
  signal: AbortSignal,
): Promise<RunRow> {
  for (;;) {
    signal.throwIfAborted()
    const each = held.get(id)
    if (each) await raced(each.ended.promise, signal)
    const found = await patiently(env, signal, () => loadRun(reader, id))
    if (!found) throw noRun(id)
    if (isEnded(found.row)) return found.row
    if (!held.get(id)) await held.nextLook(alarms.at(env.now() + LOOK_INTERVAL_MS, signal))
  }
}

/** Resolves however the work ends. Rejects with the signal's reason. */
function raced(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    const end = () => {
      signal.removeEventListener('abort', leave)
      resolve()
    }
    work.then(end, end)
  })
}
