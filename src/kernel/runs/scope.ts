// A scope: where in a run a handler is, its steps under a prefix of their own in a parallel branch.

import type { CommandContext } from '../catalog/context.ts'
import type { Life } from './life.ts'

export interface Scope {
  readonly life: Life
  /** Empty, or ends with a slash. */
  readonly prefix: string
  readonly signal: AbortSignal
  /** Names of what this scope has under way. */
  readonly underWay: Set<string>
  /** While a body waits for people: aborted when it has been given up, because what they agree to is nobody's then. */
  bodies?: AbortController
  readonly context: CommandContext
  /** A scope of the same run under another prefix. */
  inner(prefix: string, signal: AbortSignal): Scope
}
