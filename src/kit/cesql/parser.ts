// Parses CESQL by the grammar of section 2 and the precedence of section 3.6.

import { CesqlError } from './error.ts'
import { type BinaryOperator, type CesqlNode, INTEGER_MAX, INTEGER_MIN, PRECEDENCE } from './syntax.ts'
import { type Token, tokensOf } from './tokens.ts'

/** UTF-16 units of an expression. */
const EXPRESSION_LENGTH_MAX = 4096
/** Parentheses, arguments and unary operators inside each other. */
const EXPRESSION_DEPTH_MAX = 64
/** Operators, literals, attributes and calls together. */
const EXPRESSION_NODES_MAX = 1024

const RESERVED = new Set(['AND', 'OR', 'XOR', 'NOT', 'LIKE', 'IN', 'EXISTS', 'TRUE', 'FALSE'])
const ATTRIBUTE = /^[A-Za-z0-9]+$/
const FUNCTION = /^[A-Za-z][A-Za-z_]*$/

/** Throws CesqlError `parse`. */
export function parse(text: string): CesqlNode {
  if (text.length > EXPRESSION_LENGTH_MAX)
    throw new CesqlError(text, 0, 'parse', `an expression may have ${EXPRESSION_LENGTH_MAX} characters`)
  const parser = new Parser(text)
  const node = parser.expression()
  parser.requireEnd()
  return node
}

class Parser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0
  #nodes = 0

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokensOf(text)
  }

  expression(tighterThan = 0): CesqlNode {
    let left = this.#postfix()
    for (;;) {
      const { text, offset } = this.#token
      const operator = text.toUpperCase()
      const precedence = this.#token.kind === 'string' ? undefined : PRECEDENCE.get(operator)
      if (precedence === undefined || precedence <= tighterThan) return left
      this.#at += 1
      const right = this.expression(precedence)
      left = this.#node({ kind: 'binary', operator: operator as BinaryOperator, left, right, offset })
    }
  }

  requireEnd(): void {
    if (this.#token.kind !== 'end') this.#refuse('an operator or the end was expected')
  }

  /** LIKE and IN bind tighter than binary operators, and looser than NOT and minus. */
  #postfix(): CesqlNode {
    let operand = this.#unary()
    for (;;) {
      const { offset } = this.#token
      const isNegated = this.#isWord('NOT') && (this.#isWord('LIKE', 1) || this.#isWord('IN', 1))
      if (isNegated) this.#at += 1
      if (this.#takeWord('LIKE'))
        operand = this.#node({ kind: 'like', operand, pattern: this.#pattern(), isNegated, offset })
      else if (this.#takeWord('IN'))
        operand = this.#node({ kind: 'in', operand, set: this.#set(), isNegated, offset })
      else return operand
    }
  }

  #unary(): CesqlNode {
    const { offset } = this.#token
    const literal = this.#signedInteger()
    if (literal) return literal
    if (this.#takeWord('NOT'))
      return this.#node({
        kind: 'unary',
        operator: 'NOT',
        operand: this.#deeper(() => this.#unary()),
        offset,
      })
    if (this.#takeSymbol('-'))
      return this.#node({ kind: 'unary', operator: '-', operand: this.#deeper(() => this.#unary()), offset })
    return this.#primary()
  }

  /** A sign belongs to the number that it touches (section 2.2), so that -2147483648 is one literal. */
  #signedInteger(): CesqlNode | undefined {
    const [sign, number] = [this.#token, this.#ahead(1)]
    const isSign = sign.kind === 'symbol' && (sign.text === '-' || sign.text === '+')
    if (!isSign || number.kind !== 'integer' || number.offset !== sign.offset + 1) return undefined
    this.#at += 2
    return this.#integer(sign.text + number.text, sign.offset)
  }

  #primary(): CesqlNode {
    const { kind, text, offset } = this.#token
    if (kind === 'integer') {
      this.#at += 1
      return this.#integer(text, offset)
    }
    if (kind === 'string') {
      this.#at += 1
      return this.#node({ kind: 'literal', value: text, offset })
    }
    if (this.#takeSymbol('(')) {
      const node = this.#deeper(() => this.expression())
      this.#requireSymbol(')')
      return node
    }
    if (kind === 'word') return this.#word()
    return this.#refuse('a value was expected')
  }

  #word(): CesqlNode {
    const { text, offset } = this.#token
    if (this.#takeWord('TRUE')) return this.#node({ kind: 'literal', value: true, offset })
    if (this.#takeWord('FALSE')) return this.#node({ kind: 'literal', value: false, offset })
    if (this.#takeWord('EXISTS')) return this.#node({ kind: 'exists', name: this.#attribute(), offset })
    const next = this.#ahead(1)
    if (next.kind !== 'symbol' || next.text !== '(' || RESERVED.has(text.toUpperCase()))
      return this.#node({ kind: 'attribute', name: this.#attribute(), offset })
    if (!FUNCTION.test(text)) this.#refuse('the name of a function has letters and _ only')
    this.#at += 2
    return this.#node({ kind: 'call', name: text.toUpperCase(), args: this.#list(), offset })
  }

  /** Attribute names are lower case; the conformance suite also accepts others and means the same. */
  #attribute(): string {
    const { kind, text } = this.#token
    if (kind !== 'word' && kind !== 'integer') this.#refuse('the name of an attribute was expected')
    if (RESERVED.has(text.toUpperCase())) this.#refuse('a keyword cannot stand here')
    if (!ATTRIBUTE.test(text)) this.#refuse('the name of an attribute has letters and digits only')
    this.#at += 1
    return text.toLowerCase()
  }

  #pattern(): string {
    const { kind, text } = this.#token
    if (kind !== 'string') this.#refuse('LIKE needs a text in quotes')
    this.#at += 1
    return text
  }

  #set(): readonly CesqlNode[] {
    this.#requireSymbol('(')
    if (this.#isSymbol(')')) this.#refuse('IN needs at least one value')
    return this.#list()
  }

  /** Expressions up to the closing parenthesis, which is taken. */
  #list(): readonly CesqlNode[] {
    const items: CesqlNode[] = []
    if (this.#takeSymbol(')')) return items
    do items.push(this.#deeper(() => this.expression()))
    while (this.#takeSymbol(','))
    this.#requireSymbol(')')
    return items
  }

  #integer(text: string, offset: number): CesqlNode {
    const value = Number(text)
    if (value < INTEGER_MIN || value > INTEGER_MAX)
      throw new CesqlError(this.#text, offset, 'parse', 'an integer has at most 32 bits with its sign')
    // Minus zero is zero.
    return this.#node({ kind: 'literal', value: value | 0, offset })
  }

  #node(node: CesqlNode): CesqlNode {
    this.#nodes += 1
    if (this.#nodes > EXPRESSION_NODES_MAX)
      throw new CesqlError(
        this.#text,
        node.offset,
        'parse',
        `an expression may have ${EXPRESSION_NODES_MAX} parts`,
      )
    return node
  }

  #deeper<T>(body: () => T): T {
    if (this.#depth >= EXPRESSION_DEPTH_MAX)
      this.#refuse(`an expression may be ${EXPRESSION_DEPTH_MAX} levels deep`)
    this.#depth += 1
    const result = body()
    this.#depth -= 1
    return result
  }

  get #token(): Token {
    return this.#ahead(0)
  }

  #ahead(count: number): Token {
    return (this.#tokens[this.#at + count] ?? this.#tokens.at(-1)) as Token
  }

  #isWord(word: string, ahead = 0): boolean {
    const { kind, text } = this.#ahead(ahead)
    return kind === 'word' && text.toUpperCase() === word
  }

  #takeWord(word: string): boolean {
    const isIt = this.#isWord(word)
    if (isIt) this.#at += 1
    return isIt
  }

  #isSymbol(symbol: string): boolean {
    return this.#token.kind === 'symbol' && this.#token.text === symbol
  }

  #takeSymbol(symbol: string): boolean {
    const isIt = this.#isSymbol(symbol)
    if (isIt) this.#at += 1
    return isIt
  }

  #requireSymbol(symbol: string): void {
    if (!this.#takeSymbol(symbol)) this.#refuse(`${symbol} was expected`)
  }

  #refuse(sentence: string): never {
    const { kind, text, offset } = this.#token
    const found = kind === 'end' ? 'the expression ends' : `there is ${JSON.stringify(text.slice(0, 64))}`
    throw new CesqlError(this.#text, offset, 'parse', `${sentence}, but ${found}`)
  }
}
