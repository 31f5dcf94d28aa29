// A run's journal: named steps whose results are recorded once, so that a run that crashed goes on where it stopped.

import { createHmac } from 'node:crypto'
import { PolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import { isKey, SCAN_LIMIT_MAX, type Store } from '../store/store.ts'
import type { StepCipher } from './step-cipher.ts'

/** Working state: `runId/step` -> StoredStep, dropped when the run has finished. */
export const RUN_STEPS = 'run.steps'

export const STEP_NAME_MAX = 512
export const STEPS_PER_RUN_MAX = 10_000
export const STEP_RESULT_MAX_BYTES = 4 * 1024 * 1024

/** `started` is written before a step of a `once` command begins; without a result it may have happened. */
interface StepRow {
  readonly order: number
  readonly state: 'started' | 'done'
  readonly result: unknown
}

/** As StepRow; the result's JSON text is sealed, because it may be private. */
interface StoredStep extends Omit<StepRow, 'result'> {
  readonly sealed: string
}

export class Journal {
  readonly #runId: string
  readonly #cipher: StepCipher
  readonly #steps: Map<string, StepRow>
  /** What stood there before a write that may yet be refused. */
  readonly #before = new Map<string, StepRow | undefined>()
  /** The last order that was given away. */
  #ordered = -1

  private constructor(runId: string, cipher: StepCipher, steps: Map<string, StepRow>) {
    this.#runId = runId
    this.#cipher = cipher
    this.#steps = steps
    for (const { order } of steps.values()) this.#ordered = Math.max(this.#ordered, order)
  }

  static empty = (runId: string, cipher: StepCipher): Journal => new Journal(runId, cipher, new Map())

  /** Throws `log.corrupt` when a result does not open. */
  static async load(runId: string, cipher: StepCipher, store: Store): Promise<Journal> {
    const steps = new Map<string, StepRow>()
    const prefix = `${runId}/`
    let after: string | undefined
    for (;;) {
      const { value: rows } = await store.scan(RUN_STEPS, {
        prefix,
        limit: SCAN_LIMIT_MAX,
        ...(after === undefined ? {} : { after }),
      })
      for (const { key, value } of rows) {
        const { order, state, sealed } = JSON.parse(value) as StoredStep
        steps.set(key.slice(prefix.length), { order, state, result: JSON.parse(cipher.open(sealed, key)) })
      }
      after = rows.at(-1)?.key
      if (rows.length < SCAN_LIMIT_MAX) return new Journal(runId, cipher, steps)
    }
  }

  /**
   * The recorded result, or undefined when the step has none. Throws `run.unknown` for a `once` step that may
   * have happened, `limit` for a name that no step may have or a step too many.
   */
  recorded(name: string): { readonly result: unknown } | undefined {
    const step = this.#steps.get(name)
    if (!step) this.#checkNew(name)
    if (step?.state === 'started')
      throw new PolityError(
        'run.unknown',
        `step ${name} was interrupted and is never repeated: find out what happened`,
        { step: name },
      )
    return step
  }

  /** The write that marks a `once` step as begun. */
  begin(name: string): WorkingWrite {
    return this.#write(name, { order: this.#orderOf(name), state: 'started', result: null })
  }

  /** The write that records a result; the result comes back in the form in which a resumed run would read it. */
  finish(name: string, result: unknown): { readonly write: WorkingWrite; readonly result: unknown } {
    const text = JSON.stringify(result ?? null)
    if (text.length > STEP_RESULT_MAX_BYTES)
      throw new PolityError(
        'payload.too-large',
        `step ${name} answered more than ${STEP_RESULT_MAX_BYTES} bytes`,
        { step: name },
      )
    const plain = JSON.parse(text) as unknown
    return {
      write: this.#write(name, { order: this.#orderOf(name), state: 'done', result: plain }),
      result: plain,
    }
  }

  /** The last write of the step was refused: it stands as it stood before. */
  forget(name: string): void {
    const before = this.#before.get(name)
    if (before) this.#steps.set(name, before)
    else this.#steps.delete(name)
  }

  /** Expectation that nobody else has recorded this step. */
  expectation(name: string, version: number): Expectation {
    return { table: RUN_STEPS, key: `${this.#runId}/${name}`, version }
  }

  /** HMAC-SHA-256 (RFC 2104) over [name, result] of every step, in the order in which they were first written. */
  digest(key: Uint8Array): string {
    const steps = [...this.#steps].sort(
      ([a, { order: first }], [b, { order: second }]) => first - second || (a < b ? -1 : 1),
    )
    const mac = createHmac('sha256', key)
    for (const [name, { result }] of steps) mac.update(`${JSON.stringify([name, result])}\n`)
    return `hmac-sha256:${mac.digest('hex')}`
  }

  /** Writes that drop the journal; the sweep removes what they leave. */
  drop(nowMs: number): WorkingWrite[] {
    return [...this.#steps.keys()].map((name) => ({
      table: RUN_STEPS,
      key: `${this.#runId}/${name}`,
      value: null,
      expiresAtMs: nowMs,
    }))
  }

  #checkNew(name: string): void {
    if (name.length === 0 || name.length > STEP_NAME_MAX || !isKey(`${this.#runId}/${name}`))
      throw new PolityError('limit', `a step's name is well-formed text of 1 to ${STEP_NAME_MAX} characters`)
    if (this.#steps.size >= STEPS_PER_RUN_MAX)
      throw new PolityError('limit', `a run may have ${STEPS_PER_RUN_MAX} steps`)
  }

  #orderOf(name: string): number {
    const known = this.#steps.get(name)
    if (known) return known.order
    this.#checkNew(name)
    this.#ordered += 1
    return this.#ordered
  }

  #write(name: string, row: StepRow): WorkingWrite {
    this.#before.set(name, this.#steps.get(name))
    this.#steps.set(name, row)
    const key = `${this.#runId}/${name}`
    const { result, ...place } = row
    const stored: StoredStep = { ...place, sealed: this.#cipher.seal(JSON.stringify(result), key) }
    return { table: RUN_STEPS, key, value: JSON.stringify(stored) }
  }
}
