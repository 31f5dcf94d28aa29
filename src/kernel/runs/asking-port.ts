// The port through which a run asks others: actions, which happen once, and queries.

import type { RunRow } from './run.ts'

/** `as` tells several askings for the same apart. */
export type Named = { readonly name: string; readonly as?: string }

export type Begun =
  | { readonly status: 'done'; readonly output: unknown }
  | { readonly status: 'running'; readonly run: string }

/** What a run asks of others, in the name of its own chain, while the token that started it is good. */
export interface Asking {
  /** Ends with 32 characters that are the same for the same asking. */
  keyOf(run: RunRow, definition: Named, input: unknown): string
  /** Asking again after a crash finds the same invocation. Throws `denied`, and what an atomic command throws. */
  begin(run: RunRow, definition: Named, input: unknown): Promise<Begun>
  /** The output of a run that was begun, once it has ended. Throws the error it ended with, or the signal's reason. */
  ended(id: string, action: string, signal: AbortSignal): Promise<unknown>
  /** Cancels a run that was begun. */
  cancel(id: string, reason: string): Promise<void>
  ask(run: RunRow, definition: Named, input: unknown): Promise<unknown>
}
