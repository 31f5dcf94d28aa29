// What is known of a schedule between its times: working rows, of which every hub reads and one at a time writes.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import type { RowChange } from '../../kernel/catalog/working-rows.ts'

/** Working state: schedule name -> TickRow. Its version is the fence. */
export const TICKS = 'schedules.ticks'

/** What a ticker works with. */
export type TickerHost = Pick<ModuleHost, 'env' | 'reads' | 'rows' | 'record' | 'invokeAs' | 'onFailure'>

export interface TickRow {
  /** Every slot up to here was dealt with. */
  readonly cursorMs: number
  /** The next slot; null when none comes, or the schedule is stopped. */
  readonly nextMs: number | null
  /** Somebody carries a slot out. */
  readonly claim?: Claim
  readonly last?: LastRun
}

export interface Claim {
  readonly slotMs: number
  readonly holder: string
  /** Renewed while it goes on; after that anybody may take it over, under the same idempotency key. */
  readonly untilMs: number
  readonly claimedMs: number
}

export interface LastRun {
  readonly slotMs: number
  readonly finishedMs: number
  readonly status: 'done' | 'failed' | 'unknown'
  readonly code?: string
  readonly message?: string
}

/** The row of a schedule that is gone keeps its version for so long: whoever slept meanwhile must not take a new one for it. */
const TOMBSTONE_MS = 7 * 24 * 3600_000

export const tickChange = (name: string, row: TickRow): RowChange => ({ table: TICKS, key: name, value: row })

export const noTick = (name: string, nowMs: number): RowChange => ({
  table: TICKS,
  key: name,
  value: null,
  expiresAtMs: nowMs + TOMBSTONE_MS,
})

export const timeOf = (ms: number): string => new Date(ms).toISOString()
