// Reads a JSON body strictly: UTF-8, bounded depth, no member twice, nothing that could reach a prototype.

import { PolityError } from '../../kernel/errors.ts'
import { KitError } from '../../kit/error.ts'
import { parseStrictJson } from '../../kit/strict-json.ts'

export const DEPTH_MAX = 64

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** RFC 8259. Throws `input.malformed` (with the position, when known) and `input.too-deep`. */
export const parseJsonBody = (bytes: Uint8Array): unknown => parseJson(decode(bytes))

/** The same for text that is decoded already. */
export function parseJson(source: string): unknown {
  try {
    return parseStrictJson(source, { maxDepth: DEPTH_MAX })
  } catch (error) {
    if (!(error instanceof KitError)) throw error
    if (error.code === 'json.depth') throw new PolityError('input.too-deep', error.message)
    if (source.trim() === '') throw malformed('the body is empty')
    const position = /: position (\d+)$/.exec(error.message)?.[1]
    const message = error.message.replace('the text', 'the body')
    throw malformed(message, position === undefined ? {} : { position: Number(position) })
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw malformed('the body is not UTF-8')
  }
}

const malformed = (message: string, facts: Readonly<Record<string, unknown>> = {}) =>
  new PolityError('input.malformed', message, facts)
