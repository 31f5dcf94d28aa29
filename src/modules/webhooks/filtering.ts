// Which entries an endpoint is sent: of its types, through its filter, and only what its owner may read.

import { PolityError } from '../../kernel/errors.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import { mayRead } from '../../kernel/log/audience.ts'
import type { Entry } from '../../kernel/log/entry.ts'
import { compile, type Expression } from '../../kit/cesql/cesql.ts'
import { parsePattern } from '../../kit/type-pattern.ts'
import { attributesOf, isCarrier, isMessage, meshEventOf } from '../mesh/contract.ts'

/** Throws `input.invalid`. */
export function requirePatterns(types: readonly string[]): void {
  for (const [place, type] of types.entries())
    try {
      parsePattern(type)
    } catch (error) {
      throw invalidAt(`/types/${place}`, (error as Error).message)
    }
}

/** Throws `input.invalid`. */
export function filterOf(text: string): Expression {
  let expression: Expression
  try {
    expression = compile(text)
  } catch (error) {
    throw invalidAt('/filter', (error as Error).message)
  }
  const [fault] = expression.faults
  if (fault) throw invalidAt('/filter', fault.message)
  return expression
}

export const invalidAt = (pointer: string, message: string): PolityError =>
  new PolityError('input.invalid', `${pointer} ${message}`, { violations: [{ pointer, message }] })

export function wantedBy(chain: Chain, filter: Expression | undefined): (entry: Entry) => boolean {
  return (entry) =>
    !isMessage(entry) &&
    mayRead(chain, entry) &&
    (filter === undefined || filter.matches(attributesOf(meshEventOf(entry)) as never))
}

/**
 * Private values leave only where somebody meant them to: in events that were published for others, and to whom
 * they may be opened. Those of other entries (an endpoint's own secret is one) stay references.
 */
export const isOpenable = (entry: Entry): boolean => isCarrier(entry)
