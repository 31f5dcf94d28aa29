// JSON from strangers: what JSON.parse reads, and nothing that two readers could read in two ways.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from './codes.fixture.ts'
import { parseStrictJson } from './strict-json.ts'

const refusalOf = (source: string | Uint8Array) => codeOf(() => parseStrictJson(source))

describe('strict JSON', () => {
  it('is what JSON.parse reads, as text and as bytes', () => {
    fc.assert(
      fc.property(
        fc.jsonValue().filter((value) => !JSON.stringify(value).includes('__proto__')),
        (value) => {
          const text = JSON.stringify(value)
          expect(parseStrictJson(text)).toEqual(JSON.parse(text))
          expect(parseStrictJson(Buffer.from(text))).toEqual(JSON.parse(text))
        },
      ),
    )
  })

  it.each([
    ['a member twice', '{"a":1,"a":2}'],
    ['a member twice, once escaped', '{"a":1,"\\u0061":2}'],
    ['a prototype', '{"x":{"__proto__":1}}'],
    ['nothing', ''],
    ['half an object', '{"a":'],
    ['an open string', '"a'],
    ['bytes that are no UTF-8', Uint8Array.of(0x22, 0xff, 0x22)],
    ['a byte order mark', '\ufeff{}'],
  ])('refuses %s', (_, source) => expect(refusalOf(source)).toBe('json.malformed'))

  it('refuses depth before the parser meets it, and braces in strings are no depth', () => {
    expect(refusalOf('['.repeat(65))).toBe('json.depth')
    expect(refusalOf('['.repeat(1_000_000))).toBe('json.depth')
    expect(parseStrictJson(JSON.stringify('{['.repeat(100)))).toBe('{['.repeat(100))
    expect(parseStrictJson('"\\\\\\"[["')).toBe('\\"[[')
  })

  it('never quotes the text', () => {
    try {
      parseStrictJson('{"secret": hunter2}')
    } catch (error) {
      expect((error as Error).message).not.toContain('hunter2')
    }
  })
})
