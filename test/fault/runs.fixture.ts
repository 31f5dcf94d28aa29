// The run of the fault tests of many runs: steps with effects outside, events where somebody takes them, a nap, and branches.

import type { Module } from '../../src/kernel/catalog/module.ts'
import { publish } from '../../src/modules/mesh/contract.ts'
import { Noted } from '../integration/lab/flow.contract.ts'
import { flow } from '../integration/lab/flow.ts'

export const STEPS = ['first', 'second', 'branches/a/step', 'branches/b/step', 'last'] as const

/** Those that publish an event of what they are. */
export const PUBLISHING: readonly string[] = ['first', 'branches/a/step']
export const EVENT_TYPE = 'order.handled'

export interface ManyStepsOptions {
  readonly isPublishing?: boolean
}

/**
 * `onEffect` hears `run step` whenever a body comes to it; the body waits for it. Events are published before that, and
 * under no id of their own: that a body which is repeated publishes nothing again is the run's doing.
 */
export const manySteps = (
  onEffect: (effect: string) => void | Promise<void>,
  { isPublishing = false }: ManyStepsOptions = {},
): Module =>
  flow(async (ctx, { mark }) => {
    const take = (scope: typeof ctx, name: string, full: string) =>
      scope.step(name, async ({ record }) => {
        if (isPublishing && PUBLISHING.includes(full))
          await scope.invoke(publish, { type: EVENT_TYPE, subject: ctx.id, data: { note: full } })
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
