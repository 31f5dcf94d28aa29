// What somebody asks to follow, checked before it is kept: patterns of event types, and a CESQL filter.

import { compile, type Expression } from '../../kit/cesql/cesql.ts'
import { parsePattern } from '../../kit/type-pattern.ts'
import { PolityError } from '../errors.ts'

/** Throws `input.invalid`, with the place of the pattern under `/types`. */
export function requirePatterns(types: readonly string[]): void {
  for (const [place, type] of types.entries())
    try {
      parsePattern(type)
    } catch (error) {
      throw invalidAt(`/types/${place}`, (error as Error).message)
    }
}

/** Throws `input.invalid` for what is no CESQL, with its place in the text, and for what could never be evaluated. */
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

/** @param pointer RFC 6901, into the input */
export const invalidAt = (pointer: string, message: string): PolityError =>
  new PolityError('input.invalid', `${pointer} ${message}`, { violations: [{ pointer, message }] })
