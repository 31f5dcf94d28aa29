// How a variable or a flag says a value: text, read by the kind that the setting's schema asks for.

import { PolityError } from '../errors.ts'
import type { Setting } from './setting.ts'

/** Longer texts are no settings. */
const TEXT_SIZE_MAX = 16 * 1024

const TRUTHS: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['true', true],
  ['0', false],
  ['false', false],
])

/**
 * The value that a text stands for; the schema is checked later, with every other source. Lists are separated by
 * commas or are a JSON array, objects are JSON. Throws `config.invalid`.
 */
export function valueOfText({ key, schema, isJsonText }: Setting, text: string, source: string): unknown {
  if (text.length > TEXT_SIZE_MAX) throw notA(key, source, `at most ${TEXT_SIZE_MAX} characters`)
  if (isJsonText === true) return parsed(key, source, text)
  switch (kindOf(schema)) {
    case 'boolean': {
      const value = TRUTHS.get(text.toLowerCase())
      if (value === undefined) throw notA(key, source, '1 or 0')
      return value
    }
    case 'integer':
    case 'number':
      if (!/^-?\d{1,15}(\.\d{1,15})?$/.test(text)) throw notA(key, source, 'a number')
      return Number(text)
    case 'array':
      return text.trimStart().startsWith('[') ? parsed(key, source, text) : listed(text)
    case 'object':
      return parsed(key, source, text)
    default:
      return text
  }
}

const kindOf = (schema: object): unknown => (schema as { readonly type?: unknown }).type

const listed = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')

function parsed(key: string, source: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw notA(key, source, 'JSON')
  }
}

const notA = (key: string, source: string, what: string): PolityError =>
  new PolityError('config.invalid', `${source} sets ${key}, which must be ${what}`, { key, source })
