// Leases kept in rows: how long one lasts, and whether another hub has it. What is done under one is fenced by its row's version.

import type { Env } from './env.ts'

/** Whoever has it renews well before; after this long without renewal another hub takes over. */
export const LEASE_MS = 15_000
export const RENEW_MS = 5_000

/** What a row says of whoever serves it. */
export interface LeaseRow {
  readonly holder: string
  readonly expiresAtMs: number
}

/** The hub that asks. */
export interface LeaseTaker {
  readonly env: Pick<Env, 'now'>
  /** Names this hub among those that share the log. */
  readonly holder: string
  /** Whether no other hub can be at work on this log: then a lease that is left over counts for nothing. */
  readonly isAlone: boolean
}

/** Whether another hub has it, which may still live. */
export const isElsewhere = ({ env, holder, isAlone }: LeaseTaker, row: LeaseRow): boolean =>
  row.holder !== holder && !isAlone && row.expiresAtMs > env.now()
