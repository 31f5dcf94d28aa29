import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../../kernel/errors.ts'
import { codeOf } from '../../kit/codes.fixture.ts'
import { DEPTH_MAX, parseJsonBody } from './json-body.ts'

const read = (text: string) => parseJsonBody(Buffer.from(text))
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

describe('a JSON body', () => {
  it('is read like JSON.parse reads it, whatever it holds', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 8 }), (text) => {
        fc.pre(!text.includes('__proto__'))
        expect(read(text)).toEqual(JSON.parse(text))
      }),
    )
  })

  it('tells brackets and colons in strings from those outside', () => {
    const value = { 'a:b"': ['[[[', '\\', '\\"', '{":"}'], '\\': { ':': 1 } }
    expect(read(JSON.stringify(value))).toEqual(value)
  })

  it('may be nested as deep as the limit and no deeper', () => {
    expect(read(nested(DEPTH_MAX))).toBeInstanceOf(Array)
    expect(codeOf(() => read(nested(DEPTH_MAX + 1)))).toBe('input.too-deep')
    expect(codeOf(() => read('['.repeat(1_000_000)))).toBe('input.too-deep')
    expect(codeOf(() => read('{"a":'.repeat(100_000)))).toBe('input.too-deep')
  })

  it.each([
    ['a member twice', '{"a":1,"a":2}'],
    ['a member twice, spelled differently', '{"a":1,"\\u0061":2}'],
    ['a member twice, deep inside', '{"x":[{"a":1,"b":{"c":1,"c":1}}]}'],
    ['a prototype', '{"__proto__":{"isAdmin":true}}'],
    ['a prototype, spelled differently', '{"a":{"__pr\\u006fto__":1}}'],
    ['nothing', ''],
    ['blanks', '  \n'],
    ['two values', '1 2'],
    ['a trailing comma', '{"a":1,}'],
    ['a string without an end', '{"a":"b'],
    ['a raw line end in a string', '"\n"'],
    ['a byte order mark', '\uFEFF{}'],
    ['no JSON', 'input=1'],
  ])('with %s is malformed', (_, text) => {
    expect(codeOf(() => read(text))).toBe('input.malformed')
  })

  it('must be UTF-8', () => {
    expect(codeOf(() => parseJsonBody(Uint8Array.of(0x22, 0xff, 0x22)))).toBe('input.malformed')
    expect(codeOf(() => parseJsonBody(Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)))).toBe('input.malformed')
  })

  it('that is malformed is answered with the position and without a quotation', () => {
    const secret = 'hunter2'.repeat(1000)
    const error = (() => {
      try {
        return read(`{"password": ${secret}}`)
      } catch (thrown) {
        return thrown as PolityError
      }
    })() as PolityError
    expect(error.message).not.toContain('hunter2')
    expect(error.message.length).toBeLessThan(100)
    expect(() => read('{"a" 1}')).toThrow('position 5')
  })

  it('never fails in another way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          parseJsonBody(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(PolityError)
        }
      }),
    )
    const alphabet = fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', '1', 'a')
    fc.assert(
      fc.property(fc.string({ unit: alphabet, maxLength: 40 }), (text) => {
        let expected: unknown
        try {
          expected = JSON.parse(text)
        } catch {
          expect(codeOf(() => read(text))).toBe('input.malformed')
          return
        }
        // What JSON.parse reads is read too, unless it dropped a member.
        if (codeOf(() => read(text)) === 'none') expect(read(text)).toEqual(expected)
      }),
    )
  })
})
