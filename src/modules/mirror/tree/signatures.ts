// Tells which opening brace begins the body of a function, and what that function is called.

import { ARROW, FUNCTION_WORD, NOT_NAMES } from './grammar.ts'
import type { Grammar } from './languages.ts'
import type { Token } from './lexer.ts'
import type { Scope, Scopes } from './scopes.ts'

/** A name and where it stands; `level` is how many scopes were open there. */
interface Named {
  readonly name: string
  readonly line: number
  readonly level: number
}

export type FunctionStart = Pick<Named, 'name' | 'line'>

const MAX_LOOKAHEAD = 400

export class Signatures {
  private readonly grammar: Grammar
  private readonly scopes: Scopes
  /** A function whose body is expected at this level. */
  private announced: (Named & { sawColon: boolean }) | null = null
  /** The variable that a `const`, `let` or `var` declares, and the name that an arrow function is assigned to. */
  private declared: Named | null = null
  private assigned: Named | null = null
  /** Level at which a class or another type waits for its brace. */
  private typeLevel = -1

  constructor(grammar: Grammar, scopes: Scopes) {
    this.grammar = grammar
    this.scopes = scopes
  }

  get isInTypeHeader(): boolean {
    return this.typeLevel === this.scopes.level
  }

  typeBegins(): void {
    this.typeLevel = this.scopes.level
  }

  statementBegins(): void {
    if (this.isAnnouncedHere()) this.announced = null
  }

  statementEnds(): void {
    this.statementBegins()
    this.typeLevel = -1
    this.declared = null
    this.assigned = null
  }

  bracketClosed(): void {
    if (this.announced && this.announced.level > this.scopes.level) this.announced = null
  }

  colon(): void {
    if (this.announced && this.isAnnouncedHere()) this.announced.sawColon = true
  }

  /** At the word that begins a function. */
  announce(token: Token): void {
    // Inside a signature the word names a type: Go's `func f(g func(int) error) func() {`.
    const isType = this.announced !== null && (this.grammar === 'go' || this.grammar === 'rust')
    if (isType && (this.announced?.level ?? 0) <= this.scopes.level) return
    const next = this.scopes.token(1)
    const afterMark = next?.text === '*' || next?.text === '&' ? this.scopes.token(2) : next
    const receiver = this.grammar === 'go' && next?.text === '(' ? this.nameAfterReceiver() : undefined
    const name = receiver ?? (afterMark?.isWord ? afterMark.text : '')
    this.announced = { name, line: token.line, level: this.scopes.level, sawColon: false }
  }

  declaration(): void {
    const name = this.scopes.token(1)
    this.declared = name?.isWord ? { name: name.text, line: name.line, level: this.scopes.level } : null
  }

  /** At `=`: remembers the name when an arrow function follows. */
  assignment(): void {
    const { scopes } = this
    const next = scopes.text(1)
    const isArrow = next === '(' || next === '<' || next === 'async' || scopes.text(2) === '=>'
    const before = scopes.token(-1)
    const plain = before?.isWord ? { name: before.text, line: before.line, level: scopes.level } : null
    this.assigned = isArrow ? (this.declared?.level === scopes.level ? this.declared : plain) : null
    if (this.grammar !== 'rust' && this.grammar !== 'script') this.statementBegins()
  }

  /** After `name(...)`: a signature when something other than the body follows it. */
  parametersClosed(): void {
    const header = this.scopes.lastClosed
    const hasWord = FUNCTION_WORD[this.grammar] !== undefined && this.grammar !== 'script'
    if (this.announced || !header || hasWord || this.scopes.top?.kind === 'choice') return
    const next = this.scopes.text(1)
    const goesOn = this.grammar === 'script' ? next === ':' : /^(\w+|:|->)$/.test(next)
    const start = goesOn ? this.namedBefore(header) : null
    if (start) this.announced = { ...start, level: this.scopes.level, sawColon: false }
  }

  /** At `{`: the function whose body it opens; null when it opens anything else. */
  bodyBegins(): FunctionStart | null {
    const start = this.start()
    if (start) this.announced = null
    else if (this.isInTypeHeader) this.typeLevel = -1
    return start
  }

  private start(): FunctionStart | null {
    const { scopes, announced } = this
    const before = scopes.text(-1)
    const line = scopes.token(0)?.line ?? 0
    if (announced && this.isAnnouncedHere()) return this.isBody(announced.sawColon, before) ? announced : null
    if (before === ARROW[this.grammar])
      return this.assigned?.level === scopes.level ? this.assigned : { name: '', line }
    if (before === '|' && this.grammar === 'rust') return { name: '', line }
    if (this.grammar === 'csharp' && /^(get|set|init|add|remove)$/.test(before)) return { name: before, line }
    return before === ')' && scopes.lastClosed?.kind === '(' ? this.namedBefore(scopes.lastClosed) : null
  }

  /** A brace in a signature may also open a type: TypeScript's `): { a: b } {`, Go's `interface{}`, C++'s `: x{1} {`. */
  private isBody(sawColon: boolean, before: string): boolean {
    if (this.grammar === 'go') return before !== 'interface' && before !== 'struct'
    if (this.grammar === 'script')
      return before !== '=' && !(sawColon && /^(:|\||&|<|=>|is|keyof|,)$/.test(before))
    if (this.grammar === 'cpp' && sawColon) return before === ')' || before === '}'
    return true
  }

  /** `name(...) {`: a method or function, unless the name is a keyword, a constructor call or a type. */
  private namedBefore(header: Scope): FunctionStart | null {
    const { tokens } = this.scopes
    const name = tokens[header.before]
    if (name?.text === ']' && this.grammar === 'cpp') return { name: '', line: name.line }
    if (!name?.isWord || NOT_NAMES.has(name.text)) return null
    if (this.isInTypeHeader && this.grammar !== 'c' && this.grammar !== 'cpp') return null
    for (let at = header.before - 1; at > header.before - 8; at -= 1) {
      const token = tokens[at]
      if (token?.text === 'new') return null
      if (token?.text !== '.' && token?.text !== '::' && !token?.isWord) break
    }
    return { name: name.text, line: name.line }
  }

  /** Go's `func (s *Server) name(`. */
  private nameAfterReceiver(): string | undefined {
    let open = 0
    for (let offset = 1; offset < MAX_LOOKAHEAD; offset += 1) {
      if (this.scopes.text(offset) === '(') open += 1
      if (this.scopes.text(offset) === ')') open -= 1
      if (open > 0) continue
      const name = this.scopes.token(offset + 1)
      return name?.isWord && this.scopes.text(offset + 2) === '(' ? name.text : undefined
    }
    return undefined
  }

  private isAnnouncedHere(): boolean {
    return this.announced?.level === this.scopes.level
  }
}
