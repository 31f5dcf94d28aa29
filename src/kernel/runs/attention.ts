// What is asked of runs from outside (pause, cancel, signal, resume): whoever has the run hears of it, also from other hubs.

import { asPolityError, type PolityError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import { TOPICS } from '../realm/topics.ts'
import type { Store } from '../store/store.ts'
import type { Wake } from '../wake/wake.ts'
import { claim } from './carriers.ts'
import { type Control, readControls } from './control.ts'
import type { HeldRuns } from './held-runs.ts'
import { loadRun } from './load-run.ts'
import type { CarriedRun } from './run.ts'

/** How long other hubs' news can go unnoticed where nothing pushes them. */
export const LOOK_INTERVAL_MS = 2_000

export interface AttentionPorts {
  readonly log: Log
  readonly reader: Store
  readonly holder: string
  readonly held: HeldRuns
  /** Other hubs, where there are any. */
  readonly wake?: Pick<Wake, 'notify' | 'wait'>
  readonly takeUp: (runs: readonly CarriedRun[]) => Promise<void>
  readonly closing: AbortSignal
  readonly onFailure: (error: PolityError) => void
}

export interface Attention {
  /** Somebody has asked something of the run, and it is committed. */
  attend(id: string): Promise<void>
  /** Hears of what other hubs were asked, until the hub closes. */
  watch(wake: Pick<Wake, 'wait'>): Promise<void>
}

export function openAttention(ports: AttentionPorts): Attention {
  const { log, reader, holder, held, closing } = ports

  const look = async (ids: readonly string[]) => {
    for (const [id, control] of await readControls(reader, ids)) hear(held, id, control)
  }
  /** A run that nobody has and that is to go on. */
  const adopt = async (id: string) => {
    const found = await loadRun(reader, id)
    if (found?.row.status !== 'running' || found.row.carrier !== undefined) return
    const won = await claim({ log, holder }, found)
    if (won) await ports.takeUp([won])
  }

  return {
    async attend(id) {
      if (held.isDrafted(id)) held.ask(id)
      else if (held.get(id)) await look([id])
      else await adopt(id)
      ports.wake?.notify(TOPICS.runs)
    },
    async watch(wake) {
      while (!closing.aborted) {
        await wake.wait(TOPICS.runs, closing, LOOK_INTERVAL_MS)
        if (closing.aborted) return
        try {
          await look(held.ids())
        } catch (error) {
          ports.onFailure(asPolityError(error))
        }
        held.lookAll()
      }
    },
  }
}

/** It lives, lies in line, or is paused before it has begun. */
function hear(held: HeldRuns, id: string, control: Control): void {
  const each = held.get(id)
  if (!each) return
  if (each.life) each.life.attend(control)
  else if (control.cancel) each.hurry.abort()
  else if (!control.isPaused) each.wake?.()
}
