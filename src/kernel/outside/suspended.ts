// Requests of other programs that wait for people, or did, as a view: few, and each for as long as the log is kept.

import {
  ApprovalDenied,
  ApprovalExpired,
  ApprovalSuperseded,
  ApprovalVoided,
  ApprovalWithdrawn,
} from '../approvals/entries.ts'
import { ActionDecided } from '../catalog/records.ts'
import type { Entry } from '../log/entry.ts'
import { view } from '../log/view.ts'

/** Of contract.ts, which this file is a part of. */
export const ACT = 'outside.act@1'

/** How it ended without having been decided again, in words for the program that asked. */
const CLOSINGS: Readonly<Record<string, string>> = {
  [ApprovalDenied.name]: 'people have said no',
  [ApprovalExpired.name]: 'nobody has agreed in time',
  [ApprovalWithdrawn.name]: 'the request was taken back',
  [ApprovalSuperseded.name]: 'other rules came into force before it was done: ask again',
  [ApprovalVoided.name]: 'people agreed, and it could not be decided again: ask again',
}

export interface SuspendedRow {
  /** `user:alice > service:shop` */
  readonly actor: string
  readonly sentence: string
  readonly obligations: readonly string[]
  readonly at: string
  /** What was decided once people had agreed, or how it ended without. */
  readonly resumed?: Resumed
}

export interface Resumed {
  /** Absent where nothing was decided any more. */
  readonly decision?: string
  readonly effect: string
  readonly sentence: string
  readonly at: string
}

type Decided = Readonly<{
  decision: string
  action: string
  effect: string
  sentence: string
  obligations: readonly string[]
  approval?: string
}>

export const suspended = view<
  SuspendedRow,
  | typeof ActionDecided
  | typeof ApprovalDenied
  | typeof ApprovalExpired
  | typeof ApprovalWithdrawn
  | typeof ApprovalSuperseded
  | typeof ApprovalVoided
>('outside.suspended', 1, {
  from: [
    ActionDecided,
    ApprovalDenied,
    ApprovalExpired,
    ApprovalWithdrawn,
    ApprovalSuperseded,
    ApprovalVoided,
  ],
  keys({ type, data }) {
    if (type !== ActionDecided.name) return [(data as { readonly approval: string }).approval]
    const { action, approval, effect, decision } = data as Decided
    if (action !== ACT) return []
    if (approval !== undefined) return [approval]
    return effect === 'suspended' ? [decision] : []
  },
  fold: (row, entry) =>
    entry.type === ActionDecided.name ? decided(row?.value, entry) : closed(row?.value, entry),
})

function decided(row: SuspendedRow | undefined, { data, actor = '', time: at }: Entry): SuspendedRow | null {
  const { decision, effect, sentence, obligations, approval } = data as unknown as Decided
  if (approval === undefined) return { actor, sentence, obligations, at }
  return row ? { ...row, resumed: { decision, effect, sentence, at } } : null
}

/** Of another action there is no row. What was decided again stays as it was decided. */
function closed(row: SuspendedRow | undefined, { type, time: at }: Entry): SuspendedRow | null {
  if (row === undefined) return null
  return row.resumed ? row : { ...row, resumed: { effect: 'denied', sentence: CLOSINGS[type] ?? type, at } }
}
