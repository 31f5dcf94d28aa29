// What all processes have counted since rules came into force under watch: kept in rows, so that nothing is forgotten with one of them.

import type { RoomHost } from '../catalog/room.ts'
import { workingWrite } from '../catalog/working-rows.ts'
import { asPolityError } from '../errors.ts'
import { SCAN_LIMIT_MAX } from '../store/store.ts'
import { ACTIVE, law } from './views.ts'
import { type Counts, NOTHING_COUNTED } from './watching.ts'

export interface WatchCounts {
  /** Of whoever carries the watch: keeps its own counts, and answers those of all. */
  look(): Promise<Counts>
  /** Of everybody else, while somebody watches: keeps its own. */
  join(): Promise<void>
  /** What was counted since the last look is kept, too. Never rejects. */
  close(): Promise<void>
}

/** A row per process, below the seq of the entry that put the rules in force. */
interface Kept extends Counts {
  readonly digest: string
}

const WATCHED = 'gate.watched'
/** A process that carries on begins within this time. */
const KEPT_MS = 3600_000
/** Processes that are added up. */
const PROCESSES_MAX = Math.min(256, SCAN_LIMIT_MAX)

export interface WatchCountsPorts {
  readonly host: Pick<RoomHost, 'realm' | 'env' | 'record' | 'onFailure'>
  /** What this process has counted under the rules that it holds. */
  readonly own: () => {
    readonly digest: string
    readonly source: string
    /** Wall clock, milliseconds. */
    readonly watchedUntilMs: number
    readonly counts: Counts
  }
}

export function openWatchCounts({ host, own }: WatchCountsPorts): WatchCounts {
  const { realm, env, record, onFailure } = host
  // An id is taken when there is something to keep.
  let process: string | undefined
  const keyOf = (seq: number) => {
    process ??= env.id()
    return `${seq}/${process}`
  }
  let written = ''

  /** Undefined where this process does not hold what is in force. */
  const seqInForce = async () => {
    const active = (await realm.committed.get(law, ACTIVE))?.value
    return active?.source === own().source ? active.seq : undefined
  }
  const keptOf = async (seq: number) => {
    const { value: rows } = await realm.reader.scan(WATCHED, { prefix: `${seq}/`, limit: PROCESSES_MAX })
    return rows.map(({ key, value }) => ({ key, kept: JSON.parse(value) as Kept }))
  }
  /** That it cannot be written down is no harm that the rules do. */
  const keep = async (seq: number) => {
    const { digest, counts, watchedUntilMs } = own()
    const value: Kept = { digest, ...counts }
    const text = JSON.stringify([seq, value])
    if (text === written) return
    const row = { table: WATCHED, key: keyOf(seq), value, expiresAtMs: watchedUntilMs + KEPT_MS }
    try {
      await record([], { rows: [workingWrite(row)] }, { isReserved: true })
      written = text
    } catch (error) {
      onFailure(asPolityError(error))
    }
  }

  return {
    async look() {
      const seq = await seqInForce()
      if (seq === undefined) return NOTHING_COUNTED
      await keep(seq)
      const { digest, counts } = own()
      const others = (await keptOf(seq)).filter(
        ({ key, kept }) => key !== keyOf(seq) && kept.digest === digest,
      )
      return others.reduce((sum, { kept }) => added(sum, kept), counts)
    },
    async join() {
      const seq = await seqInForce()
      if (seq !== undefined) await keep(seq)
    },
    async close() {
      try {
        const seq = env.now() < own().watchedUntilMs ? await seqInForce() : undefined
        if (seq !== undefined) await keep(seq)
      } catch (error) {
        onFailure(asPolityError(error))
      }
    },
  }
}

const added = (a: Counts, b: Counts): Counts => ({
  asked: a.asked + b.asked,
  denied: a.denied + b.denied,
  failed: a.failed + b.failed,
})
