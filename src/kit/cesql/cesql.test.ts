// CESQL against the specification's own conformance suite, a naive LIKE, and whatever chance writes.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { CesqlError, type CesqlEvent, type CesqlNode, type CesqlValue, compile } from './cesql.ts'
import { printed } from './syntax.ts'

const VECTORS = resolve(
  process.env.POLITY_VECTORS ?? resolve(import.meta.dirname, '../../../../shared/vectors'),
  'cesql',
)
const hasVectors = existsSync(VECTORS)
if (!hasVectors)
  console.warn(`NOT RUN: the CESQL conformance suite is not at ${VECTORS} (set POLITY_VECTORS)`)

const EVENT = { specversion: '1.0', id: 'id', source: '/source', type: 'a.type' }
const answerOf = (text: string, event: CesqlEvent = EVENT) => compile(text).evaluate(event).value
const kindsOf = (text: string, event: CesqlEvent = EVENT) =>
  compile(text)
    .evaluate(event)
    .errors.map(({ kind }) => kind)
function refusal(text: string): CesqlError {
  try {
    compile(text)
  } catch (error) {
    if (error instanceof CesqlError) return error
    throw error
  }
  throw new Error(`${text} was accepted`)
}

describe.runIf(hasVectors)('the conformance suite of the specification', () => {
  it.each(vectors())('$file: $name', ({ expression, event, eventOverrides, result, error }) => {
    const given = { ...EVENT, ...event, ...eventOverrides }
    if (error === 'parse') {
      expect(refusal(expression).kind).toBe('parse')
      expect(result ?? false).toBe(false)
      return
    }
    const answer = compile(expression).evaluate(given)
    expect(answer.value).toBe(result)
    expect(answer.errors.map(({ kind }) => kind)).toEqual(error === undefined ? [] : [error])
    expect(compile(compile(expression).canonical).evaluate(given).value).toBe(result)
  })

  it('has 275 cases', () => {
    expect(vectors()).toHaveLength(275)
  })
})

describe('precedence', () => {
  it.each([
    ['1 + 2 * 3', '1 + (2 * 3)'],
    ['1 - 2 - 3', '(1 - 2) - 3'],
    ['8 / 4 / 2', '(8 / 4) / 2'],
    ['a OR b AND c', '(a OR b) AND c'],
    ['a XOR b OR c', '(a XOR b) OR c'],
    ['NOT a = b', '(NOT a) = b'],
    ['NOT a LIKE "x"', '(NOT a) LIKE "x"'],
    ['NOT EXISTS a', 'NOT (EXISTS a)'],
    ['-a IN (1)', '(-a) IN (1)'],
    ['4 * a IN (1)', '4 * (a IN (1))'],
    ['1 + 2 = 3 AND b', '((1 + 2) = 3) AND b'],
    ['a NOT LIKE "x" IN (TRUE)', '(a NOT LIKE "x") IN (TRUE)'],
    ['not not a', 'NOT (NOT a)'],
  ])('%s', (text, explicit) => {
    expect(compile(text).canonical).toBe(compile(explicit).canonical)
  })

  it('gives a sign to the number that it touches', () => {
    expect(answerOf('-2147483648')).toBe(-2147483648)
    expect(answerOf('4 -1')).toBe(3)
    expect(answerOf('4 - -1')).toBe(5)
    expect(answerOf('4 + +1')).toBe(5)
    expect(answerOf('---1')).toBe(-1)
    expect(Object.is(answerOf('-0'), 0)).toBe(true)
    expect(Object.is(answerOf('-(0)'), 0)).toBe(true)
  })
})

describe('integers', () => {
  it.each([
    '2147483647 + 1',
    '-2147483648 - 1',
    '65536 * 65536',
    '-(-2147483648)',
    '-2147483648 / -1',
    '2147483647 * 2147483647',
  ])('%s is a MathError and 0', (text) => {
    expect(compile(text).evaluate(EVENT)).toMatchObject({ value: 0, errors: [{ kind: 'math' }] })
  })

  it('compute as 32 bit integers do', () => {
    const integer = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    const operator = fc.constantFrom('+', '-', '*', '/', '%')
    fc.assert(
      fc.property(integer, operator, integer, (x, operator, y) => {
        fc.pre(y !== 0)
        const [a, b] = [BigInt(x), BigInt(y)]
        const exact = { '+': a + b, '-': a - b, '*': a * b, '/': a / b, '%': a % b }[operator] ?? 0n
        const isInRange = exact >= -(2n ** 31n) && exact < 2n ** 31n
        expect(answerOf(`(${x}) ${operator} (${y})`)).toBe(isInRange ? Number(exact) : 0)
        expect(kindsOf(`(${x}) ${operator} (${y})`)).toEqual(isInRange ? [] : ['math'])
      }),
    )
  })

  it.each(['2147483648', '-2147483649', '- 2147483648', '99999999999999999999999'])(
    '%s is not one',
    (text) => {
      expect(refusal(text).kind).toBe('parse')
    },
  )

  it.each(["INT('')", "INT('+')", "INT(' 1')", "INT('1.0')", "INT('0x1')", "INT('2147483648')", "INT('١')"])(
    '%s is a CastError',
    (text) => {
      expect(compile(text).evaluate(EVENT)).toMatchObject({ value: 0, errors: [{ kind: 'cast' }] })
    },
  )
})

describe('errors', () => {
  it('have their place', () => {
    const { errors } = compile('EXISTS id AND\n  missing = other').evaluate(EVENT)
    expect(errors).toEqual([
      {
        kind: 'missingAttribute',
        message: 'the event has no attribute missing',
        offset: 16,
        line: 2,
        column: 3,
      },
      {
        kind: 'missingAttribute',
        message: 'the event has no attribute other',
        offset: 26,
        line: 2,
        column: 13,
      },
    ])
  })

  it('that are known beforehand are told by the expression', () => {
    const { faults } = compile("LENGTH('a', 'b') = 1 OR \n nosuch()")
    expect(faults.map(({ kind, line }) => ({ kind, line }))).toEqual([
      { kind: 'missingFunction', line: 2 },
      { kind: 'missingFunction', line: 1 },
    ])
  })

  it('keep a filter from matching, whatever the value', () => {
    const text = 'NOT 10'
    expect(answerOf(text)).toBe(true)
    expect(compile(text).matches(EVENT)).toBe(false)
    expect(compile('1').matches(EVENT)).toBe(false)
    expect(compile("'true'").matches(EVENT)).toBe(false)
    expect(compile('true').matches(EVENT)).toBe(true)
  })

  it.each([
    ["'abc' = 0", false],
    ["'abc' != 0", false],
    ["'abc' + 1", 0],
    ["'abc' < 1", false],
    ["'abc' OR true", false],
    ["0 IN ('abc')", false],
    ["0 NOT IN ('abc')", false],
    ['(1 / 0) LIKE "0"', false],
    ['(1 / 0) IN (0)', false],
    ['LENGTH(missing)', 0],
    ["CONCAT('a', missing)", ''],
    ['missing OR true', false],
    ['missing XOR true', false],
  ])('%s answers the zero value', (text, value) => {
    expect(answerOf(text)).toBe(value)
    expect(kindsOf(text).length).toBeGreaterThan(0)
  })

  it.each([
    ['', 0],
    ['   ', 3],
    ['a b', 2],
    ['(a', 2],
    ['a)', 1],
    ["'a", 0],
    ['"a\\"', 0],
    ['a IN ()', 6],
    ['a IN (1,)', 8],
    ['a LIKE b', 7],
    ['a LIKE ("b")', 7],
    ['EXISTS (a)', 7],
    ['EXISTS not', 7],
    ['a_b = 1', 0],
    ['f1(2)', 0],
    ['a = # 1', 4],
    ['a = é', 4],
    ['= 1', 0],
    ['a == 1', 3],
    ['a ! = 1', 2],
    ['+ 5', 0],
    ['and', 0],
    ['a AND', 5],
    ['1 2', 2],
    ['a NOT b', 2],
    ['-', 1],
    ['data.x', 4],
    ['\u0000', 0],
    ['a\ud800', 1],
  ])('%j is refused at %i', (text, offset) => {
    expect(refusal(text)).toMatchObject({ kind: 'parse', offset })
  })
})

describe('attributes', () => {
  it('are own members only', () => {
    for (const name of ['constructor', 'tostring', 'hasownproperty', 'valueof', 'proto'])
      expect(kindsOf(`${name} = 'x'`)).toEqual(['missingAttribute'])
    expect(answerOf('EXISTS constructor')).toBe(false)
    expect(answerOf("constructor = 'x'", { ...EVENT, constructor: 'x' })).toBe(true)
  })

  it('beyond the three types are texts, or an error', () => {
    expect(answerOf("n = '1.5'", { n: 1.5 })).toBe(true)
    expect(answerOf("n = '4294967296'", { n: 2 ** 32 })).toBe(true)
    expect(kindsOf('n = 1', { n: { toString: () => '1' } } as never)).toEqual(['generic'])
    expect(kindsOf('n = 1', { n: null } as never)).toEqual(['missingAttribute'])
  })

  it('may be digits, letters, or both', () => {
    expect(answerOf("1a = 'x' AND a1 = 'x'", { '1a': 'x', a1: 'x' })).toBe(true)
    expect(answerOf('EXISTS 12', { '12': 'x' })).toBe(true)
  })

  it('that are read are listed', () => {
    expect([...compile('a = B OR (EXISTS c AND f(d) IN (a, e)) OR -g LIKE "h"').attributes].sort()).toEqual([
      ...'abcdeg',
    ])
  })
})

describe('functions', () => {
  it.each<[string, CesqlValue]>([
    ["LENGTH('a😀b')", 3],
    ["LEFT('😀😀😀', 2)", '😀😀'],
    ["RIGHT('a😀', 1)", '😀'],
    ["RIGHT('abc', 0)", ''],
    ["SUBSTRING('a😀b', 2, 1)", '😀'],
    ["SUBSTRING('abc', -3)", 'abc'],
    ["SUBSTRING('abc', 2, 2147483647)", 'bc'],
    ["TRIM('\u0085\u00a0\u3000 a\u2029')", 'a'],
    ["TRIM('\ufeffa\u0000')", '\ufeffa\u0000'],
    ["UPPER('straße')", 'STRASSE'],
    ['upper(lower(Concat_Ws(1, true, false)))', 'TRUE1FALSE'],
  ])('%s', (text, value) => {
    expect(compile(text).evaluate(EVENT)).toEqual({ value, errors: [] })
  })

  it.each(["SUBSTRING('abc', 1, -1)", "SUBSTRING('', 1)", "SUBSTRING('abc', 4)", "SUBSTRING('abc', 0, -1)"])(
    '%s fails',
    (text) => {
      expect(compile(text).evaluate(EVENT)).toMatchObject({
        value: '',
        errors: [{ kind: 'functionEvaluation' }],
      })
    },
  )

  it('make no text without bounds', () => {
    const text = `LENGTH(CONCAT(${Array(200).fill('a').join(',')}))`
    expect(compile(text).evaluate({ a: 'x'.repeat(1000) })).toMatchObject({
      value: 0,
      errors: [{ kind: 'functionEvaluation' }],
    })
  })
})

describe('LIKE', () => {
  const alphabet = fc.constantFrom('a', 'b', '%', '_', '\\', '😀')
  const words = fc.string({ unit: alphabet, maxLength: 12 })
  const quoted = (pattern: string) => printed({ kind: 'literal', value: pattern, offset: 0 })

  it('agrees with a naive model', () => {
    fc.assert(
      fc.property(words, words, (text, pattern) => {
        fc.pre(!pattern.endsWith('\\'))
        const expected = naiveLike(Array.from(text), Array.from(pattern))
        expect(answerOf(`x LIKE ${quoted(pattern)}`, { x: text })).toBe(expected)
        expect(answerOf(`x NOT LIKE ${quoted(pattern)}`, { x: text })).toBe(!expected)
      }),
      { numRuns: 5_000 },
    )
  })

  it('agrees with it over segments of many words', () => {
    const long = fc.string({ unit: fc.constantFrom('a', 'b', '_'), minLength: 28, maxLength: 70 })
    fc.assert(
      fc.property(long, long, long, fc.boolean(), (before, middle, after, isBroken) => {
        const spelled = middle.replaceAll('_', 'a')
        const text = `${before}${isBroken ? `${spelled.slice(0, -1)}c` : spelled}${after}`
        expect(answerOf(`x LIKE '%${middle}%'`, { x: text })).toBe(
          naiveSearch(Array.from(text), Array.from(middle)),
        )
      }),
      { numRuns: 500 },
    )
  })

  it('does work that grows with the text alone', () => {
    const matches = compile(`x LIKE '%${'a_'.repeat(40)}%${'%a'.repeat(500)}b'`)
    expect(matches.matches({ x: 'a'.repeat(60_000) })).toBe(false)
    expect(matches.matches({ x: `${'a'.repeat(60_000)}b` })).toBe(true)
  })
})

describe('whatever is written', () => {
  const word = fc.constantFrom(
    ...'a missing 1 -1 2147483647 ( ) , = != <> <= AND OR XOR NOT LIKE IN EXISTS + - * / % true "x%" \'\' LENGTH( CONCAT( INT( ABS( SUBSTRING('.split(
      ' ',
    ),
  )

  it('compiles, or throws a CesqlError; what compiles never throws, and prints to what it means', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.array(word, { maxLength: 20 }).map((each) => each.join(' ')),
        ),
        (text) => {
          try {
            const expression = compile(text)
            const again = compile(expression.canonical)
            expect(again.canonical).toBe(expression.canonical)
            expect(again.evaluate({ a: 'b' }).value).toBe(expression.evaluate({ a: 'b' }).value)
          } catch (error) {
            if (!(error instanceof CesqlError)) throw error
            expect(error.kind).toBe('parse')
            expect(error.offset).toBeLessThanOrEqual(text.length)
          }
        },
      ),
      { numRuns: 5_000 },
    )
  })

  it('as a tree, prints and parses back to the same tree, and evaluates', () => {
    fc.assert(
      fc.property(trees(), (tree) => {
        const expression = compile(printed(tree))
        expect(withoutPlaces(expression.tree)).toEqual(withoutPlaces(tree))
        const { value, errors } = expression.evaluate({ a: 'x', n: 5, b: true })
        expect(['string', 'number', 'boolean']).toContain(typeof value)
        if (typeof value === 'number') expect(Object.is(value, value | 0)).toBe(true)
        expect(expression.matches({ a: 'x', n: 5, b: true })).toBe(value === true && errors.length === 0)
      }),
      { numRuns: 1_000 },
    )
  })

  it('is bounded in length, depth and parts, and long chains are no depth', () => {
    expect(refusal(' '.repeat(5000)).message).toContain('4096 characters')
    expect(refusal('('.repeat(1000)).message).toContain('64 levels')
    expect(refusal('NOT '.repeat(1000)).message).toContain('64 levels')
    expect(refusal('-'.repeat(4000)).message).toContain('64 levels')
    expect(refusal('1+'.repeat(1000)).message).toContain('1024 parts')
    expect(answerOf(`${'1+'.repeat(500)}1`)).toBe(501)
    expect(answerOf(`${'('.repeat(60)}1${')'.repeat(60)}`)).toBe(1)
  })
})

interface Vector {
  readonly file: string
  readonly name: string
  readonly expression: string
  readonly event?: Record<string, CesqlValue>
  readonly eventOverrides?: Record<string, CesqlValue>
  readonly result: CesqlValue
  readonly error?: string
}

function vectors(): Vector[] {
  if (!hasVectors) return []
  return readdirSync(VECTORS)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .flatMap((file) =>
      (parseYaml(readFileSync(join(VECTORS, file), 'utf8')) as { tests: Vector[] }).tests.map((each) => ({
        ...each,
        // Some expressions are written without quotes, and are then numbers or booleans of YAML.
        expression: String(each.expression),
        file,
      })),
    )
}

function naiveLike(text: readonly string[], pattern: readonly string[]): boolean {
  const [head, ...rest] = pattern
  if (head === undefined) return text.length === 0
  if (head === '%') return naiveLike(text, rest) || (text.length > 0 && naiveLike(text.slice(1), pattern))
  if (head === '_') return text.length > 0 && naiveLike(text.slice(1), rest)
  const isEscape = head === '\\' && (rest[0] === '%' || rest[0] === '_')
  const [wanted, after] = isEscape ? [rest[0], rest.slice(1)] : [head, rest]
  return text[0] === wanted && naiveLike(text.slice(1), after)
}

const naiveSearch = (text: readonly string[], segment: readonly string[]) =>
  text.some(
    (_, at) =>
      at + segment.length <= text.length &&
      segment.every((wanted, i) => wanted === '_' || wanted === text[at + i]),
  )

function trees(): fc.Arbitrary<CesqlNode> {
  const offset = 0
  const text = fc.string({ maxLength: 6 }).filter((value) => !value.endsWith('\\'))
  const name = fc.constantFrom('a', 'n', 'b', 'missing', 'constructor')
  const { tree } = fc.letrec<{ tree: CesqlNode }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc
        .oneof(text, fc.integer(), fc.boolean())
        .map((value): CesqlNode => ({ kind: 'literal', value, offset })),
      name.map((name): CesqlNode => ({ kind: 'attribute', name, offset })),
      name.map((name): CesqlNode => ({ kind: 'exists', name, offset })),
      fc
        .record({
          kind: fc.constant('call' as const),
          name: fc.constantFrom('LENGTH', 'INT', 'CONCAT_WS', 'LEFT', 'NOSUCH'),
          args: fc.array(tie('tree'), { maxLength: 3 }),
        })
        .map((call): CesqlNode => ({ ...call, offset })),
      fc
        .record({
          kind: fc.constant('unary' as const),
          operator: fc.constantFrom('NOT' as const, '-' as const),
          operand: tie('tree'),
        })
        .map((unary): CesqlNode => ({ ...unary, offset })),
      fc
        .record({
          kind: fc.constant('binary' as const),
          operator: fc.constantFrom(
            ...([
              'OR',
              'AND',
              'XOR',
              '=',
              '!=',
              '<>',
              '<',
              '<=',
              '>',
              '>=',
              '+',
              '-',
              '*',
              '/',
              '%',
            ] as const),
          ),
          left: tie('tree'),
          right: tie('tree'),
        })
        .map((binary): CesqlNode => ({ ...binary, offset })),
      fc
        .record({
          kind: fc.constant('like' as const),
          operand: tie('tree'),
          pattern: text,
          isNegated: fc.boolean(),
        })
        .map((like): CesqlNode => ({ ...like, offset })),
      fc
        .record({
          kind: fc.constant('in' as const),
          operand: tie('tree'),
          set: fc.array(tie('tree'), { minLength: 1, maxLength: 3 }),
          isNegated: fc.boolean(),
        })
        .map((each): CesqlNode => ({ ...each, offset })),
    ),
  }))
  return tree.filter((each) => printed(each).length <= 4000)
}

const withoutPlaces = (node: CesqlNode): unknown =>
  JSON.parse(JSON.stringify(node, (key, value) => (key === 'offset' ? undefined : value)))
