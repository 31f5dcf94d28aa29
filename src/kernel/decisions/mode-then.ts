// Which mode a decision met, by what the log says of the roll-out up to it: what a decision says of itself proves nothing.

import { modeOf } from '../gate/rollout.ts'
import { UNAVAILABLE_RULE } from '../gate/rules.ts'
import type { Mode, PrincipalKind, Rollout } from '../gate/types.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import { BundleActivated, RolloutChanged } from '../rules/facts.ts'
import type { Static } from '../schema/schema.ts'
import { BEFORE_MS, madeAtMs } from './finding.ts'
import type { HistoryPorts, PastDecision } from './history.ts'

export interface ModeFound {
  readonly mode: Mode
  readonly by: string
}

/** A roll-out, and where in the log it came into force. */
interface InForceFrom {
  readonly seq: number
  readonly atMs: number
  /** Absent: the log does not say. */
  readonly rollout?: Rollout
}

/** Changes that are told apart; of decisions behind the last of them nothing is known. */
const CHANGES_MAX = 10_000

/**
 * The modes that a decision may have met, the one of its own place in the log first; undefined where the log does not say:
 * entries of the first releases, and what stands behind a pruned part.
 */
export function openModesThen(
  ports: Pick<HistoryPorts, 'law'>,
): (past: PastDecision) => Promise<readonly ModeFound[] | undefined> {
  let known: Promise<readonly InForceFrom[]> | undefined
  return async (past) => {
    known ??= rolloutsOf(ports)
    const rollouts = mayHaveMet(await known, past)
    if (rollouts === undefined) return undefined
    const found = rollouts.map((rollout) => modeOf(rollout, askedOf(past)))
    return past.reasons.includes(UNAVAILABLE_RULE) ? [...found, CLOSED] : found
  }
}

/** While a hub cannot take over what is in force, it denies under a mode of its own. */
const CLOSED: ModeFound = { mode: 'enforce', by: 'hub' }

/** The roll-out in force at the end; undefined where the log does not say. */
export const lastRollout = async (ports: Pick<HistoryPorts, 'law'>): Promise<Rollout | undefined> =>
  (await rolloutsOf(ports)).at(-1)?.rollout

async function rolloutsOf(ports: Pick<HistoryPorts, 'law'>): Promise<readonly InForceFrom[]> {
  const found: InForceFrom[] = []
  for await (const { seq, bytes } of ports.law()) {
    const entry = parseEntry(seq, bytes)
    const at = { seq, atMs: Date.parse(entry.time) }
    const rollout = rolloutAfter(found.at(-1)?.rollout, entry)
    found.push(rollout === undefined || found.length === CHANGES_MAX ? at : { ...at, rollout })
    if (found.length > CHANGES_MAX) break
  }
  return found
}

/** As the view `gate.law` folds it, but for a beginning that may be missing. */
function rolloutAfter(before: Rollout | undefined, { type, data }: Entry): Rollout | undefined {
  if (type === RolloutChanged.name) return (data as Static<typeof RolloutChanged.schema>).after as Rollout
  if (type !== BundleActivated.name) return undefined
  const { source, replaced, configured } = data as Static<typeof BundleActivated.schema>
  // Nothing was in force before it: then it is as configured.
  if (source !== undefined && replaced === undefined && configured !== undefined)
    return configured.rollout as Rollout
  return before
}

/**
 * What was allowed was committed under the law that it had been decided by. A refusal is recorded after it has acted, maybe
 * under the next one.
 */
function mayHaveMet(
  rollouts: readonly InForceFrom[],
  { seq, id, time, effect }: PastDecision,
): readonly Rollout[] | undefined {
  let at = rollouts.findLastIndex((each) => each.seq < seq)
  const madeMs = madeAtMs(id) ?? Date.parse(time)
  const found: Rollout[] = []
  for (; ; at--) {
    const rollout = rollouts[at]?.rollout
    if (rollout === undefined) return undefined
    found.push(rollout)
    if (effect === 'allow' || (rollouts[at]?.atMs ?? 0) < madeMs - BEFORE_MS) return found
    // The first one of all was in force for whatever was refused.
    if (at === 0) return found
  }
}

function askedOf({ action, evidence: { requests, context } }: PastDecision): Parameters<typeof modeOf>[1] {
  const now = (context as { readonly now?: { readonly __extn?: { readonly arg?: unknown } } }).now
  return {
    action,
    chain: requests.map(({ principal: { type, id } }) => ({
      kind: type.slice(type.lastIndexOf(':') + 1).toLowerCase() as PrincipalKind,
      id,
      roles: [],
    })),
    resource: requests[0]?.resource.id ?? '',
    now: String(now?.__extn?.arg ?? ''),
  }
}
