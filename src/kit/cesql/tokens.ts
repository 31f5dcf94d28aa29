// Splits a CESQL expression into words, numbers, strings and symbols (section 2).

import { CesqlError } from './error.ts'

export interface Token {
  readonly kind: 'word' | 'integer' | 'string' | 'symbol' | 'end'
  /** As written; of a string, its value; of a symbol, the symbol. */
  readonly text: string
  readonly offset: number
}

/** Throws CesqlError `parse`. The last token is always `end`. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  const pattern = new RegExp(TOKEN)
  while (pattern.lastIndex < text.length) {
    const offset = pattern.lastIndex
    const match = pattern.exec(text)
    if (!match) throw new CesqlError(text, offset, 'parse', unexpected(text, offset))
    const { word, symbol, single, double } = match.groups ?? {}
    if (word !== undefined) tokens.push({ kind: DIGITS.test(word) ? 'integer' : 'word', text: word, offset })
    else if (symbol !== undefined) tokens.push({ kind: 'symbol', text: symbol, offset })
    else if (single !== undefined)
      tokens.push({ kind: 'string', text: single.replaceAll("\\'", "'"), offset })
    else if (double !== undefined)
      tokens.push({ kind: 'string', text: double.replaceAll('\\"', '"'), offset })
  }
  return [...tokens, { kind: 'end', text: '', offset: text.length }]
}

// A backslash before the delimiter always belongs to it; before anything else it is a character of its own.
const TOKEN =
  /[ \t\r\n]+|(?<word>[A-Za-z0-9_]+)|(?<symbol><=|>=|<>|!=|[=<>()+\-*/%,])|'(?<single>(?:[^'\\]|\\'|\\(?!'))*)'|"(?<double>(?:[^"\\]|\\"|\\(?!"))*)"/y
const DIGITS = /^[0-9]+$/

function unexpected(text: string, offset: number): string {
  const character = String.fromCodePoint(text.codePointAt(offset) ?? 0)
  return character === "'" || character === '"'
    ? `the text that begins here has no closing ${character}`
    : `the character ${JSON.stringify(character)} has no meaning here`
}
