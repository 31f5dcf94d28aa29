// The port through which a run asks others: actions, which happen once, and queries.

import type { Fate } from '../catalog/approval-desk.ts'
import type { RunRow } from './run.ts'

/** `as` tells several askings for the same apart. */
export type Named = { readonly name: string; readonly as?: string }

/** Nobody has to agree to it any more. */
export type Granted =
  | { readonly status: 'done'; readonly output: unknown }
  | { readonly status: 'running'; readonly run: string }

export type Begun =
  | Granted
  /** People have to agree to it first. */
  | { readonly status: 'suspended'; readonly approval: string }

/** What a run asks of others, in the name of its own chain, while the token that started it is good. */
export interface Asking {
  /** Ends with 32 characters that are the same for the same asking. */
  keyOf(run: RunRow, definition: Named, input: unknown): string
  /** Asking again after a crash finds the same invocation. Throws `denied`, and what an atomic command throws. */
  begin(run: RunRow, definition: Named, input: unknown): Promise<Begun>
  /**
   * What came of a request once people have agreed and the hub has carried it out. Throws `denied` when it never will be,
   * `erased` when what it answered is not kept any more, and the signal's reason.
   */
  agreed(
    run: RunRow,
    definition: Named,
    input: unknown,
    approval: string,
    signal: AbortSignal,
  ): Promise<Granted>
  /** Nobody waits for the request any more. Answers how it ended, which may be that it was carried out just before. */
  withdraw(approval: string, reason: string): Promise<Fate>
  /** The output of a run that was begun, once it has ended. Throws the error it ended with, or the signal's reason. */
  ended(id: string, action: string, signal: AbortSignal): Promise<unknown>
  /** Cancels a run that was begun. */
  cancel(id: string, reason: string): Promise<void>
  ask(run: RunRow, definition: Named, input: unknown): Promise<unknown>
}
