// Replays a recorded decision, unless what it was about has been erased.

import type { QueryContext } from '../catalog/context.ts'
import { ActionDecided } from '../catalog/records.ts'
import { findDecision } from '../decisions/finding.ts'
import { type PastDecision, storeHistory } from '../decisions/history.ts'
import { keptInputs } from '../decisions/inputs.ts'
import { type Difference, openReplay } from '../decisions/replay.ts'
import { PolityError } from '../errors.ts'
import type { Effect } from '../gate/types.ts'
import type { Realm } from '../realm/realm.ts'
import { openPayloads } from '../vault/vault.ts'

export type ReplayPorts = Pick<Realm, 'reader' | 'vaultKey'>

interface Verdict {
  readonly effect: Effect
  readonly reasons: string[]
}

export interface ReplayedDecision {
  readonly decision: string
  readonly action: string
  /** Both as the rules of then would have had it if they were enforced. */
  readonly recorded: Verdict
  readonly replayed: Verdict
  readonly isSame: boolean
  /** The first thing in which they differ, be it none of the above. */
  readonly difference?: Pick<Difference, 'what' | 'recorded' | 'replayed'>
}

/** Throws `not-found` for an entry that decides nothing, `log.pruned`, `inputs-erased`, `verify.failed`. */
export async function replayDecision(
  ports: ReplayPorts,
  { log }: Pick<QueryContext, 'log'>,
  seq: number,
): Promise<ReplayedDecision> {
  const { entry } = await log.entry(seq)
  if (entry.type !== ActionDecided.name)
    throw new PolityError('not-found', `entry ${seq} is no decision`, { seq, type: entry.type })
  const history = storeHistory(ports.reader, seq + 1)
  const past = await findDecision(ports.reader, history, `${seq}`)
  await requireInputs(ports, past)
  const { verdict, difference } = await openReplay(history)(past)
  if (verdict === undefined)
    throw new PolityError('verify.failed', difference?.replayed ?? 'there is no verdict', { seq })
  return {
    decision: past.id,
    action: past.action,
    recorded: strict(past),
    replayed: strict(verdict),
    isSame: difference === undefined,
    ...(difference === undefined ? {} : { difference: shown(difference) }),
  }
}

const strict = ({
  effect,
  wouldEffect,
  reasons,
}: Pick<PastDecision, 'effect' | 'wouldEffect' | 'reasons'>): Verdict => ({
  effect: wouldEffect ?? effect,
  reasons: [...reasons],
})

const shown = ({ what, recorded, replayed }: Difference) => ({ what, recorded, replayed })

/**
 * A verdict about values that nobody can look at any more is no verdict that anybody could check: there is none then,
 * rather than one about something else. Throws `inputs-erased`.
 */
async function requireInputs({ reader, vaultKey }: ReplayPorts, past: PastDecision): Promise<void> {
  const kept = await keptInputs(reader, past)
  if (kept.length === 0) return
  const open = await openPayloads(kept, reader, vaultKey)
  const erased = kept.filter((commitment) => !open.has(commitment))
  if (erased.length === 0) return
  throw new PolityError(
    'inputs-erased',
    `private inputs of the decision ${past.id} were erased: it cannot be replayed, and what the log holds of it stays valid`,
    { decision: past.id, erased },
  )
}
