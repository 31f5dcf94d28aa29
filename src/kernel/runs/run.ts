// A run: one durable execution of a command, from its decision to its outcome.

import type { Caller } from '../catalog/caller.ts'
import { type ErrorWire, PolityError } from '../errors.ts'
import type { Risk } from '../gate/types.ts'
import type { WorkingWrite } from '../log/proposal.ts'

/** Working state: run id -> RunRow. */
export const RUNS = 'runs'
/** Working state: id of a run that has not ended -> OpenRow, so that nobody looks for them among those that have. */
export const RUNS_OPEN = 'runs.open'
/** Working state: `end of keeping/run id` -> nothing: what `tidy` drops, and when. */
export const RUNS_ENDED = 'runs.ended'
/** Runs below one another: one that asks for itself would otherwise take all the room that there is for runs. */
export const RUN_DEPTH_MAX = 32
/** A run that has ended can be looked up this long, and its journal with it. */
const RUN_KEPT_MS = 7 * 24 * 3600_000
/** A person has this long to say what became of a step that may have happened. */
const UNKNOWN_KEPT_MS = 90 * 24 * 3600_000

/** `parked` and `unknown` wait for a person; `unknown` has an outcome that says so. */
export type RunStatus = 'running' | 'parked' | 'done' | 'failed' | 'unknown' | 'cancelled'
export type EndStatus = Exclude<RunStatus, 'running' | 'parked'>

/** Who started it is part of it: a run acts in that name for as long as that token is good. */
export interface RunRow extends Caller {
  readonly id: string
  readonly action: string
  readonly decision: string
  /** What the decision was about, for the outcome. */
  readonly resource?: string
  readonly risk?: Risk
  /** What people agreed to covers its parts, too, as far as they are no riskier than it is. */
  readonly agreed?: readonly string[]
  readonly correlationId: string
  readonly traceparent?: string
  /** The run that asked for it. */
  readonly parent?: string
  /** How many runs stand above it. */
  readonly depth?: number
  readonly status: RunStatus
  /** The hub that carries it out, or did so last. */
  readonly carrier?: string
  /** RFC 3339. */
  readonly startedAt: string
  readonly finishedAt?: string
  /** RFC 3339. */
  readonly deadline?: string
  /** `journal` of the definition under which it began. */
  readonly journalVersion?: number
  /** Public form: private fields are references into the vault. */
  readonly input: unknown
  readonly output?: unknown
  readonly error?: ErrorWire
  /** How it is going to end; written before the first step is undone. */
  readonly ending?: Ending
  /** Steps whose undoing failed. */
  readonly notUndone?: readonly string[]
  readonly parked?: Parked
  readonly journal?: string
  /** Hex; one half of the key of the journal's digest, the other is the hub's. Goes with this row. */
  readonly journalSalt: string
  /** Sealed: where to send word of the end. */
  readonly callback?: string
}

export interface Ending {
  readonly status: EndStatus
  readonly error: ErrorWire
  /** It was cancelled while it was parked: its handler cannot be trusted, so nothing is undone. */
  readonly isAsItStands?: boolean
}

export interface Parked {
  /** A sentence for people. */
  readonly reason: string
  /** The step at which it stopped. */
  readonly step?: string
  /** RFC 3339. */
  readonly at: string
}

export interface OpenRow {
  readonly parent?: string
}

/** A run and the version of its row, which fences whoever carried it out before. */
export interface CarriedRun {
  readonly row: RunRow
  readonly version: number
}

export const isEnded = ({ status }: Pick<RunRow, 'status'>): boolean =>
  status !== 'running' && status !== 'parked'

export const noRun = (id: string): PolityError =>
  new PolityError(
    'run.not-found',
    `there is no run ${id.slice(0, 64)}, or it was long ago: \`polity runs list\` names those of yours`,
  )

export const keptMs = (status: RunStatus): number => (status === 'unknown' ? UNKNOWN_KEPT_MS : RUN_KEPT_MS)

export const runWrite = (row: RunRow, expiresAtMs?: number): WorkingWrite => ({
  table: RUNS,
  key: row.id,
  value: JSON.stringify(row),
  ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
})

export const openWrite = ({ id, parent }: Pick<RunRow, 'id' | 'parent'>): WorkingWrite => {
  const row: OpenRow = parent === undefined ? {} : { parent }
  return { table: RUNS_OPEN, key: id, value: JSON.stringify(row) }
}
