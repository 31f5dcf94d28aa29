// The action that the bench of runs asks for: steps that only answer.

import { command } from '../src/kernel/catalog/definition.ts'
import { defineModule } from '../src/kernel/catalog/module.ts'
import { Closed, Integer, Type } from '../src/kernel/schema/schema.ts'

const take = command('bench.steps@1', {
  summary: 'Takes steps that only answer.',
  input: { count: Integer, isPure: Type.Optional(Type.Boolean()) },
  output: Closed({ sum: Integer }),
  risk: 'low',
  effect: 'idempotent',
})

export const steps = defineModule(
  'bench',
  { url: new URL('./runs-module.ts', import.meta.url).href, exports: { take } },
  {
    commands: [
      take.handle(async (ctx, { count, isPure = false }) => {
        let sum = 0
        for (let step = 0; step < count; step++) sum += await ctx.step(`${step}`, () => step, { isPure })
        return { sum }
      }),
    ],
  },
)
