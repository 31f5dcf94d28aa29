// The handlers of the test module; `hooks` let a test hold, break or count the bodies of steps.

import type { CommandContext } from '../../../src/kernel/catalog/context.ts'
import { defineModule, type Module } from '../../../src/kernel/catalog/module.ts'
import { PolityError } from '../../../src/kernel/errors.ts'
import * as contract from './contract.ts'
import {
  Counted,
  counters,
  danger,
  delegate,
  Ended,
  increment,
  keep,
  Stepped,
  stumble,
  work,
  workOnce,
} from './contract.ts'

export interface LabHooks {
  /** Runs inside of each step's body, before its result. */
  readonly onBody?: (run: string, step: string, signal: AbortSignal) => unknown
  /** Runs at the end of a run's handler, outside of any step. */
  readonly onEnd?: (ctx: CommandContext) => unknown
}

interface WorkInput {
  readonly steps: number
  readonly secret?: string
  readonly failAt?: number
}

export const lab = (hooks: LabHooks = {}): Module =>
  defineModule(
    'lab',
    { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
    {
      commands: [
        increment.handle(async (ctx, { counter }) => {
          const seen = (await ctx.get(counters, counter))?.value.count ?? 0
          ctx.record(Counted({ counter, seen }))
          return { count: seen + 1 }
        }),
        stumble.handle((ctx, { counter }) => {
          ctx.record(Counted({ counter, seen: 0 }))
          throw new PolityError('not-found', 'there is nothing to stumble over')
        }),
        danger.handle((_ctx, { note }) => ({ note })),
        keep.handle((_ctx, { secret }) => ({ secret })),
        work.handle((ctx, input) => takeSteps(ctx, input, hooks)),
        workOnce.handle((ctx, input) => takeSteps(ctx, input, hooks)),
        delegate.handle(async (ctx, { counter, times = 1 }) => {
          let [count, total] = [0, 0]
          for (let time = 0; time < times; time++) {
            ;({ count } = await ctx.invoke(increment, {
              counter: time === 0 ? counter : `${counter}${time}`,
            }))
            ;({ total } = await ctx.invoke(work, { steps: 2, secret: `of ${counter}` }))
          }
          await hooks.onEnd?.(ctx)
          return { count, total }
        }),
      ],
    },
  )

async function takeSteps(ctx: CommandContext, { steps, secret = '', failAt }: WorkInput, hooks: LabHooks) {
  let total = 0
  for (let step = 0; step < steps; step++) {
    const name = `step ${step}`
    total += await ctx.step(name, async ({ record, signal }) => {
      record(Stepped({ run: ctx.id, step: name, body: `${secret}${step}` }))
      await hooks.onBody?.(ctx.id, name, signal)
      if (secret !== '') await ctx.step(`aside ${step}`, () => ({ secret }))
      if (step === failAt) throw new PolityError('timeout', `${name} took too long`)
      return step + 1
    })
    ctx.progress({ done: step + 1, total: steps, note: name })
  }
  await hooks.onEnd?.(ctx)
  ctx.record(Ended({ run: ctx.id }))
  return { total, secret }
}
