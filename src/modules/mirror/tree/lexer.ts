// Splits source text into words, texts and signs, and each line into code, comment or blank, for many languages.

import { CODE, COMMENT, Cursor, type LineCounts, NEWLINE } from './cursor.ts'
import type { Syntax } from './languages.ts'

/** `text` is the word or sign itself, `"` for any text, `0` for any number. Lines count from 1, columns from 0. */
export interface Token {
  readonly text: string
  readonly isWord: boolean
  readonly line: number
  /** Indentation of the first token of a line, a tab reaching to the next multiple of 8; else 0. */
  readonly column: number
}

export interface Lexed {
  readonly tokens: readonly Token[]
  readonly counts: LineCounts
}

const BACKSLASH = 92
/** Signs of more than one character that the grammars tell apart; the longest first. */
const LONG_SIGNS = [
  '...',
  '&&=',
  '||=',
  '??=',
  '=>',
  '->',
  '&&',
  '||',
  '??',
  '?.',
  '::',
  '==',
  '!=',
  '<=',
  '>=',
  '+=',
  '-=',
]
/** `'a'`, `'\\n'`, `'\\u{1F600}'`, or up to four bytes of UTF-8. */
const CHARACTER = /^'(\\[^\n]{1,11}?|[^'\\\n]|[\x80-\xff]{2,4})'/
/** A regular expression is not looked for beyond this many characters. */
const MAX_REGEX_CHARS = 2_000
const BEFORE_REGEX = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'delete',
  'void',
  'throw',
  'new',
  'else',
  'do',
  'await',
  'yield',
])

/**
 * Reads a whole file. Never fails: an unclosed text ends with its line, an unclosed comment with the file.
 * @param source bytes as latin1, so that every byte is one character
 * @param wantsTokens false when only the lines are counted
 */
export function lex(source: string, syntax: Syntax, wantsTokens: boolean): Lexed {
  return new Lexer(source, syntax, wantsTokens).run()
}

class Lexer extends Cursor {
  private readonly syntax: Syntax
  private readonly wantsTokens: boolean
  private readonly tokens: Token[] = []
  private column = 0
  private previous: { text: string; isWord: boolean } = { text: '', isWord: false }
  /** Open braces at which a template's `${` began, so that its `}` is known. */
  private readonly templates: number[] = []
  private braces = 0

  constructor(source: string, syntax: Syntax, wantsTokens: boolean) {
    super(source)
    this.syntax = syntax
    this.wantsTokens = wantsTokens
  }

  run(): Lexed {
    if (this.source.startsWith('#!')) this.skipLine(COMMENT)
    if (this.syntax.isPhp) this.skipToPhp()
    while (this.at < this.source.length) this.step()
    return { tokens: this.tokens, counts: this.counts() }
  }

  private step(): void {
    const code = this.source.charCodeAt(this.at)
    if (code === NEWLINE) this.newline()
    else if (code === 32 || code === 9 || code === 13) this.at += 1
    else this.token(code)
  }

  private token(code: number): void {
    // Only tokens are asked for their column.
    if (this.wantsTokens) this.column = this.columnOf(this.at)
    if (isWordStart(code)) this.word()
    else if (code >= 48 && code <= 57) this.number()
    else if (!this.comment() && !this.text(code)) this.sign(code)
  }

  private emit(text: string, isWord: boolean, line = this.line): void {
    this.previous = { text, isWord }
    if (this.wantsTokens) this.tokens.push({ text, isWord, line, column: this.column })
  }

  private word(): void {
    const from = this.at
    while (isWordPart(this.source.charCodeAt(this.at))) this.at += 1
    this.mark(CODE)
    const text = this.source.slice(from, this.at)
    if (this.syntax.rawTexts && this.rawText(text)) return
    this.emit(text, true)
  }

  private number(): void {
    while (this.at < this.source.length) {
      const code = this.source.charCodeAt(this.at)
      const isSeparator =
        code === 39 && this.syntax.preprocessor === true && isWordPart(this.source.charCodeAt(this.at + 1))
      if (!isWordPart(code) && code !== 46 && !isSeparator) break
      // Go on over `1..2` and methods on numbers no further than the first dots.
      if (code === 46 && this.source.charCodeAt(this.at + 1) === 46) break
      this.at += 1
    }
    this.mark(CODE)
    this.emit('0', false)
  }

  private comment(): boolean {
    if (this.syntax.preprocessor && this.source[this.at] === '#' && this.isFirstOnLine()) {
      this.skipDirective()
      return true
    }
    for (const [open, close] of this.syntax.block ?? []) {
      if (!this.source.startsWith(open, this.at)) continue
      this.skipBlock(open, close)
      return true
    }
    for (const open of this.syntax.line ?? []) {
      if (!this.source.startsWith(open, this.at)) continue
      if (open === '#' && this.syntax.isPhp && this.source[this.at + 1] === '[') continue
      this.skipLine(COMMENT)
      return true
    }
    return false
  }

  private skipLine(kind: number): void {
    const newline = this.source.indexOf('\n', this.at)
    const end = newline < 0 ? this.source.length : newline
    const closing = this.syntax.isPhp ? this.source.slice(this.at, end).indexOf('?>') : -1
    this.mark(kind)
    this.at = closing < 0 ? end : this.at + closing
  }

  private skipDirective(): void {
    do {
      this.mark(CODE)
      const end = this.source.indexOf('\n', this.at)
      this.at = end < 0 ? this.source.length : end
      const before = this.source.charCodeAt(this.at - 1) === 13 ? this.at - 2 : this.at - 1
      if (end < 0 || this.source.charCodeAt(before) !== BACKSLASH) return
      this.newline()
    } while (this.at < this.source.length)
  }

  private skipBlock(open: string, close: string): void {
    let depth = 1
    this.mark(COMMENT)
    this.at += open.length
    while (this.at < this.source.length && depth > 0) {
      if (this.source.startsWith(close, this.at)) {
        depth -= 1
        this.mark(COMMENT)
        this.at += close.length
      } else if (this.syntax.nestedBlocks && this.source.startsWith(open, this.at)) {
        depth += 1
        this.at += open.length
      } else {
        this.advance(COMMENT)
      }
    }
  }

  private text(code: number): boolean {
    const quote = this.source[this.at] ?? ''
    if (this.syntax.templates) {
      if (code === 96) return this.template(this.at + 1)
      if (code === 125 && this.templates.at(-1) === this.braces) {
        this.templates.pop()
        this.emit(')', false)
        return this.template(this.at + 1)
      }
      if (code === 47 && this.startsRegex()) return this.regex()
    }
    if (this.syntax.lifetimes && code === 39) return this.character()
    if (this.syntax.rawTexts === 'go' && code === 96) return this.untilText('`', 1)
    if (this.syntax.rawTexts === 'csharp' && quote === '@' && this.source[this.at + 1] === '"')
      return this.verbatim()
    if (!this.syntax.quotes?.includes(quote)) return false
    const triple = quote.repeat(3)
    if (this.syntax.tripleQuotes && this.source.startsWith(triple, this.at)) return this.untilText(triple, 3)
    return this.quoted(code)
  }

  private quoted(quote: number): boolean {
    const line = this.line
    this.mark(CODE)
    this.at += 1
    while (this.at < this.source.length) {
      const code = this.source.charCodeAt(this.at)
      if (code === BACKSLASH) {
        this.at += 1
        if (this.at < this.source.length) this.advance(CODE)
        continue
      }
      if (code === NEWLINE && !this.syntax.multilineTexts) break
      this.advance(CODE)
      if (code === quote) break
    }
    this.emit('"', false, line)
    return true
  }

  private untilText(close: string, skip: number): boolean {
    const line = this.line
    this.mark(CODE)
    this.at += skip
    while (this.at < this.source.length && !this.source.startsWith(close, this.at)) {
      if (skip === 3 && this.source.charCodeAt(this.at) === BACKSLASH) this.at += 1
      if (this.at < this.source.length) this.advance(CODE)
    }
    if (this.at < this.source.length) this.mark(CODE)
    this.at = Math.min(this.source.length, this.at + close.length)
    this.emit('"', false, line)
    return true
  }

  /** C#'s `@"a ""quoted"" text"`. */
  private verbatim(): boolean {
    this.mark(CODE)
    this.at += 2
    while (this.at < this.source.length) {
      if (this.source[this.at] === '"') {
        if (this.source[this.at + 1] !== '"') break
        this.at += 1
      }
      this.advance(CODE)
    }
    this.at += 1
    this.emit('"', false)
    return true
  }

  /** After the words `r`, `br` and `R`: Rust's `r#"..."#` and C++'s `R"x(...)x"`. */
  private rawText(word: string): boolean {
    const rest = this.source.slice(this.at, this.at + 32)
    if (this.syntax.rawTexts === 'rust' && /^(r|br|cr)$/.test(word)) {
      const hashes = /^(#*)"/.exec(rest)?.[1]
      return hashes !== undefined && this.untilText(`"${hashes}`, hashes.length + 1)
    }
    if (this.syntax.rawTexts === 'cpp' && /^(R|u8R|uR|UR|LR)$/.test(word)) {
      const delimiter = /^"([^()\\\s]{0,16})\(/.exec(rest)?.[1]
      return delimiter !== undefined && this.untilText(`)${delimiter}"`, delimiter.length + 2)
    }
    return false
  }

  private character(): boolean {
    const near = CHARACTER.exec(this.source.slice(this.at, this.at + 16))?.[0]
    this.mark(CODE)
    this.at += near?.length ?? 1
    if (near !== undefined) this.emit('"', false)
    return true
  }

  private template(from: number): boolean {
    const line = this.line
    this.mark(CODE)
    this.at = from
    while (this.at < this.source.length) {
      const code = this.source.charCodeAt(this.at)
      if (code === BACKSLASH) {
        this.at += 1
        if (this.at < this.source.length) this.advance(CODE)
      } else if (code === 96) {
        this.advance(CODE)
        break
      } else if (code === 36 && this.source.charCodeAt(this.at + 1) === 123) {
        this.at += 2
        this.emit('"', false, line)
        this.emit('(', false)
        this.templates.push(this.braces)
        return true
      } else {
        this.advance(CODE)
      }
    }
    this.emit('"', false, line)
    return true
  }

  /** A slash divides after a value; after `<` it closes a JSX element. */
  private startsRegex(): boolean {
    const { text, isWord } = this.previous
    if (isWord) return BEFORE_REGEX.has(text)
    if (this.source[this.at - 1] === '<') return false
    return text !== ')' && text !== ']' && text !== '}' && text !== '"' && text !== '0'
  }

  private regex(): boolean {
    const end = Math.min(this.source.length, this.at + MAX_REGEX_CHARS)
    let isClass = false
    for (let at = this.at + 1; at < end; at += 1) {
      const character = this.source[at]
      if (character === '\n') return false
      if (character === '\\') at += 1
      else if (character === '[') isClass = true
      else if (character === ']') isClass = false
      else if (character === '/' && !isClass) {
        this.mark(CODE)
        this.at = at + 1
        this.emit('"', false)
        return true
      }
    }
    return false
  }

  private sign(code: number): void {
    this.mark(CODE)
    if (this.syntax.isPhp && code === 63 && this.source[this.at + 1] === '>') {
      this.emit(';', false)
      this.skipToPhp()
      return
    }
    if (code === 123) this.braces += 1
    if (code === 125) this.braces -= 1
    const long = LONG_SIGNS.find(
      (sign) => sign.charCodeAt(0) === code && this.source.startsWith(sign, this.at),
    )
    const text = long ?? this.source[this.at] ?? ''
    this.emit(text, false)
    this.at += text.length
  }

  private skipToPhp(): void {
    const isOpening = () => this.source.startsWith('<?php', this.at) || this.source.startsWith('<?=', this.at)
    while (this.at < this.source.length && !isOpening()) this.advance(CODE)
    if (this.at < this.source.length) this.mark(CODE)
    this.at = Math.min(this.source.length, this.at + (this.source[this.at + 2] === '=' ? 3 : 5))
  }
}

/** Letters, `_`, `$` and every byte beyond ASCII. */
const isWordStart = (code: number) =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code === 36 || code >= 128
const isWordPart = (code: number) => isWordStart(code) || (code >= 48 && code <= 57)
