// Watching what our own log decides: a look at once, and another one after whatever is published. No failure ends it.

import type { RoomHost } from '../catalog/room.ts'
import { pause } from '../env.ts'
import { asPolityError } from '../errors.ts'
import { openFailing } from '../failing.ts'
import { delayBefore, random01 } from '../targets/retry.ts'

export interface WatchPorts {
  readonly host: {
    readonly realm: { readonly log: Pick<RoomHost['realm']['log'], 'head' | 'published' | 'lost'> }
  } & Pick<RoomHost, 'env' | 'onFailure'>
  /** Applies what is decided now; it is asked again when it throws. */
  readonly look: () => Promise<void>
  /** Between two looks, at least; without it every publication is looked at as it comes. */
  readonly intervalMs?: number
}

/** A database that is back finds its watchers back soon: a look reads a few rows. */
const RETRY = { baseMs: 100, capMs: 5000 }

/** Resolves once `signal` is aborted or the log is lost; never rejects. Each kind of failure is told once. */
export async function watchLog(
  { host: { realm, env, onFailure }, look, intervalMs = 0 }: WatchPorts,
  signal: AbortSignal,
): Promise<void> {
  const { log } = realm
  const isOver = () => signal.aborted || log.lost.aborted
  const failing = openFailing((error) => {
    if (!isOver()) onFailure(error)
  })
  for (let failures = 0; !isOver(); ) {
    // Taken before the look: what is published during it may not be in it.
    const { size } = log.head()
    try {
      await look()
      failing.works()
      failures = 0
      await log.published(size + 1, signal)
      await pause(env, intervalMs, signal)
    } catch (thrown) {
      if (isOver()) return
      failing.fails(asPolityError(thrown))
      failures += 1
      await pause(env, delayBefore(RETRY, failures + 1, random01(env)), signal)
    }
  }
}
