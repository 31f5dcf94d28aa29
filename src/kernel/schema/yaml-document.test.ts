// Hand-written documents: every mistake has a line and a column, and nothing in them grows, loops or means two things.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { Closed, Integer, Name, Secret, Type } from './schema.ts'
import { parseYaml, readYaml, YAML_SIZE_MAX_BYTES } from './yaml-document.ts'

const Route = Closed({
  name: Name,
  limits: Type.Optional(Closed({ rate: Integer })),
  tags: Type.Optional(Type.Array(Name)),
  token: Type.Optional(Secret()),
})

function refusal(read: () => unknown): PolityError {
  try {
    read()
  } catch (error) {
    if (error instanceof PolityError) return error
    throw error
  }
  throw new Error('it was accepted')
}
const HAS_LONG_NUMBER = /\d{16}|\de\+/
const refused = (text: string) => refusal(() => parseYaml(text, 'routes.yaml'))

describe('reading', () => {
  it('answers the value of YAML and of JSON alike', () => {
    const expected = { name: 'a', limits: { rate: 10 }, tags: ['x', 'y'] }
    expect(readYaml(Route, 'name: a\nlimits: { rate: 10 }\ntags:\n  - x\n  - y\n', 'r')).toEqual(expected)
    expect(readYaml(Route, JSON.stringify(expected), 'r')).toEqual(expected)
  })

  it('reads every JSON document as JSON does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, depthSize: 'small', stringUnit: 'binary-ascii' }), (value) => {
        const text = JSON.stringify(value)
        fc.pre(!HAS_LONG_NUMBER.test(text))
        expect(parseYaml(text, 'r').value).toEqual(JSON.parse(text))
      }),
    )
  })

  it('knows only the words of YAML 1.2', () => {
    expect(parseYaml('[yes, no, on, ~, true, 0o7, 2026-01-01, 1:30]', 'r').value).toEqual([
      'yes',
      'no',
      'on',
      null,
      true,
      7,
      '2026-01-01',
      '1:30',
    ])
  })

  it('writes aliases out', () => {
    expect(parseYaml('a: &x { k: 1 }\nb: *x', 'r').value).toEqual({ a: { k: 1 }, b: { k: 1 } })
  })

  it('keeps hostile names as plain members', () => {
    const { value } = parseYaml('__proto__: { polluted: true }\nconstructor: 2', 'r')
    expect(Object.hasOwn(value as object, '__proto__')).toBe(true)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(refusal(() => readYaml(Route, 'name: a\n__proto__: 1', 'r')).code).toBe('input.invalid')
  })

  it('answers null for an empty text', () => {
    expect(parseYaml('', 'r').value).toBeNull()
    expect(parseYaml('# only a comment\n', 'r').value).toBeNull()
  })
})

describe('what does not fit the schema', () => {
  it('is shown with line and column, all of it', () => {
    const error = refusal(() =>
      readYaml(Route, 'name: a/b\nlimits:\n  rate: -1\n  burst: 2\ntags: [ok, "no/t"]\n', 'routes.yaml'),
    )
    expect(error.code).toBe('input.invalid')
    expect(error.message).toMatch(/^routes\.yaml:1:1: \/name must be letters/)
    expect(error.facts.violations).toEqual([
      expect.objectContaining({ pointer: '/name', line: 1, column: 1 }),
      expect.objectContaining({ pointer: '/limits/burst', line: 4, column: 3 }),
      expect.objectContaining({ pointer: '/limits/rate', line: 3, column: 3 }),
      expect.objectContaining({ pointer: '/tags/1', line: 5, column: 12 }),
    ])
  })

  it('points at the object that lacks a member', () => {
    const error = refusal(() => readYaml(Route, 'tags: []\nlimits: {}\n', 'r'))
    expect(error.facts.violations).toContainEqual(
      expect.objectContaining({ pointer: '/limits', line: 2, column: 1 }),
    )
  })

  it('finds names that a pointer has to escape', () => {
    const error = refusal(() => readYaml(Route, 'name: a\nlimits: { rate: 1, "a/b~c": 2 }', 'r'))
    expect(error.facts.violations).toEqual([
      { pointer: '/limits/a~1b~0c', message: 'is not a known field', line: 2, column: 20 },
    ])
  })

  it('never repeats a secret', () => {
    const error = refusal(() => readYaml(Route, 'name: a\ntoken: hunter2\n', 'routes.yaml'))
    expect(error.code).toBe('secret.plaintext')
    expect(error.message).toMatch(/^routes\.yaml:2:1: /)
    expect(error.message).not.toContain('hunter2')
    expect(error.facts).toEqual({ pointer: '/token', line: 2, column: 1 })
  })

  it('passes other failures of a check on as they are', () => {
    const failure = new RangeError('mine')
    expect(() =>
      parseYaml('a: 1', 'r').check(() => {
        throw failure
      }),
    ).toThrow(failure)
  })
})

describe('what is not accepted', () => {
  it.each([
    ['a key twice', 'a: 1\nb: 2\na: 3', 3, 1],
    ['a key twice, once quoted', '"a": 1\na: 2', 2, 1],
    ['a merge key', 'a: &x {k: 1}\nb:\n  <<: *x', 3, 3],
    ['two documents', 'a: 1\n---\nb: 2', 2, 1],
    ['a tag', 'a: !!binary aGk=', 1, 4],
    ['a tag that is known', 'a: !!str 1', 1, 10],
    ['a tag on a list', 'a: !!seq [1]', 1, 10],
    ['an unknown tag', 'a: !!js/function "x"', 1, 4],
    ['another YAML', '%YAML 1.1\n---\na: yes', 1, 1],
    ['a key that is no text', '? [a, b]\n: 1', 1, 3],
    ['an alias without anchor', 'a: *x', 1, 4],
    ['an anchor that comes later', 'a: *x\nb: &x 1', 1, 4],
    ['a number without bounds', 'a: .inf', 1, 4],
    ['no number', 'a: .nan', 1, 4],
    ['a number that loses digits', 'a: 12345678901234567890', 1, 4],
    ['a number beyond a double', 'a: 1e999', 1, 4],
    ['tabs as indentation', 'a:\n\t- b', 2, 1],
    ['an open bracket', 'a: [1, 2', 1, 9],
  ])('%s', (_, text, line, column) => {
    const error = refused(text)
    expect(error.code).toBe('input.invalid')
    const [first] = error.facts.violations as { line: number; column: number }[]
    expect({ line: first?.line, column: first?.column }).toEqual({ line, column })
    expect(error.message).toContain(`routes.yaml:${line}:${column}: `)
  })

  it('an anchor inside itself', () => {
    expect(refused('&a [*a]').message).toContain('nested deeper')
    expect(refused('&a {x: *a, y: *a}').message).toContain('nested deeper')
  })

  it('aliases that grow', () => {
    const lines = ['l0: &l0 [x,x,x,x,x,x,x,x,x,x]']
    for (let i = 1; i < 9; i++) {
      const before = `*l${i - 1}`
      lines.push(`l${i}: &l${i} [${Array(10).fill(before).join(',')}]`)
    }
    expect(refused(lines.join('\n')).message).toContain('more than 50000 values')
  })

  it.each([
    ['lists', '['.repeat(100_000)],
    ['closed lists', '['.repeat(2_000) + ']'.repeat(2_000)],
    ['objects', '{a: '.repeat(30_000)],
    ['blocks', `${'- '.repeat(30_000)}x`],
    ['explicit keys', '? '.repeat(30_000)],
  ])('deep %s', (_, text) => {
    expect(refused(text).code).toBe('input.invalid')
  })

  it('brackets inside text are not depth', () => {
    expect(parseYaml(`a: "${'['.repeat(500)}"\nb: ${'x['.repeat(100)}`, 'r').value).toBeTypeOf('object')
  })

  it('too large a text', () => {
    expect(refused(`a: ${'x'.repeat(YAML_SIZE_MAX_BYTES)}`).message).toContain('bytes')
  })

  it('takes many keys', () => {
    const text = Array.from({ length: 15_000 }, (_, i) => `k${i}: 1`).join('\n')
    expect(Object.keys(parseYaml(text, 'r').value as object)).toHaveLength(15_000)
  })

  it('whatever comes, refuses with a code or answers what JSON can hold', () => {
    const yaml = fc.string({ unit: fc.constantFrom(...'{}[]:,-?&*!|>\'"%@` #\n\t\\ab1.~\u0000\ud800') })
    fc.assert(
      fc.property(yaml, (text) => {
        try {
          const { value } = parseYaml(text, 'r')
          expect(JSON.parse(JSON.stringify(value))).toEqual(value)
        } catch (error) {
          if (!(error instanceof PolityError)) throw error
          expect(error.code).toBe('input.invalid')
        }
      }),
      { numRuns: 2_000 },
    )
  })
})
