// What a definition may be: every mistake has its place, and nothing that passes can break a run by its form.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../../kernel/errors.ts'
import type { Violation } from '../../kernel/schema/schema.ts'
import { checkDefinition } from './checking.ts'

const THEN = 'then'

function violationsOf(value: unknown, known?: Parameters<typeof checkDefinition>[1]): readonly Violation[] {
  try {
    checkDefinition(value, known)
    return []
  } catch (error) {
    if (!(error instanceof PolityError) || error.code !== 'input.invalid') throw error
    return error.facts.violations as readonly Violation[]
  }
}
const placesOf = (steps: readonly unknown[], more: object = {}) =>
  violationsOf({ name: 'p', steps, ...more }).map(({ pointer }) => pointer)

const action = (name: string, input: unknown = {}, more: object = {}) => ({
  kind: 'action',
  name,
  action: 'test.echo',
  input,
  ...more,
})
const ref = ($ref: unknown) => ({ $ref })

describe('a definition', () => {
  it('of every kind of step passes', () => {
    const steps = [
      action(
        'a',
        { x: ref('/input/x') },
        { retry: { attemptsMax: 3, baseMs: 10, capMs: 100 }, timeoutMs: 5 },
      ),
      action(
        'b',
        {},
        { undo: { action: 'test.undo', input: { id: ref('/output/id'), was: ref('/steps/a/output') } } },
      ),
      { kind: 'query', name: 'c', query: 'test.get@1' },
      { kind: 'wait', name: 'd', forMs: 10 },
      { kind: 'signal', name: 'e', signal: 'approved', timeoutMs: 10 },
      {
        kind: 'parallel',
        name: 'f',
        branches: { one: [action('x')], two: [action('x', ref('/steps/a/status'))] },
      },
      {
        kind: 'foreach',
        name: 'g',
        items: ref('/steps/a/output'),
        steps: [action('x', [ref('/item'), ref('/index')])],
      },
      {
        kind: 'condition',
        name: 'h',
        if: {
          any: [
            { not: { ref: '/steps/e/output/ok', is: '=', value: true } },
            { ref: '/run/id', is: 'exists' },
          ],
        },
        [THEN]: [action('x')],
        else: [action('x')],
      },
      { kind: 'procedure', name: 'i', procedure: 'other', onError: 'continue' },
    ]
    const { procedures } = checkDefinition({
      name: 'p',
      steps,
      inputs: ['x'],
      output: ref('/steps/h/output/x'),
    })
    expect([...procedures]).toEqual([['other', '/steps/8/procedure']])
  })

  it.each<[string, unknown[], string[]]>([
    ['a kind that is none', [{ kind: 'loop', name: 'a' }], ['/steps/0/kind']],
    ['a kind of a prototype', [{ kind: 'constructor', name: 'a' }], ['/steps/0/kind']],
    [
      'no step at all',
      [null, 7, 'x', []],
      ['/steps/0/kind', '/steps/1/kind', '/steps/2/kind', '/steps/3/kind'],
    ],
    ['a key that is unknown', [action('a', {}, { retries: 3 })], ['/steps/0/retries']],
    ['a key of another kind', [{ kind: 'wait', name: 'a', forMs: 1, timeoutMs: 1 }], ['/steps/0/timeoutMs']],
    ['a name that is none', [action('a/b')], ['/steps/0/name']],
    ['a name twice', [action('a'), action('a')], ['/steps/1/name']],
    [
      'a name that stands around',
      [action('a'), { kind: 'parallel', name: 'b', branches: { x: [action('a')] } }],
      ['/steps/1/branches/x/0/name'],
    ],
    [
      'a signal twice',
      [
        { kind: 'signal', name: 'a', signal: 's' },
        { kind: 'signal', name: 'b', signal: 's' },
      ],
      ['/steps/1'],
    ],
    ['a step called like a signal', [{ kind: 'signal', name: 'a', signal: 's' }, action('s')], ['/steps/1']],
    ['a step that comes later', [action('a', ref('/steps/b/output')), action('b')], ['/steps/0/input/$ref']],
    ['itself', [action('a', ref('/steps/a/output'))], ['/steps/0/input/$ref']],
    [
      'a step of another branch',
      [
        {
          kind: 'parallel',
          name: 'p',
          branches: { x: [action('a')], y: [action('b', ref('/steps/a/output'))] },
        },
      ],
      ['/steps/0/branches/y/0/input/$ref'],
    ],
    [
      'a step inside a block',
      [{ kind: 'foreach', name: 'f', items: [], steps: [action('a')] }, action('b', ref('/steps/a/output'))],
      ['/steps/1/input/$ref'],
    ],
    [
      'a part of a step that is none',
      [action('a'), action('b', ref('/steps/a/result'))],
      ['/steps/1/input/$ref'],
    ],
    ['an item without a foreach', [action('a', ref('/item'))], ['/steps/0/input/$ref']],
    ['a result outside of an undo', [action('a', ref('/output'))], ['/steps/0/input/$ref']],
    ['a root that is none', [action('a', ref('/env/HOME'))], ['/steps/0/input/$ref']],
    ['a pointer that is none', [action('a', ref('input/x'))], ['/steps/0/input/$ref']],
    ['a reference that is no text', [action('a', ref(7))], ['/steps/0/input/$ref']],
    ['a reference with company', [action('a', { $ref: '/input', x: 1 })], ['/steps/0/input/$ref']],
    ['a wait without a time', [{ kind: 'wait', name: 'a' }], ['/steps/0']],
    ['a wait with two', [{ kind: 'wait', name: 'a', forMs: 1, until: 'x' }], ['/steps/0']],
    ['no branches', [{ kind: 'parallel', name: 'a', branches: {} }], ['/steps/0/branches']],
    ['a condition that is none', [{ kind: 'condition', name: 'a', if: true, [THEN]: [] }], ['/steps/0/if']],
    [
      'a comparison that is none',
      [{ kind: 'condition', name: 'a', if: { ref: '/input', is: '~', value: 1 }, [THEN]: [] }],
      ['/steps/0/if/is'],
    ],
    [
      'a condition about nothing',
      [{ kind: 'condition', name: 'a', if: { all: [{ ref: '/steps/x', is: 'exists' }] }, [THEN]: [] }],
      ['/steps/0/if/all/0/ref'],
    ],
    ['an action that is no name', [action('a', {}, { action: 'rm -rf' })], ['/steps/0/action']],
  ])('may not have %s', (_, steps, places) => {
    expect([...new Set(placesOf(steps))]).toEqual(places)
  })

  it('may only speak about inputs that it names', () => {
    const steps = [action('a', ref('/input/y'))]
    expect(placesOf(steps, { inputs: ['x'] })).toEqual(['/steps/0/input/$ref'])
    expect(placesOf(steps)).toEqual([])
    expect(placesOf([], { output: ref('/steps/a/output') })).toEqual(['/output/$ref'])
  })

  it('may only ask for what the hub can do, if that is known', () => {
    const steps = [
      action('a', {}, { undo: { action: 'test.undo' } }),
      { kind: 'query', name: 'b', query: 'test.get' },
    ]
    const known = { actions: new Set(['test.echo']), queries: new Set<string>() }
    expect(violationsOf({ name: 'p', steps }, known).map(({ pointer }) => pointer)).toEqual([
      '/steps/0/undo/action',
      '/steps/1/query',
    ])
  })

  it('is bounded in depth, steps and mistakes', () => {
    let steps: unknown[] = [action('x')]
    for (let i = 0; i < 60; i++) steps = [{ kind: 'foreach', name: `f${i}`, items: [], steps }]
    expect(violationsOf({ name: 'p', steps })[0]?.message).toContain('nested deeper')
    const many = Array.from({ length: 150 }, (_, i) => action(`a${i}`))
    expect(placesOf(many)).toEqual([])
    const nested = [
      { kind: 'foreach', name: 'f', items: [], steps: many },
      { kind: 'foreach', name: 'g', items: [], steps: many },
    ]
    expect(violationsOf({ name: 'p', steps: nested })[0]?.message).toContain('200 steps')
    let condition: unknown = { ref: '/input', is: 'exists' }
    for (let i = 0; i < 60; i++) condition = { not: condition }
    expect(placesOf([{ kind: 'condition', name: 'c', if: condition, [THEN]: [] }])).toHaveLength(1)
    expect(placesOf(Array(199).fill(null))).toHaveLength(20)
  })

  it('is refused or taken, whatever it is, and never breaks the check', () => {
    const word = fc.constantFrom(
      'kind',
      'name',
      'action',
      'steps',
      'branches',
      'if',
      THEN,
      '$ref',
      '$literal',
      '__proto__',
      'all',
      'not',
      'ref',
      'is',
      'input',
      'x',
    )
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 5 },
        fc.constantFrom<unknown>(
          'action',
          'condition',
          'foreach',
          'a',
          '/input',
          '/steps/a/output',
          'exists',
          null,
          1,
          true,
        ),
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(word, tie('any'), { maxKeys: 5 }),
      ),
    })).any
    fc.assert(
      fc.property(fc.array(value), value, (steps, output) => {
        expect(Array.isArray(violationsOf({ name: 'p', steps, output }))).toBe(true)
      }),
      { numRuns: 1_000 },
    )
  })
})
