// Cognitive complexity of functions in languages with braces: one walk over the tokens with a stack of scopes.

import type { FunctionComplexity } from './function-complexity.ts'
import {
  branchesOf,
  CONTINUES,
  FUNCTION_WORD,
  hasBareHeaders,
  OPEN_WORDS,
  STATEMENT_WORDS,
  TYPE_WORDS,
} from './grammar.ts'
import type { Grammar } from './languages.ts'
import type { Token } from './lexer.ts'
import { type Draft, Scopes } from './scopes.ts'
import { type FunctionStart, Signatures } from './signatures.ts'

/** A construct whose body has not begun yet. */
interface Pending {
  readonly control: string
  /** How many scopes were open. */
  readonly level: number
  /** Its header in parentheses is still to come. */
  readonly hasHeader: boolean
}

const MAX_LOOKAHEAD = 400
/** Code nested deeper than this was not written by people, and is not measured. */
const MAX_SCOPES = 500

/** Null when the text is nested too deeply to be code. */
export function braceFunctions(grammar: Grammar, tokens: readonly Token[]): FunctionComplexity[] | null {
  return new Walk(grammar, tokens).run()
}

class Walk {
  private readonly grammar: Grammar
  private readonly branches: ReadonlySet<string>
  private readonly scopes: Scopes
  private readonly signatures: Signatures
  private readonly drafts: Draft[] = []
  private pending: Pending | null = null

  constructor(grammar: Grammar, tokens: readonly Token[]) {
    this.grammar = grammar
    this.branches = branchesOf(grammar)
    this.scopes = new Scopes(tokens)
    this.signatures = new Signatures(grammar, this.scopes)
  }

  run(): FunctionComplexity[] | null {
    const { scopes } = this
    for (let token = scopes.token(0); token; token = scopes.token(0)) {
      if (scopes.level > MAX_SCOPES) return null
      if (this.endsByNewline(token)) this.endStatement()
      this.startSingleStatement(token)
      if (token.isWord) this.word(token)
      else this.sign(token.text)
      scopes.at += 1
    }
    return this.drafts.map(({ name, line, score, callsItself }) => ({
      name,
      line,
      score: score + (callsItself ? 1 : 0),
    }))
  }

  /** Semicolons that JavaScript and Go put in by themselves. */
  private endsByNewline(token: Token): boolean {
    if (this.grammar !== 'script' && this.grammar !== 'go') return false
    const previous = this.scopes.token(-1)
    if (!previous || previous.line === token.line || this.pending?.level === this.scopes.level) return false
    const canEnd = previous.isWord ? !OPEN_WORDS.has(previous.text) : /^[)\]}"0]$/.test(previous.text)
    return canEnd && (this.grammar === 'go' || !CONTINUES.test(token.text))
  }

  /** After `if (...)` or `else` without a brace: the statement up to its `;` is the body. */
  private startSingleStatement({ text }: Token): void {
    const { pending } = this
    if (pending?.level !== this.scopes.level || text === '{' || text === '(') return
    if (pending.hasHeader || hasBareHeaders(this.grammar)) return
    this.pending = null
    if (text !== ':' && text !== ';') this.scopes.push('statement', 1, pending.control)
  }

  private word(token: Token): void {
    const { scopes, signatures } = this
    const { text } = token
    const before = scopes.text(-1)
    if (this.isMember(before)) this.callOfMember(token, before)
    else if (this.isLabel(before)) return
    else if (text === 'else') this.elseBranch()
    else if (this.branches.has(text)) this.branch(text)
    else if (this.jumps(token)) scopes.count(1)
    else if (text === FUNCTION_WORD[this.grammar]) signatures.announce(token)
    else if (TYPE_WORDS.has(text) && scopes.token(1)?.isWord) signatures.typeBegins()
    else this.plainWord(token)
    if (STATEMENT_WORDS.has(text) && !this.isMember(before)) signatures.statementBegins()
  }

  private isMember(before: string): boolean {
    return before === '.' || before === '?.' || (before === '->' && this.grammar !== 'java')
  }

  /** A label or the key of an object, also where it is spelled like a keyword. */
  private isLabel(before: string): boolean {
    return this.scopes.text(1) === ':' && before !== '?' && this.grammar !== 'php'
  }

  private plainWord(token: Token): void {
    const { text } = token
    const hasWords = this.grammar === 'php' || this.grammar === 'cpp'
    if (text === 'const' || text === 'let' || text === 'var') this.signatures.declaration()
    else if (hasWords && (text === 'and' || text === 'or')) this.booleanOperator(text === 'and' ? '&&' : '||')
    else this.callOfItself(token)
  }

  private callOfMember(token: Token, before: string): void {
    const owner = this.scopes.text(-2)
    if (before !== '?.' && (owner === 'this' || owner === 'self' || owner === '$this'))
      this.callOfItself(token)
  }

  private callOfItself({ text }: Token): void {
    const { fn } = this.scopes
    if (fn?.name === text && this.scopes.text(1) === '(') fn.callsItself = true
  }

  /** `goto`, and `break` or `continue` to a label. */
  private jumps({ text, line }: Token): boolean {
    if (text === 'goto') return true
    const next = this.scopes.token(1)
    if ((text !== 'break' && text !== 'continue') || !next?.isWord || this.grammar === 'php') return false
    return this.grammar === 'rust' ? this.scopes.text(2) === ';' : next.line === line
  }

  /** `else if` and `elseif` count 1 without nesting, as a branch of the same question. */
  private elseBranch(): void {
    this.scopes.count(1)
    if (this.scopes.text(1) === 'if') {
      this.scopes.at += 1
      this.expectBody('if')
    } else {
      this.pending = { control: 'else', level: this.scopes.level, hasHeader: false }
    }
  }

  private branch(text: string): void {
    const { scopes } = this
    if (text === 'while' && scopes.text(-1) === '}' && scopes.lastClosed?.control === 'do') return
    if (text === 'for' && this.isRustType()) return
    // C#'s `x switch { ... }` has its header before the word.
    const isHeaderless = text === 'do' || text === 'loop' || (text === 'switch' && scopes.text(1) === '{')
    if (!isHeaderless && !hasBareHeaders(this.grammar) && !this.hasHeader(text)) return
    scopes.count(text === 'elseif' ? 1 : 1 + scopes.depth)
    if (isHeaderless) this.pending = { control: text, level: scopes.level, hasHeader: false }
    else this.expectBody(text)
  }

  /** `impl A for B` and `for<'a>`. */
  private isRustType(): boolean {
    return this.grammar === 'rust' && (this.signatures.isInTypeHeader || this.scopes.text(1) === '<')
  }

  private hasHeader(text: string): boolean {
    const next = this.scopes.text(1)
    if (next === '(') return true
    return (text === 'for' && next === 'await') || (text === 'catch' && next === '{') || next === 'constexpr'
  }

  private expectBody(control: string): void {
    const isBare = hasBareHeaders(this.grammar) || (control === 'catch' && this.scopes.text(1) === '{')
    this.pending = { control, level: this.scopes.level, hasHeader: !isBare }
  }

  private sign(text: string): void {
    const { scopes, signatures } = this
    if (text === '(' || text === '[') scopes.push(text)
    else if (text === '{') this.openBrace()
    else if (text === ')' || text === ']' || text === '}') this.close(text)
    else if (text === ';') this.endStatement()
    else if (text === '&&' || text === '||') {
      if (this.isBinary(text)) this.booleanOperator(text)
    } else if (text === '?') this.choice()
    else if (text === ',' || text === ':' || text === '=') {
      scopes.resetBoolean()
      if (text === ',') scopes.endChoices()
      else if (text === ':') signatures.colon()
      else signatures.assignment()
    }
  }

  private openBrace(): void {
    const { pending } = this
    if (pending?.level === this.scopes.level) {
      this.pending = null
      this.scopes.push('{', 1, pending.control)
      return
    }
    const start = this.signatures.bodyBegins()
    if (start) this.openFunction(start)
    else this.scopes.push('{')
  }

  /** Anonymous functions belong to the named one around them, one level deeper. */
  private openFunction({ name, line }: FunctionStart): void {
    const isNamed = name !== ''
    if (!isNamed && this.scopes.fn?.isNamed) {
      this.scopes.push('{', 1)
      return
    }
    const draft = { name: isNamed ? name : '(anonymous)', line, isNamed, score: 0, callsItself: false }
    this.drafts.push(draft)
    this.scopes.pushFunction(draft)
  }

  private close(text: ')' | ']' | '}'): void {
    const { scopes } = this
    scopes.close(text === ')' ? '(' : text === ']' ? '[' : '{')
    if (text === '}') scopes.endStatements()
    this.signatures.bracketClosed()
    if (this.pending && this.pending.level > scopes.level) this.pending = null
    if (text !== ')') return
    if (this.pending?.hasHeader && this.pending.level === scopes.level) {
      this.pending = { ...this.pending, hasHeader: false }
    } else {
      this.signatures.parametersClosed()
    }
  }

  private endStatement(): void {
    this.scopes.endStatements()
    this.scopes.resetBoolean()
    this.signatures.statementEnds()
    if (this.pending?.level === this.scopes.level) this.pending = null
  }

  private booleanOperator(operator: string): void {
    const { top } = this.scopes
    if (!top || top.lastBoolean === operator) return
    top.lastBoolean = operator
    this.scopes.count(1)
  }

  /** `&&` is also a reference in C++ and Rust, and `||` an empty closure in Rust. */
  private isBinary(operator: string): boolean {
    const before = this.scopes.token(-1)
    const follows = before !== undefined && (before.isWord || /^[)\]}"0]$/.test(before.text))
    if (this.grammar === 'rust') return follows && !/^(return|in|move)$/.test(before.text)
    if (this.grammar !== 'cpp' || operator !== '&&') return true
    return follows && before.text !== 'auto' && !/^[),>=]$/.test(this.scopes.text(1))
  }

  /** The conditional operator: a `?` that has its `:` before the expression ends. */
  private choice(): void {
    if (hasBareHeaders(this.grammar)) return
    if (/^[.:?)\],>;=&|[]$/.test(this.scopes.text(1)) || !this.hasColon()) return
    this.scopes.count(1 + this.scopes.depth)
    this.scopes.push('choice', 1)
  }

  private hasColon(): boolean {
    let level = 0
    for (let offset = 1; offset < MAX_LOOKAHEAD; offset += 1) {
      const text = this.scopes.text(offset)
      if (text === '(' || text === '[' || text === '{') level += 1
      else if (text === ')' || text === ']' || text === '}') level -= 1
      else if (level === 0 && /^[:;,=]$/.test(text)) return text === ':'
      if (level < 0 || text === '') return false
    }
    return false
  }
}
