// Canonical JSON (RFC 8785): one value has exactly one text, so its bytes can be hashed and compared.

import { KitError } from './error.ts'

export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

export interface CanonicalOptions {
  /** Deepest nesting of arrays and objects; a scalar has depth 0. */
  readonly maxDepth?: number
}

const MAX_DEPTH = 64
const SHORT_LIST = 24
const MAX_CACHED_NAMES = 2048
const MAX_CACHED_NAME_CHARS = 64

/**
 * The RFC 8785 text of a value. Object members that are undefined are dropped; nothing else is.
 *
 * Throws KitError `number` (NaN, infinite, or an integer beyond +-(2^53 - 1), which I-JSON readers
 * would round: RFC 7493 section 2.2), `unicode` (lone surrogate in a string or a name), `type`
 * (anything that JSON cannot say, such as undefined in an array, bigint, function, Date) and `depth`.
 */
export function canonicalize(value: unknown, options: CanonicalOptions = {}): string {
  return write(value, options.maxDepth ?? MAX_DEPTH)
}

/** Whether a text is exactly what `canonicalize` writes for the value it holds. */
export function isCanonical(text: string, options: CanonicalOptions = {}): boolean {
  try {
    return canonicalize(JSON.parse(text), options) === text
  } catch (error) {
    if (error instanceof KitError || error instanceof SyntaxError) return false
    throw error
  }
}

function write(value: unknown, depthLeft: number): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'number':
      return writeNumber(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      if (depthLeft <= 0) throw new KitError('depth', 'JSON is nested too deeply')
      return Array.isArray(value) ? writeArray(value, depthLeft - 1) : writeObject(value, depthLeft - 1)
    default:
      throw new KitError('type', `JSON cannot hold a value of type ${typeof value}`)
  }
}

// Every UTF-16 unit that needs neither an escape nor a look at its neighbours.
const NEEDS_CARE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/

// RFC 8785 section 3.2.2.2 asks for the escapes of ECMAScript's JSON.stringify, and for an error on lone surrogates.
function quote(text: string): string {
  if (!NEEDS_CARE.test(text)) return `"${text}"`
  if (!text.isWellFormed()) throw new KitError('unicode', 'a string holds a lone surrogate')
  return JSON.stringify(text)
}

function writeNumber(value: number): string {
  if (!Number.isFinite(value)) throw new KitError('number', `JSON cannot hold the number ${value}`)
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new KitError('number', `the integer ${value} is beyond +-(2^53 - 1)`)
  }
  return `${value}`
}

function writeArray(items: readonly unknown[], depthLeft: number): string {
  let text = '['
  // An index loop, because holes must be seen as undefined and refused.
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ','
    text += write(items[i], depthLeft)
  }
  return `${text}]`
}

function writeObject(value: object, depthLeft: number): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new KitError('type', 'JSON can hold plain objects only')
  }
  const members = value as Readonly<Record<string, unknown>>
  const names = sortedNames(members)
  let text = '{'
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string
    const member = members[name]
    if (member === undefined) continue
    if (text.length > 1) text += ','
    text += prefixOf(name) + write(member, depthLeft)
  }
  return `${text}}`
}

// Names are ordered by UTF-16 code units (RFC 8785 section 3.2.3), which is how < and sort() compare strings.
function sortedNames(members: Readonly<Record<string, unknown>>): string[] {
  const names = Object.keys(members)
  if (names.length > SHORT_LIST) return names.sort()
  // Insertion sort: linear where the names are in order already, and twice as fast as sort() on a short list.
  for (let i = 1; i < names.length; i++) {
    const name = names[i] as string
    let at = i
    for (; at > 0 && (names[at - 1] as string) > name; at--) names[at] = names[at - 1] as string
    names[at] = name
  }
  return names
}

// The same few hundred names come back in every entry. Filled once and never evicted, so strangers' names cannot churn it.
const prefixes = new Map<string, string>()

function prefixOf(name: string): string {
  const known = prefixes.get(name)
  if (known !== undefined) return known
  const prefix = `${quote(name)}:`
  if (prefixes.size < MAX_CACHED_NAMES && name.length <= MAX_CACHED_NAME_CHARS) prefixes.set(name, prefix)
  return prefix
}
