// A run: one durable execution of a command, from its decision to its outcome.

import type { Caller } from '../catalog/decide.ts'
import type { ErrorWire } from '../errors.ts'

/** Working state: run id -> RunRow. */
export const RUNS = 'runs'
/** Finished runs can be looked up this long. */
export const RUN_KEPT_MS = 7 * 24 * 3600_000

export type RunStatus = 'running' | 'done' | 'failed' | 'unknown'

/** Who started it is part of it: a run acts in that name for as long as that token is good. */
export interface RunRow extends Caller {
  readonly id: string
  readonly action: string
  readonly decision: string
  readonly correlationId: string
  readonly traceparent?: string
  readonly status: RunStatus
  /** The hub that carries it out, or did so last. */
  readonly carrier?: string
  /** RFC 3339. */
  readonly startedAt: string
  readonly finishedAt?: string
  /** Public form: private fields are references into the vault. */
  readonly input: unknown
  readonly output?: unknown
  readonly error?: ErrorWire
  readonly journal?: string
  /** Hex; one half of the key of the journal's digest, the other is the hub's. Goes with this row. */
  readonly journalSalt: string
}

/** A run and the version of its row, which fences whoever carried it out before. */
export interface CarriedRun {
  readonly row: RunRow
  readonly version: number
}
