// What can be asked about runs: which there are, what one is doing, its steps, and whether its code still does the same.

import type { QueryContext } from '../catalog/context.ts'
import { actorOf } from '../catalog/recorder.ts'
import { PolityError } from '../errors.ts'
import type { Log } from '../log/log.ts'
import type { Static } from '../schema/schema.ts'
import type { Store } from '../store/store.ts'
import type { Begun } from './asking-port.ts'
import type { Callbacks } from './callbacks.ts'
import { controllableBy } from './callers.ts'
import { openInput } from './carry-out.ts'
import type { journal as journalQuery, list, RunState } from './contract.ts'
import { type Control, NO_CONTROL, readControls } from './control.ts'
import { journalKey } from './endings.ts'
import { errorOfStep, Journal, openInvocations, type StepRow } from './journal.ts'
import type { LifePorts } from './life.ts'
import { type Replayed, replayRun } from './replay.ts'
import { isEnded, noRun, RUNS, type RunRow } from './run.ts'
import type { Runs } from './runs.ts'

type State = Static<typeof RunState>
type ListInput = Static<typeof list.schema>
type JournalInput = Static<typeof journalQuery.schema>
type JournalAnswer = Static<typeof journalQuery.output>

export interface InspectionPorts
  extends Pick<LifePorts, 'cipher' | 'stepKey' | 'handlerOf' | 'open' | 'asking' | 'env'> {
  readonly reader: Pick<Store, 'load' | 'scan'>
  readonly log: Pick<Log, 'published'>
  readonly runs: Pick<Runs, 'get' | 'underWay'>
  readonly callbacks: Pick<Callbacks, 'stateOf'>
}

const PAGE_DEFAULT = 50
/** Rows that one page of a filtered list looks at; the next page goes on behind them. */
const SEEN_MAX = 5_000
const SCAN = 200

export async function listRuns(
  { reader, log }: Pick<InspectionPorts, 'reader' | 'log'>,
  { chain }: Pick<QueryContext, 'chain'>,
  { status, action, principal, after, limit = PAGE_DEFAULT }: ListInput,
): Promise<{ items: State[]; after?: string }> {
  const items: State[] = []
  let last = after
  for (let seen = 0; seen < SEEN_MAX; ) {
    const range = { limit: SCAN, reverse: true, ...(last === undefined ? {} : { after: last }) }
    const { value: page, size } = await reader.scan(RUNS, range)
    await log.published(size)
    for (const state of await statesOf(reader, chain, page)) {
      if (!isWanted(state, { status, action, principal })) continue
      items.push(state)
      if (items.length === limit) return { items, after: state.run }
    }
    seen += page.length
    last = page.at(-1)?.key ?? last
    if (page.length < SCAN) return { items }
  }
  return { items, ...(last === undefined ? {} : { after: last }) }
}

/** Those of a page of rows that the chain may see. */
async function statesOf(
  reader: InspectionPorts['reader'],
  chain: QueryContext['chain'],
  page: readonly { readonly value: string }[],
): Promise<readonly State[]> {
  const rows = page.map(({ value }) => JSON.parse(value) as RunRow).filter((row) => isShown(chain, row))
  const running = rows.filter(({ status }) => status === 'running').map(({ id }) => id)
  const controls = await readControls(reader, running)
  return rows.map((row) => stateOf(row, controls.get(row.id)))
}

/** An action is asked for with its version or without. */
const isWanted = (
  state: State,
  { status, action, principal }: { [K in 'status' | 'action' | 'principal']: string | undefined },
): boolean =>
  (status === undefined || state.status === status) &&
  (action === undefined || state.action === action || state.action.startsWith(`${action}@`)) &&
  (principal === undefined || state.principal === principal)

function isShown(chain: QueryContext['chain'], row: RunRow): boolean {
  try {
    controllableBy(chain, row)
    return true
  } catch {
    return false
  }
}

export async function getRun(
  ports: Pick<InspectionPorts, 'reader' | 'runs' | 'callbacks' | 'cipher'>,
  { chain }: Pick<QueryContext, 'chain'>,
  id: string,
): Promise<State> {
  const { reader, runs, callbacks } = ports
  const row = controllableBy(chain, await runs.get(id))
  const state = stateOf(row, (await readControls(reader, [id])).get(id))
  const callback = await callbacks.stateOf(row)
  const waitsFor = isEnded(row) ? [] : await peopleAwaited(ports, id)
  return {
    ...state,
    ...(waitsFor.length === 0 ? {} : { waitsFor }),
    ...(callback === undefined ? {} : { callback }),
  }
}

const AWAITED_MAX = 100

/** What the run has asked for that waits for people, by the rows of its journal. */
async function peopleAwaited(
  { reader, cipher }: Pick<InspectionPorts, 'reader' | 'cipher'>,
  run: string,
): Promise<NonNullable<State['waitsFor']>> {
  const found: NonNullable<State['waitsFor']> = []
  for await (const { name, row } of openInvocations(run, cipher, reader)) {
    const approval = approvalIn(row)
    if (approval !== undefined) found.push({ action: name.split('/')[1] ?? '', approval })
    if (found.length === AWAITED_MAX) break
  }
  return found
}

/** Under which people are asked, where an invocation waits for them. */
function approvalIn({ kind, state, result }: Pick<StepRow, 'kind' | 'state' | 'result'>): string | undefined {
  if (kind !== 'invoke' || state !== 'started') return undefined
  const begun = result as Begun
  return begun.status === 'suspended' ? begun.approval : undefined
}

export function stateOf(row: RunRow, control: Pick<Control, 'isPaused'> = NO_CONTROL): State {
  const { id, action, decision, startedAt, parked, error, notUndone } = row
  return {
    run: id,
    action,
    status: row.status === 'running' && control.isPaused ? 'paused' : row.status,
    principal: actorOf(row.chain),
    decision,
    startedAt,
    ...(row.parent === undefined ? {} : { parent: row.parent }),
    ...(row.finishedAt === undefined ? {} : { finishedAt: row.finishedAt }),
    ...(row.deadline === undefined ? {} : { deadline: row.deadline }),
    ...(parked === undefined ? {} : { reason: parked.reason }),
    ...placeOf(row),
    ...(error === undefined ? {} : { code: error.code, message: error.message }),
    ...(notUndone === undefined ? {} : { notUndone: [...notUndone] }),
    ...(row.journal === undefined ? {} : { journal: row.journal }),
  }
}

/** The step at which a person has to look. */
function placeOf({ parked, status, error }: RunRow): Pick<State, 'step'> {
  const step = status === 'unknown' ? error?.facts.step : parked?.step
  return typeof step === 'string' ? { step } : {}
}

const STEPS_PAGE_DEFAULT = 100
/** Results of one page together, as JSON; a page has at least one step. */
const RESULTS_MAX_CHARS = 1_048_576

export async function journalOf(
  ports: InspectionPorts,
  { chain }: Pick<QueryContext, 'chain'>,
  { run, after, limit = STEPS_PAGE_DEFAULT }: JournalInput,
): Promise<JournalAnswer> {
  const row = controllableBy(chain, await ports.runs.get(run))
  const control = (await readControls(ports.reader, [run])).get(run)
  const journal = await Journal.load(run, ports.cipher, ports.reader)
  const underWay = new Set(ports.runs.underWay(run))
  const digest = journal.digest(journalKey(ports.stepKey, row))
  const rest = journal.inOrder().filter(([, { order }]) => after === undefined || order > after)
  const items: JournalAnswer['items'] = []
  let last: number | undefined
  let chars = 0
  for (const [name, step] of rest) {
    chars += JSON.stringify(step.result).length
    if (items.length === limit || (items.length > 0 && chars > RESULTS_MAX_CHARS)) break
    items.push(stepState(name, step, underWay.has(name), isEnded(row), ports.env.now()))
    last = step.order
  }
  // Steps whose first attempt is under way have no row yet.
  if (items.length === rest.length)
    for (const name of underWay)
      if (!journal.row(name)) items.push({ name, kind: 'step', state: 'running', attempts: 0 })
  return {
    run,
    status: stateOf(row, control).status,
    digest,
    ...(row.journal === undefined ? {} : { isAsRecorded: row.journal === digest }),
    items,
    ...(last === undefined || items.length >= rest.length ? {} : { after: last }),
  }
}

function stepState(
  name: string,
  step: StepRow,
  isUnderWay: boolean,
  hasEnded: boolean,
  nowMs: number,
): JournalAnswer['items'][number] {
  const { kind, state, attempts, atMs, untilMs } = step
  const isBody = kind === 'step' || kind === 'undo'
  // Of a body it says when the attempt begins that is under way by then.
  const isWaiting = state === 'started' && !hasEnded && (isBody ? (untilMs ?? 0) > nowMs : true)
  const error = state === 'failed' ? errorOfStep(step) : undefined
  const approval = isWaiting ? approvalIn(step) : undefined
  return {
    name,
    kind,
    state: state !== 'started' ? state : isWaiting ? 'waiting' : isUnderWay ? 'running' : 'started',
    attempts,
    ...(atMs === 0 ? {} : { at: new Date(atMs).toISOString() }),
    ...(untilMs === undefined || state !== 'started' || (isBody && !isWaiting)
      ? {}
      : { until: new Date(untilMs).toISOString() }),
    ...(approval === undefined ? {} : { approval }),
    ...(state === 'done' ? { result: step.result } : {}),
    ...(error === undefined ? {} : { code: error.code, message: error.message }),
  }
}

/** Throws `run.not-found`, `run.paused` for a run that has not ended, `erased` when its input or output was. */
export async function replayOf(
  ports: InspectionPorts,
  context: Pick<QueryContext, 'chain' | 'get' | 'list'>,
  id: string,
): Promise<Replayed> {
  const row = controllableBy(context.chain, await ports.runs.get(id))
  if (!isEnded(row))
    throw new PolityError('run.paused', `run ${id} has not ended: nothing to compare with yet`)
  if (row.finishedAt === undefined) throw noRun(id)
  const { handler } = ports.handlerOf(row.action)
  const { asking } = ports
  return replayRun(
    {
      handler,
      journal: await Journal.load(id, ports.cipher, ports.reader),
      input: await openInput(ports, row),
      output: await openInput(ports, { ...row, input: row.output ?? null }),
      reads: { get: context.get, list: context.list },
      env: ports.env,
      askedKey: (definition, input) => asking.keyOf(row, definition, input).slice(-32),
      ask: (definition, input) => asking.ask(row, definition, input),
    },
    row,
  )
}
