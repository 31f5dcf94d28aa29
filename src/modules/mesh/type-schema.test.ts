// Schemas of event types: the subset takes what can be checked in one pass, and says where data does not fit.

import fc from 'fast-check'
import { Check } from 'typebox/schema'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../../kernel/errors.ts'
import { requireTypeSchema, violationsOf } from './type-schema.ts'

const isTaken = (schema: object): boolean => {
  try {
    requireTypeSchema(schema as Record<string, unknown>)
    return true
  } catch (error) {
    if (error instanceof PolityError && error.code === 'input.invalid') return false
    throw error
  }
}

describe('a schema', () => {
  it('may use the plain keywords of JSON Schema', () => {
    expect(
      isTaken({
        type: 'object',
        title: 't',
        properties: {
          a: { anyOf: [{ type: 'null' }, { enum: ['x', 1] }] },
          b: { items: { const: 1 }, maxItems: 2 },
        },
        required: ['a'],
        additionalProperties: false,
        maxProperties: 3,
      }),
    ).toBe(true)
  })

  it('may use nothing else, at any depth, and is told where', () => {
    for (const schema of [
      { pattern: 'x' },
      { format: 'email' },
      { $ref: '#' },
      { $defs: {} },
      { not: {} },
      { properties: { a: { patternProperties: {} } } },
      { items: [{}] },
      { anyOf: [] },
      { additionalProperties: {} },
      { type: ['object'] },
      { __proto__x: 1 },
      JSON.parse('{"__proto__":{}}'),
      { constructor: 1 },
      { toString: {} },
    ])
      expect([schema, isTaken(schema)]).toEqual([schema, false])
    expect(() => requireTypeSchema({ properties: { 'a/b': { pattern: 'x' } } })).toThrow(
      '/schema/properties/a~1b/pattern',
    )
  })

  it('has bounds', () => {
    const nested = (depth: number) => Array.from({ length: depth }).reduce<object>((items) => ({ items }), {})
    expect(isTaken(nested(16))).toBe(true)
    expect(isTaken(nested(17))).toBe(false)
    expect(isTaken(nested(10_000))).toBe(false)
    const wide = (count: number) => ({ anyOf: Array.from({ length: count }, () => ({})) })
    expect(isTaken(wide(511))).toBe(true)
    expect(isTaken(wide(512))).toBe(false)
  })

  it('of any JSON is taken or refused, and one that is taken checks any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (schema, data) => {
        if (typeof schema !== 'object' || schema === null || Array.isArray(schema) || !isTaken(schema)) return
        const members = schema as Record<string, unknown>
        expect(violationsOf(members, data).length === 0).toBe(Check(members, data))
      }),
    )
  })
})

describe('data', () => {
  it('is told where it does not fit, a bounded number of times', () => {
    const schema = { type: 'object', properties: {}, additionalProperties: false }
    const data = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`m~${n}/`, n]))
    const violations = violationsOf(schema, data)
    expect(violations.length).toBeGreaterThan(0)
    expect(violations.length).toBeLessThanOrEqual(20)
    expect(violations[0]).toEqual({ pointer: '/m~00~1', message: 'is not a known member' })
    expect(violationsOf(schema, {})).toEqual([])
  })
})
