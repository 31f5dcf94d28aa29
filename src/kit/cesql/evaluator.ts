// Turns a CESQL syntax tree into functions that answer a value and note what went wrong (sections 3.3 to 3.7).

import { type CesqlType, cast, typeOf, zeroOf } from './casts.ts'
import type { CesqlErrorKind, Noted } from './error.ts'
import { overloadOf } from './functions.ts'
import { likeMatcher } from './like.ts'
import { type BinaryOperator, type CesqlNode, type CesqlValue, INTEGER_MAX, INTEGER_MIN } from './syntax.ts'

/** One evaluation: the attributes that are read, and the errors so far. */
export interface Scope {
  readonly event: Readonly<Record<string, unknown>>
  readonly faults: Noted[]
}

/** Total: it always answers a value, and adds to the faults of the scope when that is not the whole truth. */
export type Evaluator = (scope: Scope) => CesqlValue

/**
 * An operator whose operand has an error, or cannot be cast, answers the zero value of its type (section 3.2 says so
 * of missing attributes, the conformance suite of all errors). Operands that are evaluated are all evaluated, so that
 * every error is told.
 */
export function evaluatorOf(node: CesqlNode): Evaluator {
  switch (node.kind) {
    case 'literal':
      return () => node.value
    case 'attribute':
      return attribute(node.name, node.offset)
    case 'exists':
      return ({ event }) => REQUIRED.has(node.name) || present(event, node.name) !== undefined
    case 'call':
      return call(node.name, node.args.map(evaluatorOf), node.offset)
    case 'unary':
      return node.operator === '-'
        ? negation(evaluatorOf(node.operand), node.offset)
        : not(evaluatorOf(node.operand), node.offset)
    case 'binary':
      return binary(node.operator, evaluatorOf(node.left), evaluatorOf(node.right), node.offset)
    case 'like':
      return like(node, evaluatorOf(node.operand))
    case 'in':
      return isIn(node, evaluatorOf(node.operand), node.set.map(evaluatorOf))
  }
}

/** Attributes that every event has; EXISTS never denies them (section 3.4.4). */
const REQUIRED = new Set(['specversion', 'id', 'source', 'type'])

const present = (event: Scope['event'], name: string): unknown =>
  Object.hasOwn(event, name) ? (event[name] ?? undefined) : undefined

function attribute(name: string, offset: number): Evaluator {
  return ({ event, faults }) => {
    const value = present(event, name)
    if (typeof value === 'string' || typeof value === 'boolean') return value
    // CloudEvents integers have 32 bits; any other number is a text (section 3.2).
    if (typeof value === 'number') return isInteger(value) ? value | 0 : String(value)
    if (value === undefined)
      faults.push({ kind: 'missingAttribute', message: `the event has no attribute ${name}`, offset })
    else faults.push({ kind: 'generic', message: `${name} is not an attribute with a simple value`, offset })
    // The type is unknown, so it is Boolean (section 3.2).
    return false
  }
}

const isInteger = (value: number) => Number.isInteger(value) && value >= INTEGER_MIN && value <= INTEGER_MAX

function call(name: string, args: readonly Evaluator[], offset: number): Evaluator {
  const overload = overloadOf(name, args.length)
  if (!overload) {
    const fault: Noted = {
      kind: 'missingFunction',
      message: `there is no ${name} of ${args.length} arguments`,
      offset,
    }
    return ({ faults }) => {
      faults.push(fault)
      return false
    }
  }
  const { parameters, rest = 'Any', returns } = overload
  return (scope) => {
    const { faults } = scope
    const before = faults.length
    const values = args.map((argument, i) => {
      const type = parameters[i] ?? rest
      const value = argument(scope)
      return type === 'Any' || faults.length > before ? value : casted(value, type, faults, offset)
    })
    if (faults.length > before) return zeroOf(returns)
    return overload.call(values, (kind, message) => faults.push({ kind, message, offset }))
  }
}

/** The value in another type, or its zero value and a fault. */
function casted(value: CesqlValue, type: CesqlType, faults: Noted[], offset: number): CesqlValue {
  const result = cast(value, type)
  if (result !== undefined) return result
  faults.push({ kind: 'cast', message: `a ${typeOf(value)} does not become this ${type}`, offset })
  return zeroOf(type)
}

/**
 * The conformance suite has NOT refuse an integer, which section 3.7 would cast; the failed cast is `false`, so that
 * NOT answers `true` beside its error.
 */
function not(operand: Evaluator, offset: number): Evaluator {
  return (scope) => {
    const { faults } = scope
    const before = faults.length
    const value = operand(scope)
    if (faults.length > before) return false
    if (typeof value !== 'number') return casted(value, 'Boolean', faults, offset) === false
    faults.push({ kind: 'cast', message: 'NOT takes no Integer', offset })
    return true
  }
}

function negation(operand: Evaluator, offset: number): Evaluator {
  return (scope) => {
    const { faults } = scope
    const before = faults.length
    const value = operand(scope)
    const integer = faults.length > before ? 0 : casted(value, 'Integer', faults, offset)
    return faults.length > before ? 0 : bounded(-Number(integer), faults, offset)
  }
}

/** Integers have 32 bits: what does not fit is a MathError and 0. */
function bounded(value: number, faults: Noted[], offset: number): number {
  if (isInteger(value)) return value | 0
  faults.push({ kind: 'math', message: 'the result has more than 32 bits', offset })
  return 0
}

function binary(operator: BinaryOperator, left: Evaluator, right: Evaluator, offset: number): Evaluator {
  switch (operator) {
    case 'AND':
    case 'OR':
      return shortCircuit(operator, left, right, offset)
    case 'XOR':
      return operation('Boolean', 'Boolean', (x, y) => x !== y)
    case '=':
      return operation(undefined, 'Boolean', (x, y) => x === y)
    case '!=':
    case '<>':
      return operation(undefined, 'Boolean', (x, y) => x !== y)
    default: {
      const comparison = COMPARISONS[operator as keyof typeof COMPARISONS]
      const arithmetic = ARITHMETIC[operator as keyof typeof ARITHMETIC]
      return comparison
        ? operation('Integer', 'Boolean', (x, y) => comparison(x as number, y as number))
        : operation('Integer', 'Integer', (x, y, fail) => arithmetic(x as number, y as number, fail))
    }
  }

  /** `of` absent: the type of the right operand decides (section 3.7, ambiguous operators). */
  function operation(
    of: CesqlType | undefined,
    returns: CesqlType,
    apply: (x: CesqlValue, y: CesqlValue, fail: (kind: CesqlErrorKind, message: string) => 0) => CesqlValue,
  ): Evaluator {
    return (scope) => {
      const { faults } = scope
      const before = faults.length
      const [x, y] = [left(scope), right(scope)]
      if (faults.length > before) return zeroOf(returns)
      const type = of ?? typeOf(y)
      const operands = [casted(x, type, faults, offset), casted(y, type, faults, offset)] as const
      if (faults.length > before) return zeroOf(returns)
      const result = apply(...operands, (kind, message) => {
        faults.push({ kind, message, offset })
        return 0
      })
      return typeof result === 'number' ? bounded(result, faults, offset) : result
    }
  }
}

const COMPARISONS = {
  '<': (x: number, y: number) => x < y,
  '<=': (x: number, y: number) => x <= y,
  '>': (x: number, y: number) => x > y,
  '>=': (x: number, y: number) => x >= y,
}

type FailArithmetic = (kind: 'math', message: string) => 0

/** Doubles hold every sum and difference exactly, and are far out of range where they round a product. */
const ARITHMETIC = {
  '+': (x: number, y: number) => x + y,
  '-': (x: number, y: number) => x - y,
  '*': (x: number, y: number) => x * y,
  '/': (x: number, y: number, fail: FailArithmetic) =>
    y === 0 ? fail('math', 'division by zero') : Math.trunc(x / y),
  '%': (x: number, y: number, fail: FailArithmetic) =>
    y === 0 ? fail('math', 'remainder of a division by zero') : x % y,
}

/** The right operand is evaluated only where it decides (section 3.4.2). */
function shortCircuit(operator: 'AND' | 'OR', left: Evaluator, right: Evaluator, offset: number): Evaluator {
  const isDecidedBy = operator === 'OR'
  return (scope) => {
    const { faults } = scope
    const before = faults.length
    const x = booleanOf(left(scope), before)
    if (x === isDecidedBy) return x
    const y = faults.length > before && operator === 'AND' ? false : booleanOf(right(scope), faults.length)
    return faults.length > before ? false : y

    function booleanOf(value: CesqlValue, faultsBefore: number): boolean {
      return faults.length > faultsBefore ? false : casted(value, 'Boolean', faults, offset) === true
    }
  }
}

function like(node: CesqlNode & { readonly kind: 'like' }, operand: Evaluator): Evaluator {
  const matches = likeMatcher(node.pattern)
  return (scope) => {
    const { faults } = scope
    const before = faults.length
    const value = operand(scope)
    return faults.length > before ? false : matches(String(value)) !== node.isNegated
  }
}

/** Elements are cast to the type of the operand (section 3.7); the first that is equal ends the search. */
function isIn(
  node: CesqlNode & { readonly kind: 'in' },
  operand: Evaluator,
  set: readonly Evaluator[],
): Evaluator {
  return (scope) => {
    const { faults } = scope
    const before = faults.length
    const wanted = operand(scope)
    if (faults.length > before) return false
    const type = typeOf(wanted)
    const found = set.some((element) => {
      const faultsBefore = faults.length
      const value = element(scope)
      return (
        faults.length === faultsBefore &&
        casted(value, type, faults, node.offset) === wanted &&
        faults.length === faultsBefore
      )
    })
    return faults.length > before ? false : found !== node.isNegated
  }
}
