// How a decision for another program stands: whether its deed may be done now, and what became of it.

import type { Reads } from '../catalog/context.ts'
import { actorOf } from '../catalog/recorder.ts'
import { PolityError } from '../errors.ts'
import type { Chain, Principal } from '../gate/types.ts'
import { RUNS, type RunRow } from '../runs/run.ts'
import type { Static } from '../schema/schema.ts'
import type { StoreReader } from '../store/store.ts'
import type { DecisionState } from './contract.ts'
import { ACT, type SuspendedRow, suspended } from './suspended.ts'

export type State = Static<typeof DecisionState>

type Reader = Pick<StoreReader, 'load'>

export interface Asked {
  readonly decision: string
  /** Of whoever asks now. */
  readonly chain: Chain
}

/**
 * `isTaken` says whether what people agreed to was handed out before. Throws `not-found`, also to everybody but the
 * program that asked.
 */
export async function stateOf(
  reads: Pick<Reads, 'get'>,
  reader: Reader,
  { decision, chain }: Asked,
  isTaken: (id: string) => Promise<boolean>,
): Promise<State> {
  const row = (await reads.get(suspended, decision))?.value
  if (row === undefined) return allowedState(await ownRun(reader, { decision, chain }), {}, true)
  if (askerOf(row.actor) !== askerNow(chain)) throw noDecision(decision)
  const { resumed } = row
  if (resumed === undefined) return suspendedState(decision, row)
  const { decision: id = decision, effect, sentence, at } = resumed
  if (effect !== 'allow')
    return { decision: false, id, effect: 'denied', sentence, approval: decision, decidedAt: at }
  const before = await isTaken(id)
  const how = { sentence, approval: decision, decidedAt: at, isTaken: before }
  const run = await loadRun(reader, id)
  return run === undefined
    ? { decision: false, id, effect: 'allow', ...how }
    : allowedState(run, how, !before)
}

const suspendedState = (decision: string, { sentence, obligations, at }: SuspendedRow): State => ({
  decision: false,
  id: decision,
  effect: 'suspended',
  sentence,
  obligations: [...obligations],
  approval: decision,
  decidedAt: at,
})

const allowedState = (run: RunRow, how: Partial<State>, mayBeDone: boolean): State => ({
  decidedAt: run.startedAt,
  ...how,
  decision: mayBeDone && run.status === 'running',
  id: run.id,
  effect: 'allow',
  ...(run.status === 'running' || run.status === 'parked' ? {} : { outcome: run.status }),
})

/** The run of a deed that was allowed, for the program that asked. Throws `not-found`. */
export async function ownRun(reader: Reader, { decision, chain }: Asked): Promise<RunRow> {
  const run = await loadRun(reader, decision)
  if (run === undefined || askerOf(actorOf(run.chain)) !== askerNow(chain)) throw noDecision(decision)
  return run
}

async function loadRun(reader: Reader, id: string): Promise<RunRow | undefined> {
  const found = (await reader.load(RUNS, [id])).value.get(id)
  if (found?.value == null) return undefined
  const run = JSON.parse(found.value) as RunRow
  return run.action === ACT ? run : undefined
}

/** Who asked is the last link; on whose behalf may differ from call to call. */
const askerOf = (actor: string): string => actor.split(' > ').at(-1) ?? ''
const nameOf = ({ kind, id }: Pick<Principal, 'kind' | 'id'>): string => `${kind}:${id}`
const askerNow = (chain: Chain): string => {
  const last = chain.at(-1)
  return last === undefined ? '' : nameOf(last)
}

const noDecision = (id: string): PolityError =>
  new PolityError(
    'not-found',
    `you have asked for no decision ${id.slice(0, 64)}, or it was denied, or it was long ago: the log has them all`,
  )
