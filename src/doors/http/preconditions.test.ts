import { describe, expect, it } from 'vitest'
import { get, list, put } from '../../modules/state/contract.ts'
import { etagOf, isKnown, preconditionOf } from './preconditions.ts'

const refused = (headers: Record<string, string>) => () => preconditionOf(put, headers)

describe('an entity tag', () => {
  it('is the field that the definition names, in quotes', () => {
    expect(etagOf(get, { version: 3 })).toBe('"3"')
    expect(etagOf(list, { version: 3 })).toBeUndefined()
  })

  it('is left out where the field could not be one', () => {
    for (const version of ['a"b', 'a\r\nb', 'ü', {}, null, undefined])
      expect(etagOf(get, { version })).toBeUndefined()
    expect(etagOf(get, null)).toBeUndefined()
  })

  it('is compared weakly and in lists on reads', () => {
    for (const known of ['"3"', 'W/"3"', '"1", "3"', '*', ' "3" '])
      expect(isKnown({ 'if-none-match': known }, '"3"')).toBe(true)
    expect(isKnown({ 'if-none-match': '"4"' }, '"3"')).toBe(false)
    expect(isKnown({}, '"3"')).toBe(false)
    expect(() => isKnown({ 'if-none-match': '3' }, '"3"')).toThrow('double quotes')
  })
})

describe('a precondition of a write', () => {
  it('fills the field that the definition names', () => {
    expect(preconditionOf(put, { 'if-match': '"3"' })).toEqual({ ifVersion: 3 })
    expect(preconditionOf(put, { 'if-none-match': '*' })).toEqual({ ifVersion: 0 })
    expect(preconditionOf(put, {})).toEqual({})
  })

  it.each([
    '3',
    '"3',
    '3"',
    '"3", "4"',
    '',
    '*',
    'W/"3"',
    '"03"',
    '"3.0"',
    '"-1"',
    '"x"',
    '"99999999999999999999"',
  ])('If-Match: %s is refused instead of ignored', (tag) => {
    expect(refused({ 'if-match': tag })).toThrow(expect.objectContaining({ code: 'input.invalid' }))
  })

  it('is refused where it cannot be honoured', () => {
    expect(refused({ 'if-none-match': '"3"' })).toThrow('If-None-Match: *')
    expect(refused({ 'if-match': '"3"', 'if-none-match': '*' })).toThrow('not both')
    expect(() => preconditionOf(list, { 'if-match': '"3"' })).toThrow('no preconditions')
  })
})
