// A module that comes to a log after it was pruned: its view follows what went.

import { view } from '../../src/kernel/log/view.ts'
import { DocumentWritten } from '../../src/modules/state/contract.ts'

export const writes = view<{ readonly count: number }, typeof DocumentWritten>('late.writes', 1, {
  from: [DocumentWritten],
  keys: ({ data }) => [data.namespace],
  fold: (row) => ({ count: (row?.value.count ?? 0) + 1 }),
})
