// One life of a run: from the moment a hub carries it out to its end, or to the end of that hub. Owns the fence.

import type { AskingOthers, Progress, Reads, StepContext, StepOptions } from '../catalog/context.ts'
import type { CommandHandler } from '../catalog/definition.ts'
import { actorOf, type Origin } from '../catalog/recorder.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import type { Log } from '../log/log.ts'
import type { Proposal } from '../log/proposal.ts'
import { KnownOpenings } from '../schema/privacy.ts'
import type { Store } from '../store/store.ts'
import type { Targets } from '../targets/targets.ts'
import { oneAfterAnother } from '../turns.ts'
import type { Alarms } from './alarms.ts'
import type { Asking } from './asking-port.ts'
import type { Callbacks } from './callbacks.ts'
import { type Control, NO_CONTROL } from './control.ts'
import type { Journal, StepWrite } from './journal.ts'
import type { Places } from './places.ts'
import { type Owing, Recording } from './recording.ts'
import type { CarriedRun, RunRow } from './run.ts'
import type { StepCipher } from './step-cipher.ts'
import { type Suspects, UNSUSPECTED_TAKE_OVERS } from './suspects.ts'

/** Working state: run id -> TakeOvers, while it is taken over again and again. */
export const RUNS_LIVES = 'runs.lives'
/** A run that is taken over more often than this without a newly recorded step is parked: it may be what ends its hubs. */
export const TAKE_OVERS_MAX = 10

export interface Undo {
  /** Place of the step among the run's. */
  readonly order: number
  readonly undo: (step: StepContext, asking: AskingOthers) => unknown
  readonly options: Pick<StepOptions<unknown>, 'retry' | 'timeoutMs' | 'heartbeatMs' | 'target'>
}

export interface TakeOvers {
  readonly count: number
  /** Steps that had a result then. */
  readonly settled: number
}

export interface LifePorts {
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
  readonly asking: Asking
  readonly onProgress: (run: RunRow, progress: Progress) => void
  readonly targets?: Pick<Targets, 'call' | 'mayRepeat'>
  readonly callbacks?: Callbacks
  readonly cipher: StepCipher
  readonly alarms: Alarms
  readonly places: Places
  readonly suspects: Suspects
  /** Aborted with HubClosing. */
  readonly closing: AbortSignal
}

/** Aborts with this reason leave the run as it is: the next start resumes it. */
export class HubClosing extends Error {}

export interface LifeStart {
  readonly control?: Control
  /** Of a run that somebody has begun before. */
  readonly takeOvers?: TakeOvers
  readonly isResumed: boolean
  readonly hasPlace: boolean
}

export class Life {
  readonly ports: LifePorts
  readonly journal: Journal
  readonly known = new KnownOpenings()
  readonly isResumed: boolean
  readonly isOnce: boolean
  /** Facts of the whole invocation. */
  readonly drafts: Draft[] = []
  /** To be called once the outcome is committed. */
  readonly listeners: (() => void)[] = []
  /** By the name of the step that they undo. */
  readonly undos = new Map<string, Undo>()
  /** What the run is asking for, by its name in the journal. */
  readonly asked = new Map<string, Promise<unknown>>()
  /** Names of the steps whose bodies run. */
  readonly underWay = new Set<string>()
  /** Whether this life has recorded anything yet. */
  hasRecorded = false
  row: RunRow
  control: Control
  /** How often the run was taken over since a step was recorded; known once something new is about to begin. */
  takeOverCount = 0
  /** Why the run has to end: cancelled, or out of time. */
  stopped: PolityError | undefined
  /** What was done is being undone: nobody can pause that. */
  isEnding = false
  readonly #before: TakeOvers | undefined
  readonly #abort = new AbortController()
  readonly #hearing = new Set<() => void>()
  /** Readings of signals, one after the other. */
  readonly oneAtATime = oneAfterAnother()
  readonly #recording: Recording
  #hasPlace: boolean
  #taking: Promise<void> | undefined
  /** Ends its turn among the suspects. */
  #endTurn: (() => void) | undefined
  /** Lines of execution, and how many of them wait. */
  #lines = 1
  #idle = 0

  constructor(ports: LifePorts, run: CarriedRun, journal: Journal, isOnce: boolean, start: LifeStart) {
    this.ports = ports
    this.row = run.row
    this.journal = journal
    this.#recording = new Recording(ports, run, journal, (lost) => this.leave(lost))
    this.isOnce = isOnce
    this.isResumed = start.isResumed
    this.control = start.control ?? NO_CONTROL
    this.#before = start.takeOvers
    this.#hasPlace = start.hasPlace
    if (this.control.cancel) this.stop(cancelledBy(this.row, this.control.cancel))
  }

  get id(): string {
    return this.row.id
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** The end of everything that the handler has under way. Of two reasons the first stands. */
  stop(reason: PolityError): void {
    if (this.#abort.signal.aborted) return
    this.stopped = reason
    this.#abort.abort(reason)
  }

  /** The hub closes, or another one has the run: nothing more is done, and nothing recorded. */
  leave(reason: Error): void {
    this.#abort.abort(reason)
  }

  /** Somebody has asked something of the run. */
  attend(control: Control): void {
    if (control.version <= this.control.version) return
    this.control = control
    if (control.cancel) this.stop(cancelledBy(this.row, control.cancel))
    for (const hear of this.#hearing) hear()
  }

  /** Resolves with the next news. Rejects with the signal's reason. */
  news(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (signal.aborted) return Promise.reject(signal.reason)
    const end = () => {
      this.#hearing.delete(hear)
      signal.removeEventListener('abort', leave)
    }
    const hear = () => {
      end()
      resolve()
    }
    const leave = () => {
      end()
      reject(signal.reason)
    }
    this.#hearing.add(hear)
    signal.addEventListener('abort', leave, { once: true })
    return promise
  }

  /** To be awaited before anything new begins: waits while the run is paused. */
  async proceed(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.control.isPaused && !this.isEnding) await this.idle(() => this.news(signal))
    signal.throwIfAborted()
  }

  /** To be awaited before code of the run works. Throws `run.parked` for a run that ends one hub after the other. */
  async countTakeOver(): Promise<void> {
    if (!this.isResumed || this.takeOverCount > 0) return
    const settled = this.journal.settledCount()
    const count = this.#before?.settled === settled ? this.#before.count + 1 : 1
    this.takeOverCount = count
    if (count > TAKE_OVERS_MAX)
      throw new PolityError(
        'run.parked',
        `the run was taken over ${TAKE_OVERS_MAX} times without a new step: find out what ends its hubs, then resume or cancel it`,
      )
    if (count > UNSUSPECTED_TAKE_OVERS)
      this.#endTurn = await this.idle(() => this.ports.suspects.turn(this.signal))
    const value = JSON.stringify({ count, settled } satisfies TakeOvers)
    // That is no progress of the run.
    await this.#recording.commit(undefined, { rows: [{ table: RUNS_LIVES, key: this.id, value }] })
    this.hasRecorded = false
  }

  /** Whether the body of a step, or something that the handler asked for, is under way. */
  get isBusy(): boolean {
    return this.underWay.size > 0 || this.asked.size > 0
  }

  get hasTakeOvers(): boolean {
    return this.takeOverCount > 0 || this.#before !== undefined
  }

  /** A line of execution waits for something that takes no place: when all of them do, another run may work. */
  async idle<T>(wait: () => Promise<T>): Promise<T> {
    this.#idle += 1
    this.#giveWay()
    try {
      return await wait()
    } finally {
      this.#idle -= 1
      await this.#retake()
    }
  }

  fork(lines: number): void {
    this.#lines += lines
  }

  join(): void {
    this.#lines -= 1
    this.#giveWay()
  }

  /** Gives the place back for good. */
  end(): void {
    this.#endTurn?.()
    if (this.#hasPlace) this.ports.places.release()
    this.#hasPlace = false
  }

  #giveWay(): void {
    if (this.#idle < this.#lines) return
    this.#endTurn?.()
    if (!this.#hasPlace) return
    this.#hasPlace = false
    this.ports.places.release()
  }

  async #retake(): Promise<void> {
    // What is ending does not stand in line behind what works.
    if (this.#hasPlace || this.#abort.signal.aborted) return
    this.#taking ??= this.ports.places
      .take(this.#abort.signal)
      .then(
        () => {
          this.#hasPlace = true
        },
        // Ending: it goes on without.
        () => undefined,
      )
      .finally(() => {
        this.#taking = undefined
      })
    await this.#taking
  }

  /** Recorded with the next commit; until then a crash finds the same again under its key. */
  ride(write: StepWrite): void {
    this.#recording.ride(write)
  }

  /** A result of a step: recorded before any effect begins. */
  owe(write: StepWrite, how: Owing = {}): Promise<void> {
    this.#progressed()
    return this.#recording.owe(write, how)
  }

  /** To be awaited before every effect: resolves once the results before it are durable. */
  settle(): Promise<void> {
    return this.#recording.settle()
  }

  /** As `settle`, with what could wait. */
  flush(): Promise<void> {
    return this.#recording.flush()
  }

  /** Records a step's change under the fence. Throws `run.moved` when another hub has the run. Answers the log size. */
  async commit(step: StepWrite | undefined, more: Partial<Proposal> = {}): Promise<number> {
    const size = await this.#recording.commit(step, more)
    this.#progressed()
    return size
  }

  #progressed(): void {
    this.hasRecorded = true
    this.#endTurn?.()
  }

  /** Writes the run's own row, and with it the next version of the fence. */
  async commitRow(row: RunRow, more: Partial<Proposal> = {}, expiresAtMs?: number): Promise<number> {
    const size = await this.#recording.commitRow(row, more, expiresAtMs)
    this.row = row
    return size
  }

  origin(): Origin {
    const { chain, correlationId, id, traceparent } = this.row
    return {
      source: this.ports.source,
      actor: actorOf(chain),
      correlationid: correlationId,
      causationid: id,
      ...(traceparent === undefined ? {} : { traceparent }),
    }
  }
}

const cancelledBy = ({ id }: RunRow, { reason, by }: { readonly reason: string; readonly by: string }) =>
  new PolityError('run.cancelled', `${by} cancelled the run: ${reason}`, { run: id })
