// JSON from strangers: UTF-8, bounded depth, no member twice, nothing that could reach a prototype (RFC 8259).

import { KitError } from './error.ts'

export interface StrictJsonOptions {
  readonly maxDepth?: number
}

const MAX_DEPTH = 64
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Throws KitError `json.malformed` (not UTF-8, not JSON, a member twice, a member named `__proto__`) and
 * `json.depth`. No message quotes the text.
 */
export function parseStrictJson(
  source: string | Uint8Array,
  { maxDepth = MAX_DEPTH }: StrictJsonOptions = {},
): unknown {
  const text = typeof source === 'string' ? source : decode(source)
  const members = countMembers(text, maxDepth)
  const value = parse(text)
  // Of members with the same name JSON.parse keeps one, so the counts differ (RFC 8259 section 4).
  if (countParsed(value) !== members) throw malformed('an object has two members of the same name')
  return value
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed('the text is not UTF-8')
  }
}

/** Members of all objects, by their colons; refuses depth before the parser meets it. */
function countMembers(source: string, maxDepth: number): number {
  let depth = 0
  let members = 0
  for (let at = 0; at < source.length; at++) {
    switch (source.charCodeAt(at)) {
      case 0x22: // "
        at = endOfString(source, at)
        break
      case 0x3a: // :
        members += 1
        break
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) throw new KitError('json.depth', `JSON may be nested ${maxDepth} deep`)
        break
      case 0x5d: // ]
      case 0x7d: // }
        depth -= 1
    }
  }
  return members
}

/** Position of the closing quote; the end of the text when there is none, which the parser then reports. */
function endOfString(source: string, open: number): number {
  for (let at = open + 1; ; at++) {
    const quote = source.indexOf('"', at)
    if (quote < 0) return source.length
    let backslashes = 0
    while (source.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes += 1
    if (backslashes % 2 === 0) return quote
    at = quote
  }
}

/** The engine's own message quotes the text, so only the position is taken from it. */
function parse(source: string): unknown {
  try {
    return JSON.parse(source)
  } catch (error) {
    const position = /at position (\d+)/.exec((error as SyntaxError).message)?.[1]
    throw malformed(
      position === undefined ? 'the text is not JSON' : `the text is not JSON: position ${position}`,
    )
  }
}

/** Depth is bounded by now. */
function countParsed(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + countParsed(each), 0)
  const names = Object.keys(value)
  if (names.includes('__proto__')) throw malformed('a member may not be named __proto__')
  return names.reduce(
    (sum, name) => sum + countParsed((value as Record<string, unknown>)[name]),
    names.length,
  )
}

const malformed = (message: string): KitError => new KitError('json.malformed', message)
