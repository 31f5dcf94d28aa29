// The built-in functions of CESQL (section 3.5) and the casts as functions. Characters are Unicode code points.

import { type CesqlType, cast } from './casts.ts'
import type { CesqlErrorKind } from './error.ts'
import { type CesqlValue, INTEGER_MAX, INTEGER_MIN } from './syntax.ts'

/** UTF-16 units of a text that a function makes out of others; above it a FunctionEvaluationError. */
const TEXT_LENGTH_MAX = 65_536

/** Says what went wrong; the function still answers a value (section 3.5.3). */
export type Fail = (kind: CesqlErrorKind, message: string) => void

/** `'Any'`: taken as it is. Arguments reach `call` already cast. */
export interface Overload {
  readonly parameters: readonly (CesqlType | 'Any')[]
  /** Type of any number of further arguments. */
  readonly rest?: CesqlType
  readonly returns: CesqlType
  call(args: readonly CesqlValue[], fail: Fail): CesqlValue
}

/** The overload for a number of arguments; undefined: a MissingFunctionError. */
export const overloadOf = (name: string, count: number): Overload | undefined =>
  FUNCTIONS.get(name)?.find(({ parameters, rest }) =>
    rest === undefined ? count === parameters.length : count >= parameters.length,
  )

const texts = (args: readonly CesqlValue[]) => args as readonly string[]
const text = (args: readonly CesqlValue[]) => args[0] as string
const integer = (args: readonly CesqlValue[], i: number) => args[i] as number

const castTo = (type: CesqlType): Overload => ({
  parameters: ['Any'],
  returns: type,
  call([value = false], fail) {
    const result = cast(value, type)
    if (result !== undefined) return result
    fail('cast', `a ${typeof value === 'string' ? 'text' : 'value'} is no ${type}`)
    return type === 'Integer' ? 0 : false
  },
})

const FUNCTIONS: ReadonlyMap<string, readonly Overload[]> = new Map<string, readonly Overload[]>([
  ['INT', [castTo('Integer')]],
  ['BOOL', [castTo('Boolean')]],
  ['STRING', [castTo('String')]],
  ['LENGTH', [{ parameters: ['String'], returns: 'Integer', call: (args) => lengthOf(text(args)) }]],
  [
    'CONCAT',
    [
      {
        parameters: [],
        rest: 'String',
        returns: 'String',
        call: (args, fail) => joined(texts(args), '', fail),
      },
    ],
  ],
  [
    'CONCAT_WS',
    [
      {
        parameters: ['String'],
        rest: 'String',
        returns: 'String',
        call: (args, fail) => joined(texts(args).slice(1), text(args), fail),
      },
    ],
  ],
  ['LOWER', [{ parameters: ['String'], returns: 'String', call: (args) => text(args).toLowerCase() }]],
  ['UPPER', [{ parameters: ['String'], returns: 'String', call: (args) => text(args).toUpperCase() }]],
  ['TRIM', [{ parameters: ['String'], returns: 'String', call: (args) => trimmed(text(args)) }]],
  ['LEFT', [{ parameters: ['String', 'Integer'], returns: 'String', call: left }]],
  ['RIGHT', [{ parameters: ['String', 'Integer'], returns: 'String', call: right }]],
  [
    'SUBSTRING',
    [
      { parameters: ['String', 'Integer'], returns: 'String', call: substring },
      { parameters: ['String', 'Integer', 'Integer'], returns: 'String', call: substring },
    ],
  ],
  ['ABS', [{ parameters: ['Integer'], returns: 'Integer', call: absolute }]],
])

function lengthOf(value: string): number {
  let length = 0
  for (const _ of value) length += 1
  return length
}

function joined(parts: readonly string[], delimiter: string, fail: Fail): string {
  const length = parts.reduce((sum, part) => sum + part.length + delimiter.length, -delimiter.length)
  if (length <= TEXT_LENGTH_MAX) return parts.join(delimiter)
  fail('functionEvaluation', `the text would have more than ${TEXT_LENGTH_MAX} characters`)
  return ''
}

/** Unicode white space is not what JavaScript trims: U+0085 belongs to it, U+FEFF does not. */
function trimmed(value: string): string {
  let [from, to] = [0, value.length]
  while (from < to && WHITE_SPACE.test(value.charAt(from))) from += 1
  while (to > from && WHITE_SPACE.test(value.charAt(to - 1))) to -= 1
  return value.slice(from, to)
}

const WHITE_SPACE = /^\p{White_Space}$/u

function left(args: readonly CesqlValue[], fail: Fail): string {
  const [value, count] = [text(args), integer(args, 1)]
  if (count >= 0) return Array.from(value).slice(0, count).join('')
  fail('functionEvaluation', 'LEFT takes a number of characters that is not negative')
  return value
}

function right(args: readonly CesqlValue[], fail: Fail): string {
  const [value, count] = [text(args), integer(args, 1)]
  const characters = Array.from(value)
  if (count >= 0) return characters.slice(Math.max(0, characters.length - count)).join('')
  fail('functionEvaluation', 'RIGHT takes a number of characters that is not negative')
  return value
}

/** Positions count from 1, or from the end when negative; at 0 there is nothing. */
function substring(args: readonly CesqlValue[], fail: Fail): string {
  const characters = Array.from(text(args))
  const position = integer(args, 1)
  const length = args.length > 2 ? integer(args, 2) : characters.length
  if (Math.abs(position) > characters.length || length < 0) {
    fail('functionEvaluation', 'SUBSTRING takes a position inside the text and a length that is not negative')
    return ''
  }
  if (position === 0) return ''
  const from = position > 0 ? position - 1 : characters.length + position
  return characters.slice(from, from + length).join('')
}

function absolute(args: readonly CesqlValue[], fail: Fail): number {
  const value = integer(args, 0)
  if (value !== INTEGER_MIN) return Math.abs(value)
  fail('math', `the absolute value of ${INTEGER_MIN} has more than 32 bits`)
  return INTEGER_MAX
}
