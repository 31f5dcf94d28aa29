// Whatever is written in CESQL: it compiles or is refused, never throws afterwards, and prints to what it means.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CesqlError, type CesqlEvent, type CesqlNode, compile } from './cesql.ts'
import { printed } from './syntax.ts'

const EVENT = { specversion: '1.0', id: 'id', source: '/source', type: 'a.type' }
const answerOf = (text: string, event: CesqlEvent = EVENT) => compile(text).evaluate(event).value
function refusal(text: string): CesqlError {
  try {
    compile(text)
  } catch (error) {
    if (error instanceof CesqlError) return error
    throw error
  }
  throw new Error(`${text} was accepted`)
}

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

  it.each([
    ['chains', `a${' OR a'.repeat(300)}`],
    ['mixed chains', `a = 1${' AND a + 1 < 2'.repeat(60)}`],
    ['what binds to the right', `${'(1 - '.repeat(60)}1${')'.repeat(60)}`],
    ['NOT upon NOT', `${'NOT '.repeat(60)}a`],
    ['minus upon minus', `${'- '.repeat(60)}5`],
    ['LIKE upon LIKE', `a${" LIKE 'x'".repeat(60)}`],
  ])('is no deeper in canonical text: %s', (_, text) => {
    const { canonical, tree } = compile(text)
    expect(withoutPlaces(compile(canonical).tree)).toEqual(withoutPlaces(tree))
  })

  it.each([
    ['NOT(a)=b', 'NOT a = b'],
    ['NOT (a = b)', 'NOT (a = b)'],
    ['(a OR b) AND c', 'a OR b AND c'],
    ['a OR (b AND c)', 'a OR (b AND c)'],
    ['(a + 1) * -5', '(a + 1) * -5'],
    ['-(5) - -(a)', '- 5 - -a'],
    ["NOT (a LIKE 'x') IN (1, (2))", "NOT (a LIKE 'x') IN (1, 2)"],
  ])('%s is %s', (text, canonical) => expect(compile(text).canonical).toBe(canonical))

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
