// CESQL against the specification's own conformance suite, and what it leaves open: precedence, bounds, errors.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parse as parseYaml } from 'yaml'
import { CesqlError, type CesqlEvent, type CesqlValue, compile } from './cesql.ts'

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
