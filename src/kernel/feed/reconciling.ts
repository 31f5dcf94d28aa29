// Keeps what runs in a hub equal to what the log says: looks again whenever something is published, and says so once where it cannot.

import { type Env, pause } from '../env.ts'
import type { PolityError } from '../errors.ts'
import { openRetrying } from '../failing.ts'
import type { Log } from '../log/log.ts'

const LOOK_MS = 50

export interface ReconcilingPorts {
  readonly log: Pick<Log, 'head' | 'published' | 'lost'>
  readonly env: Env
  readonly onFailure: (error: PolityError) => void
}

/** @param refresh opens and closes what has changed; tried again where it fails. Resolves once aborted, or the log is lost. */
export async function reconcileWithLog(
  { log, env, onFailure }: ReconcilingPorts,
  refresh: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const retrying = openRetrying(env, onFailure)
  while (!signal.aborted && !log.lost.aborted) {
    const { size } = log.head()
    try {
      await refresh()
      retrying.works()
      await log.published(size + 1, signal)
      await pause(env, LOOK_MS, signal)
    } catch (error) {
      if (signal.aborted || log.lost.aborted) return
      await retrying.fails(error, signal)
    }
  }
}
