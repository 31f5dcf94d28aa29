// The private values that a decision was about, and whether anybody can still look at them.

import { parseEntry } from '../log/entry.ts'
import { LIMITS } from '../log/proposal.ts'
import { commitmentsIn } from '../schema/privacy.ts'
import type { Store } from '../store/store.ts'
import { openPayloads } from '../vault/vault.ts'

interface Decided {
  readonly seq: number
  /** Of the decision. */
  readonly id: string
  readonly effect: string
  readonly input?: unknown
  readonly run?: string | undefined
}

/**
 * Commitments in the input whose values were kept: all of a run's; of an atomic action those that its facts record,
 * which stand behind it in the same commit. What was denied or suspended kept nothing, so nothing of it was erased.
 */
export async function keptInputs(
  reader: Pick<Store, 'entries'>,
  { seq, id, effect, input, run }: Decided,
): Promise<readonly string[]> {
  if (effect !== 'allow') return []
  const named = commitmentsIn(input)
  if (run !== undefined || (input !== undefined && named.length === 0)) return named
  const stored = await reader.entries({
    from: seq + 1,
    to: seq + LIMITS.entriesPerProposal,
    limit: LIMITS.entriesPerProposal,
  })
  const recorded = stored
    .map((each) => parseEntry(each.seq, each.bytes))
    .flatMap(({ causationid, data }) => (causationid === id ? commitmentsIn(data) : []))
  // A long input is in the log by its digest only: then whatever its facts hold counts.
  return input === undefined ? recorded : named.filter((each) => recorded.includes(each))
}

/** Whether values that were kept cannot be opened any more. */
export async function isErased(store: Store, vaultKey: Uint8Array, decided: Decided): Promise<boolean> {
  const kept = await keptInputs(store, decided)
  if (kept.length === 0) return false
  const open = await openPayloads(kept, store, vaultKey)
  return kept.some((commitment) => !open.has(commitment))
}
