/**
 * The CloudEvents SQL expression language, version 1.0.0 (CESQL): a filter over the attributes of an event.
 *
 *     const filter = compile("type LIKE 'health.%' AND int(severity) >= 3 AND subject NOT IN ('lab', 'demo')")
 *     filter.matches({ id: '1', source: '/a', specversion: '1.0', type: 'health.failed', severity: '4', subject: 'shop' })
 *
 * Complete: the grammar of section 2, the operators, functions, casts and errors of section 3; every case of the
 * specification's conformance suite (`cesql_tck`) holds. Without dependencies, input or output.
 * Source: https://github.com/cloudevents/spec/blob/main/cesql/spec.md
 *
 * What may surprise, and is the specification's will:
 * - `NOT` and `-` bind tighter than anything else (3.6): `NOT a = b` is `(NOT a) = b`. AND, OR and XOR bind equally
 *   and group to the left: `a OR b AND c` is `(a OR b) AND c`. Write parentheses.
 * - `=` casts its left operand to the type of its right one (3.7): `sequence = 10` compares integers, and
 *   `true = 'TRUE'` is false, because the text of true is `true`.
 * - An evaluation never throws. It answers a value and the errors on the way (3.3); what matches has none.
 * - A literal ends at the first delimiter that no backslash precedes (2.2), so no literal can end in a backslash.
 *
 * What the specification leaves open, and is decided here:
 * - Integer results beyond 32 bits are a MathError and 0.
 * - An operand with an error, or one that cannot be cast, makes the operator answer the zero value of its type.
 * - Attribute names are found whatever their case, as the conformance suite has it.
 * - A character is a Unicode code point, for LENGTH and its kin as for `_` of LIKE.
 *
 * Bounded: EXPRESSION_LENGTH_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_NODES_MAX, TEXT_LENGTH_MAX. LIKE takes time
 * proportional to the text, whatever the pattern. Functions of one's own are not offered.
 */

import { type CesqlFault, faultOf, type Noted } from './error.ts'
import { evaluatorOf } from './evaluator.ts'
import { overloadOf } from './functions.ts'
import { parse } from './parser.ts'
import { type CesqlNode, type CesqlValue, printed } from './syntax.ts'

export { CesqlError, type CesqlFault } from './error.ts'
export type { CesqlNode, CesqlValue } from './syntax.ts'

/** Attributes by name. Only own members are seen; a text, a boolean or an integer each. */
export type CesqlEvent = Readonly<Record<string, CesqlValue | undefined>>

export interface Expression {
  /** As it was written. */
  readonly text: string
  readonly tree: CesqlNode
  /** Canonical text: it means the same, and compiles to the same tree where its spaces leave it within the bound. */
  readonly canonical: string
  /** Names of the attributes that it reads, in lower case, each once. */
  readonly attributes: readonly string[]
  /** Errors that every evaluation would meet: calls of functions that do not exist. */
  readonly faults: readonly CesqlFault[]
  /** Complete evaluation (section 4.1): the value, and every error on the way. Never throws. */
  evaluate(event: CesqlEvent): { readonly value: CesqlValue; readonly errors: readonly CesqlFault[] }
  /** As a filter (section 1.2): true only for the boolean true without any error. */
  matches(event: CesqlEvent): boolean
}

/** @throws CesqlError `parse` (syntax, bounds) */
export function compile(text: string): Expression {
  const tree = parse(text)
  const evaluator = evaluatorOf(tree)
  const nodes = [...nodesOf(tree)]
  const evaluate = (event: CesqlEvent) => {
    const faults: Noted[] = []
    return { value: evaluator({ event, faults }), faults }
  }
  return {
    text,
    tree,
    canonical: printed(tree),
    attributes: attributesOf(nodes),
    faults: missingFunctions(nodes).map((fault) => faultOf(text, fault)),
    evaluate(event) {
      const { value, faults } = evaluate(event)
      return { value, errors: faults.map((fault) => faultOf(text, fault)) }
    },
    matches(event) {
      const { value, faults } = evaluate(event)
      return value === true && faults.length === 0
    },
  }
}

function* nodesOf(root: CesqlNode): Generator<CesqlNode> {
  const open = [root]
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    yield node
    if (node.kind === 'call') open.push(...node.args)
    if (node.kind === 'binary') open.push(node.left, node.right)
    if (node.kind === 'in') open.push(...node.set)
    if (node.kind === 'in' || node.kind === 'like' || node.kind === 'unary') open.push(node.operand)
  }
}

const attributesOf = (nodes: readonly CesqlNode[]): readonly string[] => [
  ...new Set(
    nodes.flatMap((node) => (node.kind === 'attribute' || node.kind === 'exists' ? [node.name] : [])),
  ),
]

const missingFunctions = (nodes: readonly CesqlNode[]): readonly Noted[] =>
  nodes.flatMap((node) =>
    node.kind === 'call' && overloadOf(node.name, node.args.length) === undefined
      ? [
          {
            kind: 'missingFunction',
            message: `there is no ${node.name} of ${node.args.length} arguments`,
            offset: node.offset,
          },
        ]
      : [],
  )
