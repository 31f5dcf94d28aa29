// Schemas of event types: a closed subset of JSON Schema without patterns or references, so that checking costs no more than reading.

import { Check, Errors } from 'typebox/schema'
import { PolityError } from '../../kernel/errors.ts'
import { pointerPart, type Violation } from '../../kernel/schema/schema.ts'
import { isRecord } from './events.ts'

const DEPTH_MAX = 16
const NODES_MAX = 512
const VIOLATIONS_MAX = 20

type Members = Readonly<Record<string, unknown>>
type KeywordCheck = (value: unknown) => boolean

const isCount: KeywordCheck = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isNumber: KeywordCheck = (value) => typeof value === 'number' && Number.isFinite(value)
const isText: KeywordCheck = (value) => typeof value === 'string' && value.length <= 1024
const isBoolean: KeywordCheck = (value) => typeof value === 'boolean'
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']

/**
 * Keywords with a plain value. Left out on purpose: `pattern` and `format` (time without bound), `$ref` (loops),
 * everything that looks elsewhere.
 */
const PLAIN: Readonly<Record<string, KeywordCheck>> = {
  type: (value) => typeof value === 'string' && TYPES.includes(value),
  title: isText,
  description: isText,
  enum: (value) => Array.isArray(value) && value.length > 0 && value.length <= 256 && value.every(isScalar),
  const: isScalar,
  required: (value) =>
    Array.isArray(value) && value.length <= 256 && value.every((name) => typeof name === 'string'),
  additionalProperties: isBoolean,
  minimum: isNumber,
  maximum: isNumber,
  exclusiveMinimum: isNumber,
  exclusiveMaximum: isNumber,
  minLength: isCount,
  maxLength: isCount,
  minItems: isCount,
  maxItems: isCount,
  minProperties: isCount,
  maxProperties: isCount,
}

function isScalar(value: unknown): boolean {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value)
}

/** Throws `input.invalid` with pointers for whatever is not of the subset. */
export function requireTypeSchema(schema: Members): void {
  const violations: Violation[] = []
  for (const violation of mistakesOf(schema, '/schema', 0, { left: NODES_MAX })) {
    violations.push(violation)
    if (violations.length === VIOLATIONS_MAX) break
  }
  const [first] = violations
  if (first) throw new PolityError('input.invalid', `${first.pointer} ${first.message}`, { violations })
}

function* mistakesOf(
  node: unknown,
  pointer: string,
  depth: number,
  parts: { left: number },
): Generator<Violation> {
  parts.left -= 1
  if (parts.left < 0 || depth > DEPTH_MAX)
    yield { pointer, message: `is more than a schema may hold: ${NODES_MAX} parts, ${DEPTH_MAX} deep` }
  else if (!isRecord(node)) yield { pointer, message: 'must be a schema' }
  else
    for (const [keyword, value] of Object.entries(node)) {
      const at = `${pointer}/${pointerPart(keyword)}`
      const nested = nestedIn(keyword, value)
      if (nested) for (const [name, part] of nested) yield* mistakesOf(part, `${at}${name}`, depth + 1, parts)
      else if (!Object.hasOwn(PLAIN, keyword))
        yield { pointer: at, message: 'is not a keyword of the subset that event types may use' }
      else if (PLAIN[keyword]?.(value) !== true)
        yield { pointer: at, message: 'has no value that this keyword takes' }
    }
}

/** Schemas under a keyword, each with the rest of its pointer; undefined: none can stand there. */
function nestedIn(keyword: string, value: unknown): readonly (readonly [string, unknown])[] | undefined {
  if (keyword === 'items') return [['', value]]
  if (keyword === 'properties' && isRecord(value))
    return Object.entries(value).map(([name, part]) => [`/${pointerPart(name)}`, part])
  if (keyword === 'anyOf' && Array.isArray(value) && value.length > 0)
    return value.map((part: unknown, place) => [`/${place}`, part])
  return undefined
}

/**
 * Where data does not fit; empty exactly when it does. Interpreted: a schema that somebody else wrote becomes no code.
 */
export function violationsOf(schema: Members, data: unknown): readonly Violation[] {
  if (Check(schema, data)) return []
  const violations = Errors(schema, data)[1].flatMap(({ keyword, instancePath: pointer, message }) => {
    // Each unknown member has an error of its own, so that the one that lists them all says nothing new.
    if (keyword === 'additionalProperties') return []
    return [{ pointer, message: keyword === 'boolean' ? 'is not a known member' : message }]
  })
  // The library tells a bounded number of errors: that data does not fit must not hang on which.
  if (violations.length === 0) return [{ pointer: '', message: 'does not fit the schema of its type' }]
  return violations.slice(0, VIOLATIONS_MAX)
}
