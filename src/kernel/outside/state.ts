// How a decision for another program stands: whether its deed may be done now, and what became of it.

import type { Reads } from '../catalog/context.ts'
import { actorOf } from '../catalog/recorder.ts'
import { PolityError } from '../errors.ts'
import type { Chain, Principal } from '../gate/types.ts'
import { halts } from '../halts/contract.ts'
import { type ControlRow, RUNS_CONTROL } from '../runs/control.ts'
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
  if (row === undefined) {
    const run = await ownRun(reader, { decision, chain })
    return unlessHalted(reads, run, allowedState(run, {}, !(await isReported(reader, run.id))))
  }
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
    : unlessHalted(reads, run, allowedState(run, how, !before && !(await isReported(reader, id))))
}

/** Who asks how it stands is decided by himself; the deed is that of its whole chain, and a yes to it is a yes now. */
async function unlessHalted(reads: Pick<Reads, 'get'>, { chain }: RunRow, state: State): Promise<State> {
  if (!state.decision) return state
  const found = await Promise.all(chain.map((link) => reads.get(halts, nameOf(link))))
  const [halt] = found.flatMap((row) => row?.value ?? [])
  if (halt === undefined) return state
  return { ...state, decision: false, sentence: `${halt.principal} is stopped, and the deed with it` }
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

/** A report stands from the commit that tells the run, which hears of it a moment later. */
export async function isReported(reader: Reader, id: string): Promise<boolean> {
  const found = (await reader.load(RUNS_CONTROL, [id])).value.get(id)
  return found?.value != null && (JSON.parse(found.value) as ControlRow).signals !== undefined
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
