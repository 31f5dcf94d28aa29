// References: JSON pointers into what a procedure knows so far, and values with references in them.

import { isDeepStrictEqual } from 'node:util'
import { PolityError } from '../../kernel/errors.ts'
import type { Condition } from './steps.ts'

/** How a step ended, as references see it: `/steps/NAME/status`, `/output`, `/error`. */
export interface StepResult {
  readonly status: 'done' | 'failed'
  readonly output?: unknown
  readonly error?: { readonly code: string; readonly message: string }
}

/** What a block sees: values such as `input` and `item`, and the steps before, its own and those around it. */
export interface Scope {
  readonly values: Readonly<Record<string, unknown>>
  readonly steps: Map<string, StepResult>
  /** Where the block stands in the procedure, with the index of every item: no two blocks of a run have the same. */
  readonly path: string
  readonly around?: Scope
}

/** The parts of an RFC 6901 pointer. */
export const partsOf = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

/** Whether the value is `{"$ref": "/..."}`, and nothing else. */
export const referenceIn = (value: unknown): string | undefined =>
  soleMember(value, '$ref') as string | undefined

/** The value of `{"$literal": ...}`, in which nothing is a reference. */
export const literalIn = (value: unknown): { readonly literal: unknown } | undefined =>
  isObject(value) && Object.keys(value).length === 1 && Object.hasOwn(value, '$literal')
    ? { literal: value.$literal }
    : undefined

const soleMember = (value: unknown, name: string): unknown =>
  isObject(value) && Object.keys(value).length === 1 && Object.hasOwn(value, name) ? value[name] : undefined

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value with every reference in it replaced by what it finds. Throws `procedures.no-value`. */
export function resolved(value: unknown, scope: Scope): unknown {
  const reference = referenceIn(value)
  if (reference !== undefined) return required(reference, scope)
  const literal = literalIn(value)
  if (literal) return literal.literal
  if (Array.isArray(value)) return value.map((each) => resolved(each, scope))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, resolved(each, scope)]))
}

function required(pointer: string, scope: Scope): unknown {
  const found = find(pointer, scope)
  if (found) return found.value
  throw new PolityError('procedures.no-value', `the reference ${pointer} finds nothing`, { ref: pointer })
}

/** Own members only; the nearest block that knows the first part answers. */
function find(pointer: string, scope: Scope): { readonly value: unknown } | undefined {
  const [root = '', ...rest] = partsOf(pointer)
  if (root !== 'steps') {
    const holder = holderOf(scope, ({ values }) => Object.hasOwn(values, root))
    return holder && within(holder.values[root], rest)
  }
  const [name = '', ...inside] = rest
  const step = holderOf(scope, ({ steps }) => steps.has(name))?.steps.get(name)
  return step && within(step, inside)
}

function holderOf(scope: Scope, isIt: (each: Scope) => boolean): Scope | undefined {
  for (let each: Scope | undefined = scope; each; each = each.around) if (isIt(each)) return each
  return undefined
}

function within(value: unknown, parts: readonly string[]): { readonly value: unknown } | undefined {
  let at = value
  for (const part of parts) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    // RFC 6901 section 4: an index has no leading zeros, and `length` is no member of a list.
    if (Array.isArray(at) && !/^(?:0|[1-9][0-9]*)$/.test(part)) return undefined
    at = (at as Readonly<Record<string, unknown>>)[part]
  }
  return at === undefined ? undefined : { value: at }
}

/** Throws `procedures.no-value` for a reference that finds nothing, `procedures.not-comparable` for an order of unlike values. */
export function holds(condition: Condition, scope: Scope): boolean {
  if ('all' in condition) return condition.all.every((each) => holds(each, scope))
  if ('any' in condition) return condition.any.some((each) => holds(each, scope))
  if ('not' in condition) return !holds(condition.not, scope)
  if (condition.is === 'exists') return find(condition.ref, scope) !== undefined
  const found = required(condition.ref, scope)
  const wanted = resolved(condition.value, scope)
  switch (condition.is) {
    case '=':
      return isDeepStrictEqual(found, wanted)
    case '!=':
      return !isDeepStrictEqual(found, wanted)
    case 'in':
      if (Array.isArray(wanted)) return wanted.some((each) => isDeepStrictEqual(found, each))
      throw notComparable(condition.ref, 'is compared with what is no list')
    default:
      return isInOrder(condition.ref, condition.is, found, wanted)
  }
}

function isInOrder(ref: string, is: '<' | '<=' | '>' | '>=', found: unknown, wanted: unknown): boolean {
  const isComparable =
    typeof found === typeof wanted && (typeof found === 'number' || typeof found === 'string')
  if (!isComparable) throw notComparable(ref, 'is compared in order, which takes two numbers or two texts')
  const [a, b] = [found as number, wanted as number]
  return is === '<' ? a < b : is === '<=' ? a <= b : is === '>' ? a > b : a >= b
}

const notComparable = (ref: string, sentence: string) =>
  new PolityError('procedures.not-comparable', `${ref} ${sentence}`, { ref })
