// The contract of a module in its first release: birds are weighed in ounces.

import { command } from '../../../src/kernel/catalog/definition.ts'
import { entryType } from '../../../src/kernel/log/entry.ts'
import { view } from '../../../src/kernel/log/view.ts'
import { Closed, Integer, Name } from '../../../src/kernel/schema/schema.ts'

export const Weighed = entryType('birds.weighed@1', { bird: Name, ounces: Integer })

export const weights = view<{ readonly ounces: number }, typeof Weighed>('birds.weights', 1, {
  from: [Weighed],
  keys: ({ data }) => [data.bird],
  fold: (_row, { data }) => ({ ounces: data.ounces }),
})

export const weigh = command('birds.weigh@1', {
  summary: 'Weighs a bird.',
  input: { bird: Name, weight: Integer },
  output: Closed({}),
  risk: 'low',
  effect: 'atomic',
})
