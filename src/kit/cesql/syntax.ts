// The syntax tree of CESQL (section 2), and its one canonical spelling.

/** Values of the three primitive types (section 3.1). Integers are 32 bit, signed. */
export type CesqlValue = string | number | boolean

export const INTEGER_MIN = -2_147_483_648
export const INTEGER_MAX = 2_147_483_647

export type BinaryOperator =
  | 'OR'
  | 'AND'
  | 'XOR'
  | '='
  | '!='
  | '<>'
  | '<'
  | '<='
  | '>'
  | '>='
  | '+'
  | '-'
  | '*'
  | '/'
  | '%'

/** `offset`: where it begins in the text; of a binary operation, where its operator stands. */
export type CesqlNode = { readonly offset: number } & (
  | { readonly kind: 'literal'; readonly value: CesqlValue }
  | { readonly kind: 'attribute'; readonly name: string }
  | { readonly kind: 'exists'; readonly name: string }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly CesqlNode[] }
  | { readonly kind: 'unary'; readonly operator: 'NOT' | '-'; readonly operand: CesqlNode }
  | {
      readonly kind: 'binary'
      readonly operator: BinaryOperator
      readonly left: CesqlNode
      readonly right: CesqlNode
    }
  | {
      readonly kind: 'like'
      readonly operand: CesqlNode
      readonly pattern: string
      readonly isNegated: boolean
    }
  | {
      readonly kind: 'in'
      readonly operand: CesqlNode
      readonly set: readonly CesqlNode[]
      readonly isNegated: boolean
    }
)

/** Binary operators from loose to tight (section 3.6); equal ones group to the left. */
export const PRECEDENCE: ReadonlyMap<string, number> = new Map(
  [
    ['AND', 'OR', 'XOR'],
    ['=', '!=', '<>', '>=', '<=', '>', '<'],
    ['+', '-'],
    ['*', '/', '%'],
  ].flatMap((operators, i) => operators.map((operator) => [operator, i + 1] as const)),
)
/** LIKE and IN, signs and NOT, and what needs no parentheses anywhere. */
const [POSTFIX, UNARY, PRIMARY] = [5, 6, 7]

/**
 * Canonical text of a tree; parsing it gives the same tree, places aside. Parentheses stand only where they are needed,
 * so that it is no deeper than what was written.
 */
export function printed(node: CesqlNode): string {
  const not = 'isNegated' in node && node.isNegated ? 'NOT ' : ''
  switch (node.kind) {
    case 'literal':
      return literal(node.value)
    case 'attribute':
      return node.name
    case 'exists':
      return `EXISTS ${node.name}`
    case 'call':
      return `${node.name}(${node.args.map(printed).join(', ')})`
    case 'unary':
      return `${node.operator}${gapAfter(node)}${operand(node.operand, UNARY)}`
    case 'binary': {
      const tightness = tightnessOf(node)
      return `${operand(node.left, tightness)} ${node.operator} ${operand(node.right, tightness + 1)}`
    }
    case 'like':
      return `${operand(node.operand, POSTFIX)} ${not}LIKE ${literal(node.pattern)}`
    case 'in':
      return `${operand(node.operand, POSTFIX)} ${not}IN (${node.set.map(printed).join(', ')})`
  }
}

function tightnessOf(node: CesqlNode): number {
  switch (node.kind) {
    case 'binary':
      return PRECEDENCE.get(node.operator) ?? 0
    case 'like':
    case 'in':
      return POSTFIX
    case 'unary':
      return UNARY
    default:
      return PRIMARY
  }
}

/** A sign that touches a number belongs to it (section 2.2): `-5` is one literal, and `- 5` an operation. */
const gapAfter = ({ operator, operand: { kind } }: CesqlNode & { readonly kind: 'unary' }) =>
  operator === 'NOT' || kind === 'literal' ? ' ' : ''

const operand = (node: CesqlNode, tightness: number) =>
  tightnessOf(node) < tightness ? `(${printed(node)})` : printed(node)

/** Only the delimiter is escaped (section 2.2), so no literal ends in a backslash. */
const literal = (value: CesqlValue) =>
  typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : String(value).toUpperCase()
