// Where a log of the conformance suite lives: an engine with its anchor.

import type { Anchor } from '../../../src/kernel/log/anchor.ts'
import type { Store } from '../../../src/kernel/store/store.ts'

/** A fresh place for a log, which outlives whoever writes it. */
export interface LogPlace {
  /** What a hub opens when it starts: connections of its own. Who had opened them before is taken for dead. */
  boot(): Promise<{ readonly store: Store; readonly anchor: Anchor }>
  reader(): Promise<Store>
  /** What the last hub announced, as the anchor has it. */
  anchored(): Promise<string | undefined>
  /** Closes whatever was opened. */
  close(): Promise<void>
}
