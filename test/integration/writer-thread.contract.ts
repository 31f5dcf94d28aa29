// A contract whose views count, and one that ends the thread in which it folds.

import process from 'node:process'
import { entryType } from '../../src/kernel/log/entry.ts'
import { view } from '../../src/kernel/log/view.ts'
import { Integer, Name } from '../../src/kernel/schema/schema.ts'

export const Counted = entryType('thread.counted@1', { counter: Name, number: Integer })
export const Fatal = entryType('thread.fatal@1', { counter: Name })

export const counts = view<{ readonly count: number }, typeof Counted>('thread.counts', 1, {
  from: [Counted],
  keys: ({ data }) => [data.counter],
  fold: (row) => ({ count: (row?.value.count ?? 0) + 1 }),
})

/** In a worker this ends the thread, as a crash of the engine would. */
export const ends = view<never, typeof Fatal>('thread.ends', 1, {
  from: [Fatal],
  keys: ({ data }) => [data.counter],
  fold: () => process.exit(3),
})
