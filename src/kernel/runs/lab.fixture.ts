// What the simulator's test of runs executes: a command of steps, and the facts that tell how often each happened.

import { type CommandHandler, command } from '../catalog/definition.ts'
import { entryType } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Closed, Integer, Type } from '../schema/schema.ts'
import type { Asking } from './asking-port.ts'

export const Stepped = entryType('simulation.stepped@1', { run: Type.String(), step: Integer })

export const stepped = view<{ readonly times: number }, typeof Stepped>('simulation.stepped', 1, {
  from: [Stepped],
  keys: ({ data }) => [`${data.run}/${data.step}`],
  fold: (row) => ({ times: (row?.value.times ?? 0) + 1 }),
})

const refused = () => Promise.reject(new Error('nobody is asked'))

/** For runs that ask nobody. */
export const nobodyIsAsked: Asking = {
  keyOf: () => '',
  begin: refused,
  agreed: refused,
  withdraw: refused,
  ended: refused,
  cancel: refused,
  ask: refused,
}

/** `onBody` hears of each body that begins; quiet steps have results and no facts. */
export const handlerOf =
  (
    effect: 'idempotent' | 'once',
    steps: number,
    onBody: (run: string, step: number) => void,
    isQuiet = false,
  ) =>
  (): CommandHandler =>
    command('simulation.work@1', {
      summary: '',
      input: {},
      output: Closed({ total: Integer }),
      effect,
    }).handle(async (ctx) => {
      let total = 0
      for (let step = 0; step < steps; step++) {
        const looked = await ctx.step(`look ${step}`, () => step, { isPure: true })
        total += await ctx.step(`${step}`, ({ record }) => {
          onBody(ctx.id, step)
          if (!isQuiet) record(Stepped({ run: ctx.id, step }))
          return looked
        })
      }
      return { total }
    })
