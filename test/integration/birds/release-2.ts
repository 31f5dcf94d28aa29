// The contract of that module in its second release: grams, and old entries lifted to them.

import { command } from '../../../src/kernel/catalog/definition.ts'
import { entryType } from '../../../src/kernel/log/entry.ts'
import { upcast } from '../../../src/kernel/log/upcast.ts'
import { view } from '../../../src/kernel/log/view.ts'
import { Closed, Integer, Name } from '../../../src/kernel/schema/schema.ts'

export const WeighedInOunces = entryType('birds.weighed@1', { bird: Name, ounces: Integer })
export const Weighed = entryType('birds.weighed@2', { bird: Name, grams: Integer })

export const inGrams = upcast(WeighedInOunces, Weighed, ({ bird, ounces }) => ({ bird, grams: ounces * 28 }))

export const weights = view<{ readonly grams: number; readonly times: number }, typeof Weighed>(
  'birds.weights',
  2,
  {
    from: [Weighed],
    keys: ({ data }) => [data.bird],
    fold: (row, { data }) => ({ grams: data.grams, times: (row?.value.times ?? 0) + 1 }),
  },
)

export const weigh = command('birds.weigh@1', {
  summary: 'Weighs a bird.',
  input: { bird: Name, weight: Integer },
  output: Closed({}),
  risk: 'low',
  effect: 'atomic',
})
