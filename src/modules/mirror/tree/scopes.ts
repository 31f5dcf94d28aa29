// The brackets and single statements that are open at a token, as a walk over the tokens sees them.

import type { Token } from './lexer.ts'

/** A function that was found, and what has been counted for it so far. */
export interface Draft {
  readonly name: string
  readonly line: number
  readonly isNamed: boolean
  score: number
  callsItself: boolean
}

export interface Scope {
  /** A bracket; a statement that is a body without braces; the branches of `a ? b : c`. */
  readonly kind: '(' | '[' | '{' | 'statement' | 'choice'
  /** Levels of nesting that end with this scope. */
  readonly depth: number
  /** Set where a function begins: what is counted inside is counted for it. */
  readonly fn: Draft | null
  /** Place of the token before the opening one. */
  readonly before: number
  /** `if`, `do`, ... whose body this is. */
  readonly control: string | null
  /** The boolean operator seen last, so that a run of one counts once. */
  lastBoolean: string
}

export class Scopes {
  readonly tokens: readonly Token[]
  /** Place of the walk. */
  at = 0
  /** Nesting inside the innermost function. */
  depth = 0
  /** The bracket that closed last. */
  lastClosed: Scope | null = null
  private readonly open: Scope[] = []
  private readonly fns: Draft[] = []

  constructor(tokens: readonly Token[]) {
    this.tokens = tokens
  }

  get level(): number {
    return this.open.length
  }

  get top(): Scope | undefined {
    return this.open.at(-1)
  }

  get fn(): Draft | undefined {
    return this.fns.at(-1)
  }

  /** Text of the token so many places away; '' beyond either end. */
  text(offset: number): string {
    return this.tokens[this.at + offset]?.text ?? ''
  }

  token(offset: number): Token | undefined {
    return this.tokens[this.at + offset]
  }

  push(kind: Scope['kind'], depth = 0, control: string | null = null): void {
    this.open.push({ kind, depth, fn: null, control, before: this.at - 1, lastBoolean: '' })
    this.depth += depth
  }

  /** Nesting starts anew inside a function; its scope gives back what it took. */
  pushFunction(fn: Draft): void {
    this.open.push({ kind: '{', depth: -this.depth, fn, control: null, before: this.at - 1, lastBoolean: '' })
    this.fns.push(fn)
    this.depth = 0
  }

  /** Closes the innermost bracket of this kind with all that is open inside; a stray one closes nothing. */
  close(kind: '(' | '[' | '{'): void {
    const match = this.open.findLastIndex((scope) => scope.kind === kind)
    while (match >= 0 && this.open.length > match) this.pop()
  }

  /** A `;`, or what stands for it, ends the bodies without braces that it closes. */
  endStatements(): void {
    while (this.top?.kind === 'statement' || this.top?.kind === 'choice') this.pop()
  }

  endChoices(): void {
    while (this.top?.kind === 'choice') this.pop()
  }

  resetBoolean(): void {
    if (this.top) this.top.lastBoolean = ''
  }

  count(points: number): void {
    if (this.fn) this.fn.score += points
  }

  private pop(): void {
    const scope = this.open.pop()
    if (!scope) return
    this.depth -= scope.depth
    if (scope.fn) this.fns.pop()
    if (scope.kind !== 'statement' && scope.kind !== 'choice') this.lastClosed = scope
  }
}
