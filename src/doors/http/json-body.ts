// Reads a JSON body strictly: UTF-8, bounded depth, no member twice, nothing that could reach a prototype.

import { PolityError } from '../../kernel/errors.ts'

export const DEPTH_MAX = 64

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** RFC 8259. Throws `input.malformed` (with the position, when known) and `input.too-deep`. */
export const parseJsonBody = (bytes: Uint8Array): unknown => parseJson(decode(bytes))

/** The same for text that is decoded already. */
export function parseJson(source: string): unknown {
  const members = countMembers(source)
  const value = parse(source)
  // Of members with the same name JSON.parse keeps one, so the counts differ (RFC 8259 section 4).
  if (countParsed(value) !== members) throw malformed('an object has two members of the same name')
  return value
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed('the body is not UTF-8')
  }
}

/** Members of all objects, by their colons; refuses depth before the parser meets it. */
function countMembers(source: string): number {
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
        if (++depth > DEPTH_MAX)
          throw new PolityError('input.too-deep', `JSON may be nested ${DEPTH_MAX} deep`)
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

/** The engine's own message quotes the body, so only the position is taken from it. */
function parse(source: string): unknown {
  try {
    return JSON.parse(source)
  } catch (error) {
    const position = /at position (\d+)/.exec((error as SyntaxError).message)?.[1]
    if (position !== undefined)
      throw malformed(`the body is not JSON: position ${position}`, { position: Number(position) })
    throw malformed(source.trim() === '' ? 'the body is empty' : 'the body is not JSON')
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

const malformed = (message: string, facts: Readonly<Record<string, unknown>> = {}) =>
  new PolityError('input.malformed', message, facts)
