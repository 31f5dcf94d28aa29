// The run of the fault tests of many runs: steps with effects outside, a nap, and branches.

import type { Module } from '../../src/kernel/catalog/module.ts'
import { Noted } from '../integration/lab/flow.contract.ts'
import { flow } from '../integration/lab/flow.ts'

export const STEPS = ['first', 'second', 'branches/a/step', 'branches/b/step', 'last'] as const

/** `onEffect` hears `run step` whenever a body begins; the body waits for it. */
export const manySteps = (onEffect: (effect: string) => void | Promise<void>): Module =>
  flow(async (ctx, { mark }) => {
    const take = (scope: typeof ctx, name: string, full: string) =>
      scope.step(name, async ({ record }) => {
        await onEffect(`${ctx.id} ${full}`)
        record(Noted({ run: ctx.id, note: full }))
        return 1
      })
    let sum = await take(ctx, 'first', 'first')
    await ctx.sleep('nap', { forMs: 20 })
    sum += await take(ctx, 'second', 'second')
    const { a, b } = await ctx.parallel('branches', {
      a: (scope) => take(scope, 'step', 'branches/a/step'),
      b: (scope) => take(scope, 'step', 'branches/b/step'),
    })
    sum += a + b + (await take(ctx, 'last', 'last'))
    return { mark, sum }
  })
