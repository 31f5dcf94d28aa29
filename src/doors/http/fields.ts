// Turns what a URL can say (text, once or repeated) into the fields of an input, as their schemas ask.

import { PolityError } from '../../kernel/errors.ts'
import type { Fields, TSchema } from '../../kernel/schema/schema.ts'
import { parseJson } from './json-body.ts'

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Text that does not fit its schema stays text, and unknown names stay in: validation refuses both
 * with their pointers. Throws `input.invalid` for a single field that is given twice.
 */
export function fieldsOf(input: Fields, search: URLSearchParams): Record<string, unknown> {
  const fields: Record<string, unknown> = Object.create(null)
  for (const name of new Set(search.keys())) {
    const schema = Object.hasOwn(input, name) ? (input[name] as Shape) : {}
    const values = search.getAll(name)
    if (schema.type === 'array') fields[name] = values.map((value) => fieldValueOf(schema.items ?? {}, value))
    else if (values.length > 1)
      throw new PolityError('input.invalid', `/${name.slice(0, 128)} is given ${values.length} times`)
    else fields[name] = fieldValueOf(schema, values[0] ?? '')
  }
  return { ...fields }
}

/** The fields that a path names. */
export const pathFieldsOf = (
  input: Fields,
  params: Readonly<Record<string, string>>,
): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, fieldValueOf((input[name] ?? {}) as Shape, value)]),
  )

interface Shape {
  readonly type?: string
  readonly items?: Shape
  readonly anyOf?: readonly Shape[]
}

const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/
const INTEGER = /^-?(?:0|[1-9][0-9]*)$/

function fieldValueOf(schema: Shape, value: string): unknown {
  switch (schema.type) {
    case 'string':
      return value
    case 'integer':
      return INTEGER.test(value) ? Number(value) : value
    case 'number':
      return NUMBER.test(value) ? Number(value) : value
    case 'boolean':
      return value === 'true' ? true : value === 'false' ? false : value
  }
  if (schema.anyOf?.every(({ type }) => type === 'string')) return value
  return jsonOr(value)
}

/** A field of any shape is JSON in a URL; what is not JSON is text. */
function jsonOr(value: string): unknown {
  try {
    return parseJson(value)
  } catch (error) {
    if (error instanceof PolityError && error.code === 'input.malformed') return value
    throw error
  }
}

/** Whether a URL can spell the field without JSON. */
export const isPlain = (schema: TSchema): boolean => {
  const { type, items, anyOf } = schema as Shape
  const isText = anyOf?.every((each) => each.type === 'string') ?? false
  return (
    isText ||
    ['string', 'integer', 'number', 'boolean'].includes(type ?? '') ||
    (type === 'array' && isPlain((items ?? {}) as TSchema))
  )
}
