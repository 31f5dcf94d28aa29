// Tells a denial by the rules from one because something could not be asked: only the second is worth trying again.

import { PolityError } from '../errors.ts'
import type { Policy } from '../gate/policies.ts'
import { UNAVAILABLE_RULE } from '../gate/rules.ts'
import type { Verdict } from '../gate/types.ts'

/**
 * `gate.unavailable`, naming what could not be asked; undefined for what is allowed or waits for people, and for what a
 * rule forbids all the same. A rule that would only have people agree first does not decide that.
 */
export function outageOf(
  { effect, reasons, errors }: Pick<Verdict, 'effect' | 'reasons' | 'errors'>,
  policies: ReadonlyMap<string, Pick<Policy, 'obligation'>>,
  decision: string,
): PolityError | undefined {
  if (effect !== 'denied') return undefined
  const unasked = errors.filter(({ policy }) => policy === '')
  const isForbidden = reasons.some(
    (id) => id !== UNAVAILABLE_RULE && policies.get(id)?.obligation === undefined,
  )
  if (unasked.length === 0 || isForbidden) return undefined
  const sources = [...new Set(unasked.map(({ source = 'rules' }) => source))].sort()
  return unavailable(sources, { decision, reasons })
}

/** For whatever a decision cannot be made without. */
export const unavailable = (
  sources: readonly string[],
  facts: Readonly<Record<string, unknown>> = {},
  cause?: unknown,
): PolityError =>
  new PolityError(
    'gate.unavailable',
    `the gate could not ask ${sources.join(', ')}, so nothing was decided and nothing was done: try again`,
    { ...facts, sources },
    cause,
  )
