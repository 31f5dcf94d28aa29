import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Json, Type } from '../../kernel/schema/schema.ts'
import { fieldsOf, pathFieldsOf } from './fields.ts'

const INPUT = {
  name: Type.String(),
  limit: Type.Optional(Type.Integer()),
  share: Type.Optional(Type.Number()),
  isAll: Type.Optional(Type.Boolean()),
  tags: Type.Optional(Type.Array(Type.String())),
  sizes: Type.Optional(Type.Array(Type.Integer())),
  order: Type.Optional(Type.Union([Type.Literal('up'), Type.Literal('down')])),
  value: Type.Optional(Json),
}
const read = (query: string) => fieldsOf(INPUT, new URLSearchParams(query))

describe('the fields of a query string', () => {
  it('become what their schemas ask for', () => {
    expect(
      read('name=7&limit=7&share=0.5&isAll=true&tags=a&tags=b&sizes=1&order=up&value={"a":[1]}'),
    ).toEqual({
      name: '7',
      limit: 7,
      share: 0.5,
      isAll: true,
      tags: ['a', 'b'],
      sizes: [1],
      order: 'up',
      value: { a: [1] },
    })
  })

  it.each(['1e3', '0x10', '007', '1.0', ' 1', '', '１', 'NaN', 'Infinity', '+1'])(
    'leave %j as text where a whole number belongs, for validation to refuse',
    (text) => {
      expect(read(`limit=${encodeURIComponent(text)}`)).toEqual({ limit: text })
    },
  )

  it('keep what is not JSON as text', () => {
    expect(read('value=plain')).toEqual({ value: 'plain' })
    expect(read('value="7"')).toEqual({ value: '7' })
  })

  it('refuse JSON that is too deep, and a single field given twice', () => {
    expect(() => read(`value=${'['.repeat(65)}${']'.repeat(65)}`)).toThrow('nested')
    expect(() => read('name=a&name=b')).toThrow('/name is given 2 times')
  })

  it('keep unknown names as members of their own, without reaching a prototype', () => {
    const fields = read('__proto__=x&constructor=y&toString=z')
    expect(Object.keys(fields)).toEqual(['__proto__', 'constructor', 'toString'])
    expect(Object.getPrototypeOf(fields)).toBe(Object.prototype)
  })

  it('give back any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), (text) => {
        expect(fieldsOf(INPUT, new URLSearchParams({ name: text }))).toEqual({ name: text })
      }),
    )
  })

  it('of a path are read by the same rules', () => {
    expect(pathFieldsOf(INPUT, { name: '7', limit: '7' })).toEqual({ name: '7', limit: 7 })
  })
})
