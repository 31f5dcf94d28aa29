// The Runs room: which runs this hub has, which of them work, and who hears of their ends.

import { asPolityError, PolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { RowPlace } from '../store/store.ts'
import type { Wake } from '../wake/wake.ts'
import { openAlarms } from './alarms.ts'
import { openAttention } from './attention.ts'
import { awaitedEnd } from './awaited-end.ts'
import { cancelAsHub } from './cancel-as-hub.ts'
import { type Carriers, type CarriersPorts, openCarriers } from './carriers.ts'
import type { FinishedRun } from './endings.ts'
import { HeldRuns } from './held-runs.ts'
import { HubClosing, type LifePorts } from './life.ts'
import { openLine } from './line.ts'
import { loadRun } from './load-run.ts'
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
import { newRow, type RunDraft } from './run-draft.ts'
import { stepCipher } from './step-cipher.ts'
import { openSuspects } from './suspects.ts'
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

export function openRuns(ports: RunsPorts): Runs {
  const { reader, env, onFailure } = ports
  const closing = new AbortController()
  const alarms = openAlarms(env)
  const lives: LifePorts = {
    ...ports,
    cipher: stepCipher(ports.stepKey, env),
    alarms,
    places: openPlaces(RUNS_CONCURRENT_MAX),
    suspects: openSuspects(alarms, env),
    closing: closing.signal,
  }
  const held = new HeldRuns({ closing: closing.signal, onFailure })
  const line = openLine({ ...ports, lives, held })
  const takeUp = async (found: readonly CarriedRun[]) => {
    // All at once, so that a run that waits for another finds it held.
    for (const { row } of found) if (!held.get(row.id)) line.join(held.resume(row), row.deadline)
  }
  const attention = openAttention({ ...ports, held, takeUp, closing: closing.signal })
  const background = openBackground(closing.signal, onFailure)
  const get = (id: string) => publishedRow(ports, id)

  let carriers: Carriers | undefined
  return {
    get,
    async settled(id) {
      // How it ended is in its row.
      await held.get(id)?.ended.promise.catch(() => undefined)
      return get(id)
    },
    ended: (id, signal) => awaitedEnd(lives, held, id, signal),
    attend: (id) => background.begin(attention.attend(id)),
    async cancel(id, reason) {
      await cancelAsHub(lives, id, reason)
      await attention.attend(id)
    },
    async leftOf(id) {
      const found = await loadRun(reader, id)
      return found && !isEnded(found.row) ? [] : journalPlaces(reader, id)
    },
    underWay: (id) => [...(held.get(id)?.life?.underWay ?? [])],
    abandon: (id) => held.abandon(id),
    isDurable: async (id) => (await reader.load(RUNS, [id])).value.has(id),
    draft(draft) {
      requireRoom(held, draft)
      const row = newRow(ports, draft)
      held.draft(row)
      return { row, rows: [runWrite(row), openWrite(row)] }
    },
    start(row, input) {
      const each = held.start(row.id)
      line.begin(each, row, input)
      return each.ended.promise
    },
    async resume() {
      const isCarrying = (id: string) => held.get(id) !== undefined || held.isDrafted(id)
      carriers = await openCarriers({ ...ports, isCarrying }, takeUp)
      if (ports.wake) background.begin(attention.watch(ports.wake))
      return carriers.first.map(({ row }) => row)
    },
    async close() {
      closing.abort(new HubClosing('the hub is closing'))
      await carriers?.close()
      await held.settled()
      await background.settled()
    },
  }
}

/** As everybody may see it: what is committed and not published yet could still be lost. */
async function publishedRow({ reader, log }: Pick<RunsPorts, 'reader' | 'log'>, id: string): Promise<RunRow> {
  const { value, size } = await reader.load(RUNS, [id])
  await log.published(size)
  const row = value.get(id)
  if (row?.value == null) throw noRun(id)
  return JSON.parse(row.value) as RunRow
}

function requireRoom(held: HeldRuns, { depth = 0, action }: RunDraft): void {
  if (held.count >= RUNS_OPEN_MAX)
    throw new PolityError(
      'run.limit',
      `${RUNS_OPEN_MAX} runs are under way or in line: try again when one has ended`,
    )
  if (depth >= RUN_DEPTH_MAX)
    throw new PolityError(
      'run.limit',
      `${RUN_DEPTH_MAX} runs wait below one another already: does ${action} ask for itself?`,
    )
}

/** What nobody waits for: it is told when it fails, and waited for when the hub closes. */
function openBackground(closing: AbortSignal, onFailure: RunsPorts['onFailure']) {
  const works = new Set<Promise<unknown>>()
  return {
    begin(work: Promise<unknown>): void {
      const done = work
        .catch((error: unknown) => {
          if (!closing.aborted) onFailure(asPolityError(error))
        })
        .finally(() => works.delete(done))
      works.add(done)
    },
    settled: () => Promise.allSettled(works),
  }
}
