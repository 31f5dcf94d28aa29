// Casts between the three types of CESQL (section 3.7).

import { type CesqlValue, INTEGER_MAX, INTEGER_MIN } from './syntax.ts'

export type CesqlType = 'Boolean' | 'Integer' | 'String'

export const typeOf = (value: CesqlValue): CesqlType =>
  typeof value === 'string' ? 'String' : typeof value === 'number' ? 'Integer' : 'Boolean'

export const zeroOf = (type: CesqlType): CesqlValue =>
  type === 'String' ? '' : type === 'Integer' ? 0 : false

/** undefined: a CastError; the value is then the zero value of the type. */
export function cast(value: CesqlValue, type: CesqlType): CesqlValue | undefined {
  if (typeOf(value) === type) return value
  if (type === 'String') return String(value)
  if (type === 'Boolean')
    return typeof value === 'number' ? value !== 0 : BOOLEANS.get(String(value).toLowerCase())
  return typeof value === 'boolean' ? Number(value) : integerOf(String(value))
}

const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['false', false],
])

function integerOf(text: string): number | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined
  const value = Number(text)
  return value >= INTEGER_MIN && value <= INTEGER_MAX ? value | 0 : undefined
}
