// Which hubs live, by what this one sees of them on its own clock: what theirs say tells a hub that is ahead the wrong thing.

import type { Env } from '../env.ts'
import type { RowVersion, StoreReader } from '../store/store.ts'

/** Working state: name of a hub -> CarrierRow. */
export const CARRIERS = 'run.carriers'
/** A hub that is not heard of for so long is taken for gone. If it is not, its results are refused all the same. */
export const CARRIER_TTL_MS = 15_000
/** On the first sight there are only the clocks to go by, which are trusted to be so far apart at most. */
const CLOCKS_APART_MAX_MS = 5 * 60_000

export interface CarrierRow {
  /** By the clock of the hub that wrote it. */
  readonly untilMs: number
}

export interface Sightings {
  /** Those of them that are gone. Who is not asked for any more is forgotten. */
  gone(carriers: ReadonlySet<string>): Promise<ReadonlySet<string>>
}

interface Sighting {
  /** What the row said; undefined while there never was one. */
  readonly row: string | undefined
  /** Monotonic; since when it says so, or is known to. */
  readonly sinceMs: number
}

export function openSightings({
  reader,
  env,
}: {
  readonly reader: Pick<StoreReader, 'load'>
  readonly env: Pick<Env, 'now' | 'monotonic'>
}): Sightings {
  let known: ReadonlyMap<string, Sighting> = new Map()
  let lookedMs = Number.NEGATIVE_INFINITY
  return {
    async gone(carriers) {
      if (carriers.size === 0) {
        known = new Map()
        return new Set()
      }
      const startedMs = env.monotonic()
      const { value: rows } = await reader.load(CARRIERS, [...carriers])
      const atMs = env.monotonic()
      // Whoever could not look for long has missed beats that there were, or none could be written.
      const isBlind = atMs - lookedMs > CARRIER_TTL_MS
      lookedMs = atMs
      const seen = new Map<string, Sighting>()
      const gone = new Set<string>()
      for (const carrier of carriers) {
        const before = known.get(carrier)
        const row = written(rows.get(carrier))
        const isSame = before !== undefined && (row === undefined || row === before.row)
        const sighting = isSame && !isBlind ? before : { row: row ?? before?.row, sinceMs: atMs }
        seen.set(carrier, sighting)
        const isSilent = startedMs - sighting.sinceMs >= CARRIER_TTL_MS
        if (isSilent || (before === undefined && isLongOver(rows.get(carrier), env.now()))) gone.add(carrier)
      }
      known = seen
      return gone
    },
  }
}

/** Each beat is another text: the version counts them, and begins anew where the row was swept. */
const written = (row: RowVersion | undefined): string | undefined =>
  row?.value == null ? undefined : `${row.version} ${row.value}`

const isLongOver = (row: RowVersion | undefined, nowMs: number): boolean =>
  row?.value != null && (JSON.parse(row.value) as CarrierRow).untilMs + CLOCKS_APART_MAX_MS < nowMs
