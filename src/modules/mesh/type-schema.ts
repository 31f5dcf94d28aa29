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
  required: (value) => Array.isArray(value) && value.length <= 256 && value.every((name) => typeof name === 'string'),
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
  let nodes = 0
  const refuse = (pointer: string, message: string) => {
    if (violations.length < VIOLATIONS_MAX) violations.push({ pointer, message })
  }
  const walk = (node: unknown, pointer: string, depth: number): void => {
    nodes += 1
    if (nodes > NODES_MAX || depth > DEPTH_MAX)
      return refuse(pointer, `a schema has at most ${NODES_MAX} parts, ${DEPTH_MAX} deep`)
    if (!isRecord(node)) return refuse(pointer, 'must be a schema')
    for (const [keyword, value] of Object.entries(node)) {
      const at = `${pointer}/${pointerPart(keyword)}`
      if (Object.hasOwn(PLAIN, keyword)) {
        if (PLAIN[keyword]?.(value) !== true) refuse(at, 'has no value that this keyword takes')
      } else walkNested(keyword, value, at, depth)
    }
  }
  const walkNested = (keyword: string, value: unknown, at: string, depth: number): void => {
    if (keyword === 'additionalProperties' && isBoolean(value)) return
    if (keyword === 'items') return walk(value, at, depth + 1)
    if (keyword === 'properties' && isRecord(value))
      return Object.entries(value).forEach(([name, member]) => {
        walk(member, `${at}/${pointerPart(name)}`, depth + 1)
      })
    if (keyword === 'anyOf' && Array.isArray(value) && value.length > 0)
      return value.forEach((member, place) => {
        walk(member, `${at}/${place}`, depth + 1)
      })
    refuse(at, 'is not a keyword of the subset that event types may use')
  }
  walk(schema, '/schema', 0)
  if (violations.length > 0)
    throw new PolityError('input.invalid', `${violations[0]?.pointer} ${violations[0]?.message}`, { violations })
}

/** Where data does not fit. Interpreted: a schema that somebody else wrote becomes no code. */
export function violationsOf(schema: Members, data: unknown): readonly Violation[] {
  if (Check(schema, data)) return []
  const violations: Violation[] = []
  for (const { keyword, instancePath, message, params } of Errors(schema, data)[1]) {
    // `boolean` repeats each unknown member that `additionalProperties` names once.
    if (keyword === 'boolean') continue
    const unknown = (params as { readonly additionalProperties?: readonly string[] }).additionalProperties
    if (unknown)
      for (const name of unknown)
        violations.push({ pointer: `${instancePath}/${pointerPart(name)}`, message: 'is not a known member' })
    else violations.push({ pointer: instancePath, message })
    if (violations.length >= VIOLATIONS_MAX) break
  }
  return violations.slice(0, VIOLATIONS_MAX)
}
