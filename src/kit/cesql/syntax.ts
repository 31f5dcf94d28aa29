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

/** Canonical text of a tree; parsing it gives the same tree, places aside. */
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
      return node.operator === '-' ? `-${operand(node.operand)}` : `NOT ${operand(node.operand)}`
    case 'binary':
      return `${operand(node.left)} ${node.operator} ${operand(node.right)}`
    case 'like':
      return `${operand(node.operand)} ${not}LIKE ${literal(node.pattern)}`
    case 'in':
      return `${operand(node.operand)} ${not}IN (${node.set.map(printed).join(', ')})`
  }
}

// A number is kept apart from a minus before it, because `-5` is one literal and `-(5)` an operation.
const operand = (node: CesqlNode) =>
  node.kind === 'attribute' ||
  node.kind === 'call' ||
  (node.kind === 'literal' && typeof node.value !== 'number')
    ? printed(node)
    : `(${printed(node)})`

/** Only the delimiter is escaped (section 2.2), so no literal ends in a backslash. */
const literal = (value: CesqlValue) =>
  typeof value === 'string' ? `'${value.replaceAll("'", "\\'")}'` : String(value).toUpperCase()
