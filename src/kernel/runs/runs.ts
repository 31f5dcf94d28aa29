// The Runs room: which runs this hub has, which of them work, and who hears of their ends.

import type { CommandHandler } from '../catalog/definition.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import { TOPICS } from '../realm/topics.ts'
import type { RowPlace } from '../store/store.ts'
import type { Wake } from '../wake/wake.ts'
import { openAlarms } from './alarms.ts'
import { cancelAsHub } from './cancel-as-hub.ts'
import { type Carriers, type CarriersPorts, claim, openCarriers } from './carriers.ts'
import { carryOut, openInput } from './carry-out.ts'
import { type Control, readControls } from './control.ts'
import type { FinishedRun } from './endings.ts'
import { Journal } from './journal.ts'
import { HubClosing, Life, type LifePorts, type LifeStart } from './life.ts'
import { loadRun, readRun } from './load-run.ts'
import { patiently } from './patient-append.ts'
import { openPlaces } from './places.ts'
import {
  type CarriedRun,
  isEnded,
  noRun,
  openWrite,
  RUN_DEPTH_MAX,
  RUNS,
  type RunRow,
  runWrite,
} from './run.ts'
import { openRunShares } from './run-shares.ts'
import { stepCipher } from './step-cipher.ts'
import { journalPlaces } from './tidying.ts'

export type { FinishedRun } from './endings.ts'

/** Runs of one hub that work at a time; those that wait for time, a signal or another run are not counted. */
export const RUNS_CONCURRENT_MAX = 64
/** Runs of one hub that are under way, waiting or in line. */
export const RUNS_OPEN_MAX = 20_000

type Given = 'log' | 'reader' | 'env' | 'stepKey' | 'source' | 'reads' | 'handlerOf' | 'open' | 'asking'
type GivenToo = 'onProgress' | 'targets' | 'callbacks'

export interface RunsPorts
  extends Pick<LifePorts, Given | GivenToo>,
    Pick<CarriersPorts, 'holder' | 'isAlone' | 'onFailure'> {
  /** Tells other hubs that somebody asked something of a run; absent where there are none. */
  readonly wake?: Pick<Wake, 'notify' | 'wait'>
}

export interface RunDraft
  extends Omit<RunRow, 'status' | 'journalSalt' | 'carrier' | 'journalVersion' | 'callback'> {
  /** Where to send word of the end. */
  readonly callbackUrl?: string
}

export interface Runs {
  /** The rows that create the run beside its decision, and room for it until `start` or `abandon`. Throws `run.limit`, `egress.invalid`. */
  draft(row: RunDraft): { readonly row: RunRow; readonly rows: readonly WorkingWrite[] }
  /** The decision was not recorded: the run never was, and its room is free. */
  abandon(id: string): void
  /** Whether the run is recorded, after an append that failed without saying so. */
  isDurable(id: string): Promise<boolean>
  /** Carries out a run whose decision is durable, when its turn comes; resolves when it has ended or is parked. */
  start(row: RunRow, input: unknown): Promise<FinishedRun>
  /**
   * Goes on with every run that a crash or a stop interrupted, its own and those of hubs that are gone, now and
   * whenever another one goes; resolves with the first ones once they are in line.
   */
  resume(): Promise<readonly RunRow[]>
  /** Throws `run.not-found`. The output is in public form. */
  get(id: string): Promise<RunRow>
  /** As `get`, once nobody carries the run out any more: it has ended or is parked, or the hub is closing. */
  settled(id: string): Promise<RunRow>
  /** The row once the run has ended, whichever hub it is with. Throws `run.not-found`, or the signal's reason. */
  ended(id: string, signal: AbortSignal): Promise<RunRow>
  /** Somebody has asked something of the run, and it is committed. */
  attend(id: string): void
  /** Cancels a run in the name of the hub. One that has ended stays as it is. */
  cancel(id: string, reason: string): Promise<void>
  /** The journal and the pending signals of a run that has ended, or of one that is gone: what erasing its subject takes along. */
  leftOf(id: string): Promise<readonly RowPlace[]>
  /** The steps that this hub has under way for the run. */
  underWay(id: string): readonly string[]
  /** Stops carrying out; what is not finished resumes at the next start. */
  close(): Promise<void>
}

/** How long other hubs' news can go unnoticed where nothing pushes them. */
const LOOK_INTERVAL_MS = 2_000

/** A run that this hub has, from its decision to its end. */
interface Held {
  readonly id: string
  readonly ended: PromiseWithResolvers<FinishedRun>
  readonly isResumed: boolean
  /** Aborted when the run has to leave the line: it was cancelled, or its time is over. */
  readonly hurry: AbortController
  life?: Life
  /** While it is paused before it has begun. */
  wake?: () => void
}

export function openRuns(ports: RunsPorts): Runs {
  const { reader, env, log, isAlone, holder, onFailure } = ports
  const closing = new AbortController()
  const cipher = stepCipher(ports.stepKey, env)
  const alarms = openAlarms(env)
  const places = openPlaces(RUNS_CONCURRENT_MAX)
  const lifePorts: LifePorts = { ...ports, cipher, alarms, places, closing: closing.signal }
  const held = new Map<string, Held>()
  /** Drafted runs, until they are held or abandoned. */
  const drafted = new Set<string>()
  const shares = openRunShares()
  /** Drafted runs of which something was asked before they began. */
  const early = new Set<string>()
  /** Whoever waits for the end of a run that another hub has. */
  const looking = new Set<() => void>()
  const background = new Set<Promise<unknown>>()

  const inBackground = (work: Promise<unknown>) => {
    const done = work
      .catch((error: unknown) => {
        if (!closing.signal.aborted) onFailure(asPolityError(error))
      })
      .finally(() => background.delete(done))
    background.add(done)
  }

  const hold = (id: string, isResumed: boolean): Held => {
    drafted.delete(id)
    const each: Held = { id, isResumed, ended: Promise.withResolvers(), hurry: new AbortController() }
    held.set(id, each)
    // Whoever waits hears of it too; when nobody does, a person must.
    each.ended.promise.catch((error: unknown) => {
      if (!closing.signal.aborted) onFailure(asPolityError(error))
    })
    return each
  }
  const release = (each: Held, end: FinishedRun | undefined, error?: unknown) => {
    held.delete(each.id)
    early.delete(each.id)
    shares.leave(each.id)
    if (end) each.ended.resolve(end)
    else each.ended.reject(error)
    for (const look of [...looking]) look()
  }

  const live = (each: Held, run: CarriedRun, journal: Journal, input: () => unknown, start: LifeStart) => {
    const life = new Life(lifePorts, run, journal, isOnce(ports, run.row), start)
    each.life = life
    carryOut(life, input).then(
      (end) => release(each, end),
      (error: unknown) => release(each, undefined, error),
    )
  }

  /** In line for a place; what has to end leaves the line at once. */
  const queue = (each: Held, deadline: string | undefined) => {
    const leaving = AbortSignal.any([closing.signal, each.hurry.signal])
    if (deadline !== undefined)
      alarms.at(Date.parse(deadline), leaving).then(
        () => each.hurry.abort(),
        () => undefined,
      )
    const begin = (hasPlace: boolean) =>
      beginHeld(each, hasPlace).catch((error: unknown) => {
        if (hasPlace && !each.life) places.release()
        release(each, undefined, error)
      })
    places.take(leaving).then(
      () => begin(true),
      () => (closing.signal.aborted ? release(each, undefined, closingError()) : begin(false)),
    )
  }

  /** Reads again what stands in the rows: it may have lain in line for long. */
  const beginHeld = async (each: Held, hasPlace: boolean): Promise<void> => {
    if (closing.signal.aborted) throw closingError()
    const { id } = each
    const read = await patiently(env, closing.signal, () => readRun(lifePorts, id))
    const { run, control } = read
    if (run.row.status !== 'running' || !(isAlone || run.row.carrier === holder)) {
      if (hasPlace) places.release()
      return release(each, { row: run.row, output: null, size: log.head().size })
    }
    if (control.isPaused && !control.cancel && !isLate(run.row, env.now())) {
      if (hasPlace) places.release()
      await new Promise<void>((resolve) => {
        each.wake = resolve
        each.hurry.signal.addEventListener('abort', () => resolve(), { once: true })
        closing.signal.addEventListener('abort', () => resolve(), { once: true })
      })
      delete each.wake
      return queue(each, undefined)
    }
    const { takeOvers } = read
    const start = { control, hasPlace, isResumed: each.isResumed, ...(takeOvers ? { takeOvers } : {}) }
    live(each, run, read.journal, () => openInput(ports, run.row), start)
  }

  const takeUp = async (found: readonly CarriedRun[]) => {
    // All at once, so that a run that waits for another finds it held.
    for (const { row } of found) {
      if (held.has(row.id)) continue
      shares.resume(row)
      queue(hold(row.id, true), row.deadline)
    }
  }

  const hear = (id: string, control: Control) => {
    const each = held.get(id)
    if (!each) return
    if (each.life) each.life.attend(control)
    else if (control.cancel) each.hurry.abort()
    else if (!control.isPaused) each.wake?.()
  }
  const look = async (ids: readonly string[]) => {
    for (const [id, control] of await readControls(reader, ids)) hear(id, control)
  }
  /** A run that nobody has and that is to go on. */
  const adopt = async (id: string) => {
    const found = await loadRun(reader, id)
    if (found?.row.status !== 'running' || found.row.carrier !== undefined) return
    const won = await claim({ log, holder }, found)
    if (won) await takeUp([won])
  }
  const attend = async (id: string) => {
    if (drafted.has(id)) early.add(id)
    else if (held.has(id)) await look([id])
    else await adopt(id)
    ports.wake?.notify(TOPICS.runs)
  }

  const watch = async (wake: Pick<Wake, 'wait'>) => {
    while (!closing.signal.aborted) {
      await wake.wait(TOPICS.runs, closing.signal, LOOK_INTERVAL_MS)
      if (closing.signal.aborted) return
      try {
        await look([...held.keys()])
      } catch (error) {
        onFailure(asPolityError(error))
      }
      for (const each of [...looking]) each()
    }
  }

  const get = async (id: string): Promise<RunRow> => {
    const { value, size } = await reader.load(RUNS, [id])
    await log.published(size)
    const row = value.get(id)
    if (row?.value == null) throw noRun(id)
    return JSON.parse(row.value) as RunRow
  }

  let carriers: Carriers | undefined
  return {
    get,
    async settled(id) {
      // How it ended is in its row.
      await held.get(id)?.ended.promise.catch(() => undefined)
      return get(id)
    },
    async ended(id, signal) {
      for (;;) {
        signal.throwIfAborted()
        const each = held.get(id)
        if (each) await raced(each.ended.promise, signal)
        const found = await patiently(env, signal, () => loadRun(reader, id))
        if (!found) throw noRun(id)
        if (isEnded(found.row)) return found.row
        if (!held.has(id)) await nextLook(looking, alarms.at(env.now() + LOOK_INTERVAL_MS, signal))
      }
    },
    attend: (id) => inBackground(attend(id)),
    async cancel(id, reason) {
      await cancelAsHub(lifePorts, id, reason)
      await attend(id)
    },
    async leftOf(id) {
      const found = await loadRun(reader, id)
      return found && !isEnded(found.row) ? [] : journalPlaces(reader, id)
    },
    underWay: (id) => [...(held.get(id)?.life?.underWay ?? [])],
    abandon(id) {
      drafted.delete(id)
      shares.leave(id)
      early.delete(id)
    },
    isDurable: async (id) => (await reader.load(RUNS, [id])).value.has(id),
    draft(draft) {
      if (held.size + drafted.size >= RUNS_OPEN_MAX)
        throw new PolityError(
          'run.limit',
          `${RUNS_OPEN_MAX} runs are under way or in line: try again when one has ended`,
        )
      if ((draft.depth ?? 0) >= RUN_DEPTH_MAX)
        throw new PolityError(
          'run.limit',
          `${RUN_DEPTH_MAX} runs wait below one another already: does ${draft.action} ask for itself?`,
        )
      const row = newRow(ports, draft)
      shares.take(row)
      drafted.add(row.id)
      return { row, rows: [runWrite(row), openWrite(row)] }
    },
    start(row, input) {
      const isEarly = early.delete(row.id)
      const each = hold(row.id, false)
      // The decision wrote the row's first version.
      const run = { row, version: 1 }
      if (!isEarly && places.tryTake())
        live(each, run, Journal.empty(row.id, cipher), () => input, { isResumed: false, hasPlace: true })
      else queue(each, row.deadline)
      return each.ended.promise
    },
    async resume() {
      const isCarrying = (id: string) => held.has(id) || drafted.has(id)
      carriers = await openCarriers({ ...ports, isCarrying }, takeUp)
      if (ports.wake) inBackground(watch(ports.wake))
      return carriers.first.map(({ row }) => row)
    },
    async close() {
      closing.abort(new HubClosing('the hub is closing'))
      await carriers?.close()
      await Promise.allSettled([...held.values()].map(({ ended }) => ended.promise))
      await Promise.allSettled(background)
    },
  }
}

const closingError = () => new PolityError('cancelled', 'the hub is closing')

const isLate = ({ deadline }: RunRow, nowMs: number): boolean =>
  deadline !== undefined && Date.parse(deadline) <= nowMs

/** What is not in the catalog any more fails when it is looked up for its handler. */
function isOnce({ handlerOf }: Pick<RunsPorts, 'handlerOf'>, { action }: RunRow): boolean {
  try {
    return definitionOf(handlerOf, action).effect === 'once'
  } catch {
    return true
  }
}

const definitionOf = (handlerOf: (action: string) => CommandHandler, action: string) =>
  handlerOf(action).definition

function newRow({ env, holder, handlerOf, callbacks }: RunsPorts, asked: RunDraft): RunRow {
  const { callbackUrl, ...draft } = asked
  const journalSalt = Buffer.from(env.random(32)).toString('hex')
  const { journal } = definitionOf(handlerOf, draft.action)
  const version = journal === undefined ? {} : { journalVersion: journal }
  const callback = callbackUrl === undefined ? undefined : callbacks?.seal(callbackUrl, draft.id)
  return {
    ...draft,
    ...version,
    ...(callback === undefined ? {} : { callback }),
    status: 'running',
    journalSalt,
    carrier: holder,
  }
}

/** Resolves however the work ends. Rejects with the signal's reason. */
function raced(work: Promise<unknown>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    const end = () => {
      signal.removeEventListener('abort', leave)
      resolve()
    }
    work.then(end, end)
  })
}

async function nextLook(looking: Set<() => void>, atLatest: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  looking.add(resolve)
  try {
    await Promise.race([promise, atLatest])
  } finally {
    looking.delete(resolve)
    atLatest.catch(() => undefined)
  }
}
