// Procedures carried out: against a naive interpreter, through crashes anywhere, with failures that are and are not meant to stop.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../../kernel/errors.ts'
import { carryOut } from './carrying-out.ts'
import { checkDefinition } from './checking.ts'
import { openLab } from './lab.fixture.ts'
import type { Definition, Step } from './steps.ts'

/** Actions that compute: their results tell which inputs they got. */
function act(name: string, input: unknown): unknown {
  const { value = null } = input as { value?: unknown }
  switch (name) {
    case 'math.double':
      return { value: typeof value === 'number' ? value * 2 : 0 }
    case 'math.fail':
      throw new PolityError('not-found', 'there is none', {})
    default:
      return { value }
  }
}

const procedure = (steps: readonly unknown[], more: object = {}): Definition =>
  checkDefinition({ name: 'p', steps, ...more }).definition
const outputOf = async (steps: readonly unknown[], input: unknown = {}, more: object = {}) => {
  const lab = openLab(act)
  const { result } = await lab.live((ctx) => carryOut(ctx, procedure(steps, more), input))
  return result
}
const action = (name: string, input: unknown, more: object = {}) => ({
  kind: 'action',
  name,
  action: 'test.echo',
  input,
  ...more,
})
const THEN = 'then'
const ref = ($ref: string) => ({ $ref })

describe('a procedure', () => {
  it('hands results on by references, and answers the outputs by name', async () => {
    expect(
      await outputOf(
        [
          action('first', { value: ref('/input/x') }),
          { ...action('second', { value: ref('/steps/first/output/value') }), action: 'math.double' },
          {
            kind: 'query',
            name: 'third',
            query: 'test.read',
            input: { value: [ref('/steps/second/output')] },
          },
        ],
        { x: 21 },
      ),
    ).toEqual({ first: { value: 21 }, second: { value: 42 }, third: { value: [{ value: 42 }] } })
  })

  it('answers what its output says, and takes literals as they are', async () => {
    const steps = [action('a', { value: { $literal: { $ref: '/input/x' } } })]
    expect(
      await outputOf(
        steps,
        {},
        { output: { got: ref('/steps/a/output/value'), status: ref('/steps/a/status') } },
      ),
    ).toEqual({
      got: { $ref: '/input/x' },
      status: 'done',
    })
  })

  it('goes on after a step that may fail, and stops at one that may not', async () => {
    const failing = { ...action('a', {}), action: 'math.fail' }
    expect(
      await outputOf([
        { ...failing, onError: 'continue' },
        action('b', { value: ref('/steps/a/error/code') }),
      ]),
    ).toEqual({ a: null, b: { value: 'not-found' } })
    await expect(outputOf([failing, action('b', {})])).rejects.toMatchObject({ code: 'not-found' })
  })

  it('decides by what it found', async () => {
    const deciding = (condition: unknown) => [
      action('a', { value: 3 }),
      {
        kind: 'condition',
        name: 'c',
        if: condition,
        [THEN]: [action('yes', { value: ref('/steps/a/output/value') })],
        else: [action('no', {})],
      },
    ]
    const ask = async (condition: unknown) => {
      const { c } = (await outputOf(deciding(condition))) as { c: object }
      return Object.keys(c)[0] === 'yes'
    }
    const at = '/steps/a/output/value'
    expect(await ask({ ref: at, is: '=', value: 3 })).toBe(true)
    expect(await ask({ ref: at, is: '!=', value: { a: 1 } })).toBe(true)
    expect(await ask({ ref: at, is: '>', value: 3 })).toBe(false)
    expect(await ask({ ref: at, is: '>=', value: ref(at) })).toBe(true)
    expect(await ask({ ref: at, is: 'in', value: [1, 2] })).toBe(false)
    expect(await ask({ not: { ref: '/steps/a/output/other', is: 'exists' } })).toBe(true)
    expect(await ask({ ref: '/steps/a/output/constructor', is: 'exists' })).toBe(false)
    expect(
      await ask({
        all: [
          { ref: at, is: 'exists' },
          {
            any: [
              { ref: at, is: '<', value: 0 },
              { ref: at, is: '=', value: 3 },
            ],
          },
        ],
      }),
    ).toBe(true)
    await expect(ask({ ref: at, is: '<', value: '3' })).rejects.toMatchObject({
      code: 'procedures.not-comparable',
    })
    await expect(ask({ ref: `${at}/x`, is: '=', value: 1 })).rejects.toMatchObject({
      code: 'procedures.no-value',
    })
  })

  it('takes every item, in order, with what is around', async () => {
    const steps = [
      action('base', { value: 10 }),
      {
        kind: 'foreach',
        name: 'all',
        items: ref('/input/items'),
        steps: [
          action('one', { value: [ref('/item'), ref('/index'), ref('/steps/base/output/value')] }),
          { ...action('two', { value: ref('/item') }), action: 'math.double' },
        ],
      },
    ]
    expect(await outputOf(steps, { items: [5, 6] })).toMatchObject({
      all: [
        { one: { value: [5, 0, 10] }, two: { value: 10 } },
        { one: { value: [6, 1, 10] }, two: { value: 12 } },
      ],
    })
    await expect(outputOf(steps, { items: 'abc' })).rejects.toMatchObject({ code: 'input.invalid' })
    await expect(outputOf(steps, { items: Array(1001).fill(1) })).rejects.toMatchObject({
      code: 'input.invalid',
    })
    await expect(outputOf(steps, {})).rejects.toMatchObject({ code: 'procedures.no-value' })
  })

  it('waits by length and by time, and for signals', async () => {
    const lab = openLab(act)
    lab.signals.set('approved', { by: 'ann' })
    const steps = [
      { kind: 'wait', name: 'a', forMs: ref('/input/ms') },
      { kind: 'wait', name: 'b', until: '2026-02-01T00:00:00Z' },
      { kind: 'signal', name: 'c', signal: 'approved' },
      { kind: 'signal', name: 'd', onError: 'continue', timeoutMs: 10 },
    ]
    const { result } = await lab.live((ctx) => carryOut(ctx, procedure(steps), { ms: 5 }))
    expect(result).toEqual({ a: null, b: null, c: { by: 'ann' }, d: null })
    expect(lab.sleeps).toEqual([{ forMs: 5 }, { untilMs: Date.UTC(2026, 1, 1) }])
    for (const ms of [-1, 0.5, '5', null, Number.MAX_SAFE_INTEGER])
      await expect(outputOf(steps, { ms })).rejects.toMatchObject({ code: 'input.invalid' })
  })

  it('starts another one through the gate', async () => {
    const lab = openLab((_, input) => ({ name: 'sub', digest: 'x', output: input }))
    const steps = [{ kind: 'procedure', name: 'a', procedure: 'sub', input: { x: ref('/input/y') } }]
    const { result } = await lab.live((ctx) => carryOut(ctx, procedure(steps), { y: 1 }))
    expect(lab.asked).toEqual([['procedures.start@1', { name: 'sub', input: { x: 1 } }]])
    expect(result).toEqual({ a: { name: 'sub', input: { x: 1 } } })
  })

  it('needs the inputs that it names, and takes no others', async () => {
    const take = (input: unknown) => outputOf([], input, { inputs: ['x'] })
    expect(await take({ x: 1 })).toEqual({})
    for (const input of [{}, { x: 1, y: 2 }, [], null, 'x', { constructor: 1 }])
      await expect(take(input)).rejects.toMatchObject({ code: 'input.invalid' })
  })

  it('asks for nothing twice that was recorded, wherever it was interrupted', async () => {
    const steps = [
      {
        kind: 'foreach',
        name: 'all',
        items: [1, 2, 3, 4],
        steps: [
          action('one', { value: ref('/item') }),
          action('two', { value: ref('/steps/one/output/value') }),
        ],
      },
      action('end', { value: ref('/steps/all/output/3/two/value') }),
    ]
    const whole = await outputOf(steps)
    for (let stepsPerLife = 1; stepsPerLife < 9; stepsPerLife++) {
      const lab = openLab(act)
      const { result, lives } = await lab.live((ctx) => carryOut(ctx, procedure(steps), {}), stepsPerLife)
      expect(result).toEqual(whole)
      // Each life but the last loses the one result that it could not record.
      expect(lab.asked).toHaveLength(9 + lives - 1)
    }
  })
})

describe('any procedure', () => {
  it('ends with what a naive interpreter says, through crashes anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(
        blocks(),
        fc.nat(20),
        fc.integer({ min: 1, max: 6 }),
        async (shapes, x, stepsPerLife) => {
          const definition = procedure(named(shapes))
          const expected = settled(() => naive(definition.steps as Step[], { input: { x } }, {}))
          const lab = openLab(act)
          const got = await lab
            .live((ctx) => carryOut(ctx, definition, { x }), stepsPerLife)
            .then(
              ({ result }) => ({ result }),
              ({ code }) => ({ code }),
            )
          expect(got).toEqual(expected)
        },
      ),
      { numRuns: 300 },
    )
  })
})

const settled = (body: () => unknown) => {
  try {
    return { result: body() }
  } catch (error) {
    return { code: (error as PolityError).code }
  }
}

interface Shape {
  readonly kind: 'echo' | 'double' | 'fail' | 'foreach' | 'condition' | 'parallel'
  readonly isMeantToGoOn: boolean
  readonly reach: number
  readonly blocks: readonly (readonly Shape[])[]
}

function blocks(): fc.Arbitrary<readonly Shape[]> {
  const { block } = fc.letrec<{ block: readonly Shape[]; shape: Shape }>((tie) => ({
    block: fc.array(tie('shape'), { maxLength: 4, depthIdentifier: 'procedure' }),
    shape: fc.record({
      kind: fc.constantFrom('echo', 'echo', 'double', 'fail', 'foreach', 'condition', 'parallel'),
      isMeantToGoOn: fc.boolean(),
      reach: fc.nat(5),
      blocks: fc.oneof(
        { maxDepth: 2, depthIdentifier: 'procedure' },
        fc.constant([]),
        fc.tuple(tie('block'), tie('block')),
      ),
    }) as fc.Arbitrary<Shape>,
  }))
  return block
}

/** Steps of the shapes, each with a name of its own and references to what stands before it. */
function named(shapes: readonly Shape[]): unknown[] {
  let count = 0
  const block = (each: readonly Shape[], before: readonly string[], isInLoop: boolean): unknown[] => {
    const seen = [...before]
    return each.map((shape) => {
      const step = stepOf(shape, seen, isInLoop)
      seen.push(step.name)
      return step
    })
  }
  const stepOf = (
    { kind, isMeantToGoOn, reach, blocks: [first = [], second = []] }: Shape,
    before: readonly string[],
    isInLoop: boolean,
  ) => {
    const name = `s${count++}`
    const target = before[before.length - 1 - reach]
    const value = target === undefined ? ref(isInLoop ? '/item' : '/input/x') : ref(`/steps/${target}/status`)
    const shared = { name, ...(isMeantToGoOn ? { onError: 'continue' } : {}) }
    switch (kind) {
      case 'foreach':
        return { ...shared, kind, items: [1, ref('/input/x')], steps: block(first, before, true) }
      case 'condition':
        return {
          ...shared,
          kind,
          if: { ref: '/input/x', is: '<', value: reach * 4 },
          [THEN]: block(first, before, isInLoop),
          else: block(second, before, isInLoop),
        }
      case 'parallel':
        return {
          ...shared,
          kind,
          branches: { left: block(first, before, isInLoop), right: block(second, before, isInLoop) },
        }
      default:
        return {
          ...shared,
          kind: 'action',
          action: kind === 'echo' ? 'test.echo' : `math.${kind}`,
          input: { value: kind === 'double' ? ref('/input/x') : value },
        }
    }
  }
  return block(shapes, [], false)
}

interface Told {
  readonly status: string
  readonly output: unknown
}

/** The meaning of a procedure, without a journal and one thing after the other. */
function naive(
  steps: readonly Step[],
  values: Readonly<Record<string, unknown>>,
  around: Readonly<Record<string, Told>>,
): Record<string, unknown> {
  const seen: Record<string, Told> = { ...around }
  const outputs: Record<string, unknown> = {}
  for (const step of steps) {
    let told: Told
    try {
      told = { status: 'done', output: naiveStep(step, values, seen) }
    } catch (error) {
      if (step.onError !== 'continue') throw error
      told = { status: 'failed', output: null }
    }
    seen[step.name] = told
    outputs[step.name] = told.output
  }
  return outputs
}

function naiveStep(
  step: Step,
  values: Readonly<Record<string, unknown>>,
  seen: Readonly<Record<string, Told>>,
): unknown {
  const open = (value: unknown): unknown => {
    const pointer = (value as { $ref?: string } | null)?.$ref
    if (pointer === undefined) return value
    const parts = pointer.split('/').slice(1)
    if (parts[0] === 'steps') return seen[parts[1] ?? '']?.status
    return parts[0] === 'item' ? values.item : (values.input as { x: number }).x
  }
  switch (step.kind) {
    case 'action':
      return act(step.action, { value: open((step.input as { value: unknown }).value) })
    case 'foreach':
      return (step.items as unknown[]).map((item) =>
        naive(step.steps as Step[], { ...values, item: open(item) }, seen),
      )
    case 'condition': {
      const { value } = step.if as { value: number }
      return naive(
        ((values.input as { x: number }).x < value ? step.then : step.else) as Step[],
        values,
        seen,
      )
    }
    case 'parallel':
      return Object.fromEntries(
        Object.entries(step.branches).map(([name, each]) => [name, naive(each as Step[], values, seen)]),
      )
    default:
      throw new Error(step.kind)
  }
}
