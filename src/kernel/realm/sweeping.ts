// Expired working state leaves in the background, table by table.

import { asPolityError, type PolityError } from '../errors.ts'
import type { Realm } from './realm.ts'

const SWEEP_INTERVAL_MS = 60_000

/** Answers what stops it. */
export function sweepRegularly(
  realm: Pick<Realm, 'sweep'>,
  tables: readonly string[],
  onFailure: (error: PolityError) => void,
): () => void {
  const timer = setInterval(() => {
    for (const table of tables) realm.sweep(table).catch((error: unknown) => onFailure(asPolityError(error)))
  }, SWEEP_INTERVAL_MS).unref()
  return () => clearInterval(timer)
}
