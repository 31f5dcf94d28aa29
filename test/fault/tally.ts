// The facts and the view of the fault tests: who told how much, and one row per teller.

import { entryType } from '../../src/kernel/log/entry.ts'
import { view } from '../../src/kernel/log/view.ts'
import { Integer, Json, Name, Private } from '../../src/kernel/schema/schema.ts'

export const Told = entryType('tally.told@1', { teller: Name, number: Integer, secret: Private(Json) })

export interface Tally {
  readonly count: number
}

export const tallies = view<Tally, typeof Told>('tally.tellers', 1, {
  from: [Told],
  keys: ({ data }) => [data.teller],
  fold: (row) => ({ count: (row?.value.count ?? 0) + 1 }),
})
