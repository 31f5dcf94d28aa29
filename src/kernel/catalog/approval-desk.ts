// What a suspended request leaves until people have answered, and what they grant.

import type { ErrorCode } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import type { KnownOpenings } from '../schema/privacy.ts'
import type { Seal } from '../vault/vault.ts'
import type { CommittedInput } from './decide.ts'
import type { Beside } from './hub-records.ts'

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

/** How a held request ended. */
export type Fate =
  | {
      readonly isDone: true
      /** That it was carried out as. */
      readonly run?: string
    }
  | {
      readonly isDone: false
      /** The word for it: `denied`, `expired`, `withdrawn`, `superseded` or `void`. */
      readonly status: string
      /** With which whoever waits for it fails: what the action failed with when it was carried out, else `denied`. */
      readonly code: ErrorCode
      readonly sentence: string
    }
