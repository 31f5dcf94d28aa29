// What the catalog needs of approvals: to keep a suspended request, and to carry it out once people have agreed.

import type { Awaitable } from '../env.ts'
import type { Draft } from '../log/entry.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import type { KnownOpenings } from '../schema/privacy.ts'
import type { Seal } from '../vault/vault.ts'
import type { CommittedInput } from './decide.ts'
import type { Beside } from './hub-records.ts'
import type { Invocation } from './invocation.ts'

/** What is committed together with a suspended decision. */
export interface Held {
  readonly drafts: readonly Draft[]
  readonly rows: readonly WorkingWrite[]
  readonly seals: readonly Seal[]
  readonly expect: readonly Expectation[]
}

export const NOTHING_HELD: Held = { drafts: [], rows: [], seals: [], expect: [] }

/** What people agreed to: a request as it was held, to be decided again with what they granted. */
export interface Grant {
  /** Of the suspended decision. */
  readonly id: string
  /** Obligations that were fulfilled, such as `owner:1`. */
  readonly approvals: readonly string[]
  /** The rules under which people agreed: under others it is void. */
  readonly bundle: string
  /** The input in the form to which they agreed, commitments included. */
  readonly committed: CommittedInput
  readonly known: KnownOpenings
  /** Uses it up: committed with whatever it allows, so that it is used once. */
  readonly beside: Pick<Beside, 'expect' | 'rows'>
  /** @param decision that resumes it */
  drafts(decision: string): readonly Draft[]
}

export interface ApprovalDesk {
  /** Keeps a request whose decision is suspended. Its id is that of the decision. */
  hold(invocation: Invocation): Awaitable<Held>
  /** It is durable now: whoever can answer may be told. */
  onHeld(id: string): void
  /** Why a held request will not be carried out any more; undefined while it may, and once it was. */
  fateOf(id: string): Awaitable<string | undefined>
}

/** Of a hub without people: what is suspended stays undone. */
export const NO_DESK: ApprovalDesk = {
  hold: () => NOTHING_HELD,
  onHeld: () => undefined,
  fateOf: () => undefined,
}
