// Replays a recorded decision, unless what it was about has been erased.

import { Buffer } from 'node:buffer'
import type { QueryContext } from '../catalog/context.ts'
import { ActionDecided } from '../catalog/records.ts'
import { keptInputs } from '../decisions/inputs.ts'
import { PolityError } from '../errors.ts'
import { type ReplayedVerdict, replayVerdict, requireInputs } from '../gate/replay.ts'
import type { Digest, Effect, Evidence } from '../gate/types.ts'
import { EVIDENCE } from '../log/layout.ts'
import type { Realm } from '../realm/realm.ts'
import type { Static } from '../schema/schema.ts'
import { openPayloads } from '../vault/vault.ts'

export type ReplayPorts = Pick<Realm, 'reader' | 'vaultKey'>
type Decided = Static<typeof ActionDecided.schema>

export interface ReplayedDecision {
  readonly decision: string
  readonly action: string
  readonly recorded: { effect: Effect; reasons: string[] }
  readonly replayed: { effect: Effect; reasons: string[] }
  readonly isSame: boolean
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
  const decided = entry.data as Decided
  await checkInputs(ports, seq, decided)
  const replayed = replayVerdict(evidenceOf(decided), ...(await textsOf(ports, decided)))
  const recorded = { effect: (decided.wouldEffect ?? decided.effect) as Effect, reasons: decided.reasons }
  return {
    decision: decided.decision,
    action: decided.action,
    recorded: plain(recorded),
    replayed: plain(replayed),
    isSame:
      recorded.effect === replayed.effect && recorded.reasons.join('\n') === replayed.reasons.join('\n'),
  }
}

const plain = ({ effect, reasons }: ReplayedVerdict) => ({ effect, reasons: [...reasons] })

async function checkInputs(ports: ReplayPorts, seq: number, decided: Decided): Promise<void> {
  const kept = await keptInputs(ports.reader, { ...decided, seq, id: decided.decision })
  if (kept.length === 0) return
  const open = new Set((await openPayloads(kept, ports.reader, ports.vaultKey)).keys())
  requireInputs({ decision: decided.decision, kept, open })
}

const evidenceOf = ({
  bundle,
  entities,
  context,
  requests,
  engine,
}: Decided): Omit<Evidence, 'entitiesJson'> => ({
  bundle: bundle as Digest,
  entities: entities as Digest,
  context: context as Evidence['context'],
  requests: requests as Evidence['requests'],
  engine: engine as Evidence['engine'],
})

/** The bundle and the entities, kept beside the log under their digests. */
async function textsOf(
  { reader }: Pick<ReplayPorts, 'reader'>,
  { bundle, entities }: Decided,
): Promise<[Uint8Array, string]> {
  const { value: rows } = await reader.load(EVIDENCE, [bundle, entities])
  const [rules, snapshot] = [bundle, entities].map((digest) => {
    const value = rows.get(digest)?.value
    if (value == null)
      throw new PolityError('not-found', `the evidence ${digest} is not kept here`, { digest })
    return JSON.parse(value) as string
  })
  return [Buffer.from(rules ?? ''), snapshot ?? '']
}
