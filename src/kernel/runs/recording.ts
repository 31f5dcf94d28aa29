// What one life of a run writes: under the fence, each result before anything that builds upon it begins.

import { PolityError } from '../errors.ts'
import type { Proposal } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import { type Journal, RUN_STEPS, type StepWrite } from './journal.ts'
import { appendPatiently, type PatientPorts } from './patient-append.ts'
import { type CarriedRun, RUNS, type RunRow, runWrite } from './run.ts'

/** A result that is larger is recorded by itself; of those that travel together there is at most this much, as JSON. */
const TOGETHER_MAX_CHARS = 65_536
/** A handler that goes straight on to its next effect, or to its end, is there within so many turns of promises. */
const TURNS_MAX = 32

export interface Owing {
  /** The result can be had again at no cost but time. */
  readonly isPure?: boolean
}

export interface RecordingPorts extends PatientPorts {
  readonly closing: AbortSignal
}

/**
 * A step's result is handed over at once and recorded with the next write: `settle` is the barrier before every
 * effect, so that nothing begins that builds upon a result which a crash would lose. A handler that does something
 * else meanwhile holds nothing back: what is owed is then recorded by itself.
 */
export class Recording {
  readonly #ports: RecordingPorts
  readonly #journal: Journal
  readonly #id: string
  readonly #onMoved: (lost: PolityError) => void
  #version: number
  /** Results that travel with the next commit. */
  #riders: StepWrite[] = []
  /** Whether one of them has to be durable before anything new begins. */
  #isOwed = false
  /** Commits under way that have riders. */
  readonly #carrying = new Set<Promise<unknown>>()
  #isSoon = false

  /** `onMoved` hears of it when another hub has the run. */
  constructor(
    ports: RecordingPorts,
    { row, version }: CarriedRun,
    journal: Journal,
    onMoved: (lost: PolityError) => void,
  ) {
    this.#ports = ports
    this.#id = row.id
    this.#version = version
    this.#journal = journal
    this.#onMoved = onMoved
  }

  /** Recorded with the next commit; until then a crash finds the same again under its key. */
  ride(write: StepWrite): void {
    this.#riders.push(write)
    if (charsOf(this.#riders) > TOGETHER_MAX_CHARS) this.#isOwed = true
    if (this.#isOwed) this.#soon()
  }

  /** Recorded before any effect begins; what is large, before this resolves. */
  async owe(write: StepWrite, { isPure = false }: Owing = {}): Promise<void> {
    if (charsOf([...this.#riders, write]) > TOGETHER_MAX_CHARS) return void (await this.commit(write))
    this.#isOwed = true
    // What costs nothing to do again waits for company.
    if (isPure) this.#riders.push(write)
    else this.ride(write)
  }

  /** Resolves once every result that was handed over is durable. To be awaited before every effect. */
  async settle(): Promise<void> {
    while (this.#isOwed || this.#carrying.size > 0) {
      if (this.#isOwed) await this.commit(undefined)
      else await Promise.allSettled(this.#carrying)
    }
  }

  /** As `settle`, with what could wait. */
  async flush(): Promise<void> {
    this.#isOwed ||= this.#riders.length > 0
    await this.settle()
  }

  /** Records a step's change under the fence. Throws `run.moved` when another hub has the run. Answers the log size. */
  async commit(step: StepWrite | undefined, more: Partial<Proposal> = {}): Promise<number> {
    try {
      return await this.#carry((riders) => {
        const steps = step ? [step, ...riders] : riders
        return {
          ...more,
          entries: more.entries ?? [],
          rows: [...steps.map(({ write }) => write), ...(more.rows ?? [])],
          expect: [this.#fence(), ...steps.map(({ expect }) => expect), ...(more.expect ?? [])],
        }
      })
    } catch (error) {
      if (step) this.#journal.forget(step.name)
      throw error
    }
  }

  /** Writes the run's own row, and with it the next version of the fence. */
  async commitRow(row: RunRow, more: Partial<Proposal> = {}, expiresAtMs?: number): Promise<number> {
    // They are under the fence as it stands.
    while (this.#carrying.size > 0) await Promise.allSettled(this.#carrying)
    const size = await this.#carry((riders) => ({
      ...more,
      entries: more.entries ?? [],
      rows: [runWrite(row, expiresAtMs), ...riders.map(({ write }) => write), ...(more.rows ?? [])],
      expect: [this.#fence(), ...riders.map(({ expect }) => expect), ...(more.expect ?? [])],
    }))
    this.#version += 1
    return size
  }

  /** Appends with everything that rides; when that is refused, it rides with the next. */
  async #carry(proposalWith: (riders: readonly StepWrite[]) => Proposal): Promise<number> {
    const [riders, isOwed] = [this.#riders, this.#isOwed]
    this.#riders = []
    this.#isOwed = false
    const done = this.#append(proposalWith(riders)).catch((error: unknown) => {
      this.#riders.unshift(...riders)
      this.#isOwed ||= isOwed
      throw error
    })
    if (riders.length === 0) return done
    this.#carrying.add(done)
    try {
      return await done
    } finally {
      this.#carrying.delete(done)
    }
  }

  #soon(): void {
    if (this.#isSoon) return
    this.#isSoon = true
    void this.#commitSoon()
  }

  async #commitSoon(): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn++) await undefined
    this.#isSoon = false
    // Whoever settles next meets the same failure.
    if (this.#isOwed) await this.commit(undefined).catch(() => undefined)
  }

  async #append(proposal: Proposal): Promise<number> {
    try {
      return await appendPatiently(this.#ports, proposal, this.#ports.closing)
    } catch (error) {
      if (!isMoved(error)) throw error
      const lost = movedError(this.#id, error)
      this.#onMoved(lost)
      throw lost
    }
  }

  /** The fence: whoever takes the run over writes the row's next version. */
  #fence(): Expectation {
    return { table: RUNS, key: this.#id, version: this.#version }
  }
}

const charsOf = (writes: readonly StepWrite[]): number =>
  writes.reduce((chars, { write }) => chars + (write.value?.length ?? 0), 0)

/** Another hub has taken the run over: nothing that this one does of it is recorded any more. */
const isMoved = (thrown: unknown): boolean =>
  thrown instanceof PolityError &&
  thrown.code === 'expectation.failed' &&
  (thrown.facts.table === RUNS || thrown.facts.table === RUN_STEPS)

const movedError = (id: string, cause: unknown): PolityError =>
  new PolityError(
    'run.moved',
    `another hub has taken run ${id} over, because this one was not heard of: look the run up`,
    { run: id },
    cause,
  )
