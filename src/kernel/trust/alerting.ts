// What the hub notices about somebody, as a fact beside the one that says it: trust is fed in the same commit.

import type { Risk } from '../gate/types.ts'
import type { Draft } from '../log/entry.ts'
import { TrustAlerted } from './contract.ts'
import { isPrincipal } from './schemas.ts'

export interface Alert {
  /** The family of actions that it speaks about; `*` for all. */
  readonly family: string
  readonly severity: Risk
  /** The fact that says what was noticed. */
  readonly fact: Draft
}

/**
 * The fact, and beside it what it says about this principal. People answer for themselves, so that of a fact about them
 * nothing is counted. @param principal `kind:id`
 */
export function factAgainst(principal: string, { family, severity, fact }: Alert): readonly Draft[] {
  if (!isPrincipal(principal)) return [fact]
  const { subject } = fact
  const about = subject === undefined ? {} : { about: subject }
  const alert = TrustAlerted(
    { principal, family, severity, fact: fact.type.name, ...about },
    { subject: `trust/${principal}`, ...(fact.time === undefined ? {} : { time: fact.time }) },
  )
  return [fact, alert]
}
