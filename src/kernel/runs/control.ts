// What people have asked of a run, in rows of its own: whoever carries the run out reads them, and only its row is the fence.

import type { StoreReader } from '../store/store.ts'

/** Working state: run id -> ControlRow. */
export const RUNS_CONTROL = 'runs.control'
/** Working state: `run id/number` -> SignalRow, from the signal to its wait. */
export const RUNS_SIGNALS = 'runs.signals'
/** Signals of one run that nobody has waited for yet. */
export const SIGNALS_PENDING_MAX = 1000
export const SIGNAL_SIZE_MAX_BYTES = 64 * 1024
/** What a run that ended in the same moment leaves behind goes after this time. */
export const CONTROL_KEPT_MS = 400 * 24 * 3600_000

export interface ControlRow {
  readonly isPaused?: boolean
  readonly cancel?: { readonly reason: string; readonly by: string }
  /** Signals ever sent. */
  readonly signals?: number
  /** What people say of steps that may have happened; JSON of a Resolution, sealed. */
  readonly resolutions?: readonly { readonly step: string; readonly sealed: string }[]
}

export interface SignalRow {
  readonly name: string
  /** JSON of the payload, sealed: it may be private. */
  readonly sealed: string
}

export type Resolution = { readonly result: unknown } | { readonly failed: string }

/** The row as it was read, with the version that tells whether there is news. */
export interface Control extends ControlRow {
  readonly version: number
}

export const NO_CONTROL: Control = { version: 0 }

export const signalKey = (run: string, number: number): string => `${run}/${`${number}`.padStart(9, '0')}`
export const resolutionPlace = (run: string, step: string): string => `${run}/${step}/resolution`

/** Read in one go for as many runs as a hub carries out. */
export async function readControls(
  reader: Pick<StoreReader, 'load'>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, Control>> {
  const controls = new Map<string, Control>()
  for (let from = 0; from < ids.length; from += LOAD_MAX) {
    const { value } = await reader.load(RUNS_CONTROL, ids.slice(from, from + LOAD_MAX))
    for (const [id, { version, value: text }] of value)
      controls.set(id, text === null ? { version } : { ...(JSON.parse(text) as ControlRow), version })
  }
  return controls
}

const LOAD_MAX = 500
