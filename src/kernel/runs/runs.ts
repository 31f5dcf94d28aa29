// The Runs room: carries commands out step by step, records each result once, and resumes after a crash.

import { createHmac } from 'node:crypto'
import type { CommandContext, Progress, Reads, StepContext } from '../catalog/context.ts'
import { callerOf } from '../catalog/decide.ts'
import type { CommandHandler } from '../catalog/definition.ts'
import { actorOf, type Origin, type Recorded, seal } from '../catalog/recorder.ts'
import { ActionFinished } from '../catalog/records.ts'
import type { Env } from '../env.ts'
import { asPolityError, type ErrorWire, errorToWire, PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { Proposal, WorkingWrite } from '../log/proposal.ts'
import { commitmentsIn, commitPrivate, KnownOpenings, type Opening } from '../schema/privacy.ts'
import type { Store } from '../store/store.ts'
import { type Carriers, openCarriers } from './carriers.ts'
import { Journal } from './journal.ts'
import { appendPatiently } from './patient-append.ts'
import { type CarriedRun, RUN_KEPT_MS, RUNS, type RunRow, type RunStatus } from './run.ts'
import { stepCipher } from './step-cipher.ts'

/** Runs that one hub carries out at a time. */
export const RUNS_CONCURRENT_MAX = 64

export interface RunsPorts {
  readonly log: Log
  readonly reader: Store
  readonly env: Env
  /** 32 bytes: seals the results of steps at rest. */
  readonly stepKey: Uint8Array
  /** `polity://realm` */
  readonly source: string
  readonly reads: Reads
  readonly handlerOf: (action: string) => CommandHandler
  /** Opens private references. */
  readonly open: (publicForm: unknown) => Promise<unknown>
  readonly invokeFrom: (run: RunRow) => CommandContext['invoke']
  readonly onProgress: (run: RunRow, progress: Progress) => void
  /** Names this hub among those that share the log, and whether it is the only one. */
  readonly holder: string
  readonly isAlone: boolean
  /** A run that could not be ended: its row stays `running`, and the next hub goes on with it. */
  readonly onFailure: (error: PolityError) => void
}

/** The row's output is in public form; `output` is what the handler answered. */
export interface FinishedRun {
  readonly row: RunRow
  readonly output: unknown
  /** The log size that covers its outcome. */
  readonly size: number
}

export interface Runs {
  /** The write that creates the run beside its decision, and a place for it until `start` or `abandon`. Throws `run.limit`. */
  draft(row: Omit<RunRow, 'status' | 'journalSalt' | 'carrier'>): {
    readonly row: RunRow
    readonly write: WorkingWrite
  }
  /** The decision was not recorded: the run never was, and its place is free. */
  abandon(id: string): void
  /** Whether the run is recorded, after an append that failed without saying so. */
  isDurable(id: string): Promise<boolean>
  /** Carries out a run whose decision is durable; resolves when it has finished. */
  start(row: RunRow, input: unknown): Promise<FinishedRun>
  /**
   * Goes on with every run that a crash or a stop interrupted, its own and those of hubs that are gone, now and
   * whenever another one goes; resolves with the first ones once they have begun.
   */
  resume(): Promise<readonly RunRow[]>
  /** Throws `run.not-found`. The output is in public form. */
  get(id: string): Promise<RunRow>
  /** As `get`, once nobody carries the run out any more: it has finished, or the hub is closing. */
  settled(id: string): Promise<RunRow>
  /** Stops carrying out; what is not finished resumes at the next start. */
  close(): Promise<void>
}

/** Aborts with this reason leave the run as it is: the next start resumes it. */
class HubClosing extends Error {}

export function openRuns(ports: RunsPorts): Runs {
  const { reader } = ports
  const cipher = stepCipher(ports.stepKey, ports.env)
  const closing = new AbortController()
  const active = new Map<string, Promise<FinishedRun>>()
  /** Drafted runs, until they are active or abandoned. */
  const drafted = new Set<string>()

  const launch = (run: CarriedRun, input: unknown, journal: Journal): Promise<FinishedRun> => {
    const { id } = run.row
    drafted.delete(id)
    const running = execute(ports, run, input, journal, closing.signal).finally(() => active.delete(id))
    active.set(id, running)
    // Whoever waits hears of it too; when nobody does, a person must.
    running.catch((error: unknown) => {
      if (!closing.signal.aborted) ports.onFailure(asPolityError(error))
    })
    return running
  }

  const get = async (id: string): Promise<RunRow> => {
    const { value, size } = await reader.load(RUNS, [id])
    await ports.log.published(size)
    const row = value.get(id)
    if (row?.value == null)
      throw new PolityError('run.not-found', `there is no run ${id.slice(0, 64)}, or it was long ago`)
    return JSON.parse(row.value) as RunRow
  }

  const takeUp = async (found: readonly CarriedRun[]) => {
    const journals = await Promise.all(found.map(({ row }) => Journal.load(row.id, cipher, reader)))
    // All at once, so that a run that waits for another finds it under way.
    for (const [position, run] of found.entries())
      void launch(run, openInput(ports, run.row), journals[position] as Journal)
  }
  let carriers: Carriers | undefined

  return {
    get,
    async settled(id) {
      // How it ended is in its row.
      await active.get(id)?.catch(() => undefined)
      return get(id)
    },
    abandon: (id) => drafted.delete(id),
    isDurable: async (id) => (await reader.load(RUNS, [id])).value.has(id),
    draft(draft) {
      if (active.size + drafted.size >= RUNS_CONCURRENT_MAX)
        throw new PolityError(
          'run.limit',
          `${RUNS_CONCURRENT_MAX} runs are under way: try again when one has finished`,
        )
      const journalSalt = Buffer.from(ports.env.random(32)).toString('hex')
      const row: RunRow = { ...draft, status: 'running', journalSalt, carrier: ports.holder }
      drafted.add(row.id)
      return { row, write: { table: RUNS, key: row.id, value: JSON.stringify(row) } }
    },
    // The decision wrote the row's first version.
    start: (row, input) => launch({ row, version: 1 }, input, Journal.empty(row.id, cipher)),
    async resume() {
      const isCarrying = (id: string) => active.has(id) || drafted.has(id)
      carriers = await openCarriers({ ...ports, isCarrying }, takeUp)
      return carriers.first.map(({ row }) => row)
    },
    async close() {
      closing.abort(new HubClosing('the hub is closing'))
      await carriers?.close()
      await Promise.allSettled(active.values())
    },
  }
}

/** Throws `erased` when a private field of the input was erased meanwhile: the handler must not take a tombstone for a value. */
async function openInput({ open }: RunsPorts, { input, action }: RunRow): Promise<unknown> {
  const opened = await open(input)
  // Nobody can know the salted commitment of a value inside that value, so this text is a tombstone and nothing else.
  const text = JSON.stringify(opened)
  if (commitmentsIn(input).some((commitment) => text.includes(JSON.stringify({ $erased: commitment }))))
    throw new PolityError('erased', `the input of ${action} was erased before it could go on`)
  return opened
}

/** `input` may be a promise: what fails in it fails the run. */
async function execute(
  ports: RunsPorts,
  run: CarriedRun,
  input: unknown,
  journal: Journal,
  closing: AbortSignal,
): Promise<FinishedRun> {
  const { row } = run
  const recorded: Draft[] = []
  const known = new KnownOpenings()
  try {
    const { handler, definition } = ports.handlerOf(row.action)
    const steps = openSteps(ports, run, journal, closing, known, definition.effect === 'once')
    const output = await handler(contextOf(ports, row, closing, recorded, steps), (await input) as never)
    const committed = commitPrivate(
      definition.output,
      output,
      (sizeBytes) => ports.env.random(sizeBytes),
      known,
      `run/${row.id}`,
    )
    const finished = await finish(
      ports,
      { ...run, row: { ...row, output: committed.public } },
      'done',
      journal,
      recorded,
      known,
      committed.openings,
      closing,
    )
    return { ...finished, output }
  } catch (thrown) {
    if (closing.aborted) throw asPolityError(thrown, 'cancelled')
    if (isMoved(thrown)) throw moved(row, thrown)
    const error = endingOf(thrown)
    const status = error.code === 'run.unknown' ? 'unknown' : 'failed'
    const finished = await finish(
      ports,
      { ...run, row: { ...row, error } },
      status,
      journal,
      [],
      known,
      [],
      closing,
    )
    return { ...finished, output: null }
  }
}

/** Another hub has taken the run over: nothing that this one does of it is recorded any more. */
const isMoved = (thrown: unknown): boolean =>
  thrown instanceof PolityError && thrown.code === 'expectation.failed' && thrown.facts.table === RUNS

const moved = ({ id }: RunRow, cause: unknown): PolityError =>
  new PolityError(
    'run.moved',
    `another hub has taken run ${id} over, because this one was not heard of: look the run up`,
    { run: id },
    cause,
  )

const MESSAGE_MAX = 2000
const FACTS_MAX_CHARS = 16_384

/** What a run ended with, in a form that can always be recorded: a run whose end is refused would begin again for ever. */
function endingOf(thrown: unknown): ErrorWire {
  const { code, message, facts } = errorToWire(asPolityError(thrown, 'step.failed'))
  return { code, message: message.slice(0, MESSAGE_MAX).toWellFormed(), facts: plainFacts(facts) }
}

function plainFacts(facts: ErrorWire['facts']): ErrorWire['facts'] {
  try {
    const text = JSON.stringify(facts)
    return text.length <= FACTS_MAX_CHARS ? (JSON.parse(text) as ErrorWire['facts']) : {}
  } catch {
    // Facts are extras; what is no JSON has no place in an answer anyway.
    return {}
  }
}

function contextOf(
  ports: RunsPorts,
  row: RunRow,
  signal: AbortSignal,
  recorded: Draft[],
  step: CommandContext['step'],
): CommandContext {
  const refuse = () => Promise.reject(new PolityError('internal', `${row.action} asks for what runs cannot do`))
  return {
    ...ports.reads,
    id: row.id,
    ...callerOf(row),
    now: row.startedAt,
    signal,
    step,
    shred: () => {
      throw new PolityError('internal', `${row.action} is not atomic: only an atomic command erases`)
    },
    record: (...drafts) => recorded.push(...drafts),
    invoke: ports.invokeFrom(row),
    ask: refuse,
    onCommitted: () => undefined,
    sleep: refuse,
    signalled: refuse,
    parallel: refuse,
    forEach: refuse,
    get rows(): never {
      throw new PolityError('internal', `${row.action} is a run: it has no working rows`)
    },
    progress: (progress) => ports.onProgress(row, progress),
  }
}

function openSteps(
  { log, env, reader, source }: RunsPorts,
  { row, version }: CarriedRun,
  journal: Journal,
  signal: AbortSignal,
  known: KnownOpenings,
  isOnce: boolean,
): CommandContext['step'] {
  // The fence: whoever takes the run over writes the row's next version.
  const carried = { table: RUNS, key: row.id, version }
  const underWay = new Set<string>()
  const write = async (name: string, proposal: Proposal) => {
    try {
      await appendPatiently({ log, env, reader }, proposal, signal)
    } catch (error) {
      journal.forget(name)
      throw error
    }
  }
  const take = async <T>(name: string, body: (step: StepContext) => T | Promise<T>): Promise<T> => {
    if (isOnce)
      await write(name, {
        entries: [],
        rows: [journal.begin(name)],
        expect: [carried, journal.expectation(name, 0)],
      })
    const drafts: Draft[] = []
    const answer = await body({ signal, attempt: 1, record: (...more) => drafts.push(...more), heartbeat: () => undefined })
    signal.throwIfAborted()
    const { entries, seals } = seal(drafts, originOf(row, source), env, known)
    const { write: finished, result } = journal.finish(name, answer)
    await write(name, {
      entries,
      seals,
      rows: [finished],
      expect: [carried, journal.expectation(name, isOnce ? 1 : 0)],
    })
    return result as T
  }
  return async (name, body) => {
    if (underWay.has(name))
      throw new PolityError('internal', `${row.action} takes its step ${name.slice(0, 64)} twice at a time`)
    const before = journal.recorded(name)
    if (before) return before.result as never
    signal.throwIfAborted()
    underWay.add(name)
    try {
      return await take(name, body)
    } finally {
      underWay.delete(name)
    }
  }
}

const originOf = ({ chain, correlationId, id, traceparent }: RunRow, source: string): Origin => ({
  source,
  actor: actorOf(chain),
  correlationid: correlationId,
  causationid: id,
  ...(traceparent === undefined ? {} : { traceparent }),
})

/** The outcome, the facts and the end of the run row are one commit: a run finishes once or not yet. */
async function finish(
  { log, env, reader, source, stepKey }: RunsPorts,
  { row, version }: CarriedRun,
  status: Exclude<RunStatus, 'running'>,
  journal: Journal,
  recorded: readonly Draft[],
  known: KnownOpenings,
  outputOpenings: readonly Opening[],
  signal: AbortSignal,
): Promise<Omit<FinishedRun, 'output'>> {
  const nowMs = env.now()
  const digest = journal.digest(journalKey(stepKey, row))
  const finished: RunRow = { ...row, status, journal: digest, finishedAt: new Date(nowMs).toISOString() }
  const outcome = ActionFinished(
    {
      decision: row.decision,
      action: row.action,
      status,
      run: row.id,
      journal: digest,
      ...(row.error === undefined ? {} : { code: row.error.code, message: row.error.message }),
    },
    { subject: `run/${row.id}` },
  )
  const { entries, seals }: Recorded = seal([...recorded, outcome], originOf(row, source), env, known)
  const proposal: Proposal = {
    entries,
    seals:
      outputOpenings.length > 0 ? [...seals, { subject: `run/${row.id}`, openings: outputOpenings }] : seals,
    // Whoever finishes second is refused, and so is whoever lost the run to another hub.
    expect: [{ table: RUNS, key: row.id, version }],
    rows: [
      { table: RUNS, key: row.id, value: JSON.stringify(finished), expiresAtMs: nowMs + RUN_KEPT_MS },
      ...journal.drop(nowMs),
    ],
  }
  return { row: finished, size: await appendPatiently({ log, env, reader }, proposal, signal) }
}

const journalKey = (stepKey: Uint8Array, { id, journalSalt }: RunRow): Uint8Array =>
  createHmac('sha256', stepKey).update(`journal\n${id}\n${journalSalt}`).digest()
