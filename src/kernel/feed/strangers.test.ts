// What strangers say: whatever it is, it ends below the prefix, fits an event, and claims nothing that it has not.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hopsOf, idOf, present, textOf, typeBelow } from './strangers.ts'

const TYPE = /^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*)*$/
const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...'a.*@>\n-_\ud800') }),
)

it('is a type below its prefix', () => {
  fc.assert(
    fc.property(anyText, (type) => {
      const below = typeBelow('in', type)
      expect(below).toMatch(TYPE)
      expect(below === 'in' || below.startsWith('in.')).toBe(true)
      expect(below.length).toBeLessThanOrEqual(200)
    }),
  )
  expect(typeBelow('in', '../mesh.event-published@1')).toBe('in.mesh.event-published-1')
  expect(typeBelow('in', 'order.**')).toBe('in.order')
})

it('is a text only where an event can bear it', () => {
  for (const value of [undefined, null, 1, {}, '', 'a\nb', 'a\u0085b', '\ud800', 'x'.repeat(257)])
    expect(textOf(value)).toBeUndefined()
  expect(textOf('order/7 ü')).toBe('order/7 ü')
})

it('is an id as it is, or its digest', () => {
  expect(idOf('msg_1')).toBe('msg_1')
  for (const id of ['a\nb', '\ud800', 'x'.repeat(129)]) expect(idOf(id)).toMatch(/^[0-9a-f]{64}$/)
})

it('is a count of hops only where it is a number above nought', () => {
  expect(['3', 3, '999999'].map(hopsOf)).toEqual([3, 3, 999_999])
  for (const value of [undefined, null, 0, '0', -1, 1.5, '1e3', ' 1', '1000000', {}, [[]]])
    expect(hopsOf(value)).toBeUndefined()
})

it('has the members that are there', () => {
  expect(Object.keys(present({ a: undefined, b: null, c: 0 }))).toEqual(['b', 'c'])
})
