// What can go wrong with a CESQL expression: the error types of section 3.3, with their place in the text.

import { KitError } from '../error.ts'

/** Error types of section 3.3, in the spelling of the specification's conformance suite. */
export type CesqlErrorKind =
  | 'parse'
  | 'math'
  | 'cast'
  | 'missingAttribute'
  | 'missingFunction'
  | 'functionEvaluation'
  | 'generic'

/** Something that went wrong, and where in the expression: `offset` in UTF-16 units from 0, line and column from 1. */
export interface CesqlFault {
  readonly kind: CesqlErrorKind
  readonly message: string
  readonly offset: number
  readonly line: number
  readonly column: number
}

/** Thrown where an expression cannot be compiled. `code` is the kind. */
export class CesqlError extends KitError implements CesqlFault {
  readonly kind: CesqlErrorKind
  readonly offset: number
  readonly line: number
  readonly column: number

  constructor(text: string, offset: number, kind: CesqlErrorKind, sentence: string) {
    const { line, column } = placeOf(text, offset)
    super(kind, `line ${line}, column ${column}: ${sentence}`)
    this.name = 'CesqlError'
    this.kind = kind
    this.offset = offset
    this.line = line
    this.column = column
  }
}

/** A fault as evaluation notes it; its line and column are found when somebody asks. */
export interface Noted {
  readonly kind: CesqlErrorKind
  readonly message: string
  readonly offset: number
}

export const faultOf = (text: string, { kind, message, offset }: Noted): CesqlFault => ({
  kind,
  message,
  offset,
  ...placeOf(text, offset),
})

function placeOf(text: string, offset: number): { readonly line: number; readonly column: number } {
  const before = text.slice(0, offset)
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
}
