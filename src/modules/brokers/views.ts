// What the facts of brokers fold into: sinks and sources by name, and a count of changes that tells followers to look again.

import type { Principal } from '../../kernel/gate/types.ts'
import { view } from '../../kernel/log/view.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { FlowRemoved, SinkPut, SourcePut } from './facts.ts'

interface Put {
  readonly putAt: string
  /** Position of the entry that made it. */
  readonly seq: number
  readonly chain: readonly Principal[]
}

export type SinkRow = Omit<Static<typeof SinkPut.schema>, 'chain'> & Put & { readonly kind: 'sink' }
export type SourceRow = Omit<Static<typeof SourcePut.schema>, 'chain'> & Put & { readonly kind: 'source' }
export type FlowRow = SinkRow | SourceRow

const OF_FLOWS = [SinkPut, SourcePut, FlowRemoved] as const
type OfFlows = (typeof OF_FLOWS)[number]

export const flows = view<FlowRow, OfFlows>('brokers.flows', 1, {
  from: OF_FLOWS,
  keys: ({ data }) => [data.name],
  fold(row, { type, time, seq, data }) {
    if (type === FlowRemoved.name) return null
    const kind = type === SinkPut.name ? 'sink' : 'source'
    return { ...data, kind, putAt: time, seq: row?.value.seq ?? seq } as FlowRow
  },
})

/** One row, whose version counts all changes. */
export const ROSTER = 'flows'
export const roster = view<{ readonly seq: number }, OfFlows>('brokers.roster', 1, {
  from: OF_FLOWS,
  keys: () => [ROSTER],
  fold: (_, { seq }) => ({ seq }),
})
