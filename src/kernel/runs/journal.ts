// A run's journal: named steps whose results are recorded once, so that a run that crashed goes on where it stopped.

import { createHmac } from 'node:crypto'
import { type ErrorWire, PolityError } from '../errors.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import type { Expectation } from '../log/view.ts'
import { pages } from '../store/pages.ts'
import { isKey, type StoreReader } from '../store/store.ts'
import type { StepCipher } from './step-cipher.ts'

/** Working state: `runId/step` -> StoredStep, kept for as long as the run's row. */
export const RUN_STEPS = 'run.steps'

export const STEP_NAME_MAX = 512
/** Before the name of a step stands the name of what undoes it. */
export const UNDO_PREFIX = 'undo/'
/** Before the name of an action that the run asks for. */
export const INVOKE_PREFIX = 'invoke/'
export const STEPS_PER_RUN_MAX = 10_000
export const STEP_RESULT_MAX_BYTES = 4 * 1024 * 1024

/** Steps that wrong code took before it was noticed; more than these cannot be forgiven. */
const LOOSENED_MAX = 1000

export type StepKind = 'step' | 'undo' | 'sleep' | 'signal' | 'invoke'

/**
 * `started`: a step of a `once` command that may have happened, one that is to be tried again, or a wait that has
 * not ended. `failed`: it ended with an error, which it throws again whenever the run comes by.
 */
export type StepState = 'started' | 'done' | 'failed'

export interface StepRow {
  /** Place among the run's steps, by their first write. */
  readonly order: number
  readonly kind: StepKind
  readonly state: StepState
  /** Attempts that have ended. */
  readonly attempts: number
  /** Take-overs that those attempts count already. */
  readonly lives: number
  /** Wall clock of the last write. */
  readonly atMs: number
  /** Wall clock: when a wait ends, or the next attempt begins. */
  readonly untilMs?: number
  /** Taken inside of another step's body, where nobody comes by once that one has its result. */
  readonly isLoose?: boolean
  /** Of `done` the result, of `failed` the error, of `started` the details of the last heartbeat. */
  readonly result: unknown
}

/** As StepRow; the result's JSON text is sealed, because it may be private. */
interface StoredStep extends Omit<StepRow, 'result'> {
  readonly sealed: string
}

/** One write of a step's row, and what it expects to find. */
export interface StepWrite {
  readonly name: string
  readonly write: WorkingWrite
  readonly expect: Expectation
}

export type StepChange = Pick<StepRow, 'kind' | 'state' | 'atMs'> &
  Partial<Pick<StepRow, 'attempts' | 'lives' | 'untilMs' | 'isLoose' | 'result'>>

interface Held {
  readonly row: StepRow
  readonly version: number
}

export class Journal {
  readonly #runId: string
  readonly #cipher: StepCipher
  readonly #steps: Map<string, Held>
  /** What stood there before a write that may yet be refused. */
  readonly #before = new Map<string, Held | undefined>()
  /** Steps by which this life has come. */
  readonly #visited = new Set<string>()
  /** Steps that stood there when this life began. */
  readonly #inherited: ReadonlySet<string>
  /** The last order that was given away. */
  #ordered = -1

  private constructor(runId: string, cipher: StepCipher, steps: Map<string, Held>) {
    this.#runId = runId
    this.#cipher = cipher
    this.#steps = steps
    this.#inherited = new Set(steps.keys())
    for (const { row } of steps.values()) this.#ordered = Math.max(this.#ordered, row.order)
  }

  static empty = (runId: string, cipher: StepCipher): Journal => new Journal(runId, cipher, new Map())

  /** Throws `log.corrupt` when a result does not open. */
  static async load(runId: string, cipher: StepCipher, store: Pick<StoreReader, 'scan'>): Promise<Journal> {
    const steps = new Map<string, Held>()
    const prefix = `${runId}/`
    for await (const page of pages(store, RUN_STEPS, { prefix }))
      for (const { key, value, version } of page) {
        const { sealed, ...place } = JSON.parse(value) as StoredStep
        const result = JSON.parse(cipher.open(sealed, key)) as unknown
        // Journals of the first release know steps only, and neither attempts nor times.
        const row: StepRow = { ...FIRST_RELEASE, ...place, result }
        steps.set(key.slice(prefix.length), { row, version })
      }
    return new Journal(runId, cipher, steps)
  }

  /**
   * What is recorded under the name, undefined when nothing is. Throws `run.parked` when it was something else then,
   * `limit` for a name that no step may have or a step too many.
   */
  visit(name: string, kind: StepKind): StepRow | undefined {
    const held = this.#steps.get(name)
    if (!held) this.#checkNew(name, kind)
    else if (held.row.kind !== kind)
      throw new PolityError(
        'run.parked',
        `${name} was recorded as a ${held.row.kind} and is a ${kind} now: put the code back with which the run began, then resume it`,
        { step: name },
      )
    this.#visited.add(name)
    return held?.row
  }

  /** The write that changes a step, which stands in the journal at once; `forget` takes it back. Throws `payload.too-large`. */
  write(name: string, change: StepChange): StepWrite {
    const held = this.#steps.get(name)
    const text = JSON.stringify(change.result ?? null)
    if (Buffer.byteLength(text) > STEP_RESULT_MAX_BYTES)
      throw new PolityError(
        'payload.too-large',
        `step ${name} answered more than ${STEP_RESULT_MAX_BYTES} bytes`,
        { step: name },
      )
    const row: StepRow = {
      order: held?.row.order ?? this.#nextOrder(name, change.kind),
      attempts: held?.row.attempts ?? 0,
      lives: held?.row.lives ?? 0,
      ...change,
      // In the form in which a resumed run would read it.
      result: JSON.parse(text) as unknown,
    }
    this.#before.set(name, held)
    this.#steps.set(name, { row, version: (held?.version ?? 0) + 1 })
    const key = `${this.#runId}/${name}`
    const { result: _, ...place } = row
    const stored: StoredStep = { ...place, sealed: this.#cipher.seal(text, key) }
    return {
      name,
      write: { table: RUN_STEPS, key, value: JSON.stringify(stored) },
      expect: { table: RUN_STEPS, key, version: held?.version ?? 0 },
    }
  }

  /** The last write of the step was refused: it stands as it stood before. */
  forget(name: string): void {
    const before = this.#before.get(name)
    if (before) this.#steps.set(name, before)
    else this.#steps.delete(name)
  }

  /** A step of the earlier lives by which this one did not come, and should have. */
  missed(): string | undefined {
    for (const name of this.#inherited) {
      const row = this.#steps.get(name)?.row
      if (row && row.kind !== 'undo' && !row.isLoose && !this.#visited.has(name)) return name
    }
    return undefined
  }

  /** What this life has recorded, when it was not the code of the run: no later one needs to come by. */
  loosen(): StepWrite[] {
    const writes: StepWrite[] = []
    for (const [name, { row }] of [...this.#steps]) {
      if (this.#inherited.has(name) || row.isLoose || writes.length === LOOSENED_MAX) continue
      const { order: _, ...change } = row
      writes.push(this.write(name, { ...change, isLoose: true }))
    }
    return writes
  }

  /** Whether something of an earlier life stands under the prefix. */
  hasInherited(prefix: string): boolean {
    for (const name of this.#inherited) if (name.startsWith(prefix)) return true
    return false
  }

  row(name: string): StepRow | undefined {
    return this.#steps.get(name)?.row
  }

  /** The steps in the order of their first write. */
  inOrder(): readonly (readonly [name: string, row: StepRow])[] {
    return [...this.#steps]
      .map(([name, { row }]) => [name, row] as const)
      .sort(([a, first], [b, second]) => first.order - second.order || (a < b ? -1 : 1))
  }

  /** How many steps have a result: what tells progress from going in a circle. */
  settledCount(): number {
    let settled = 0
    for (const { row } of this.#steps.values()) if (row.state !== 'started') settled += 1
    return settled
  }

  /** Whether the run was waiting for time, a signal or another run when its last life ended. */
  isWaiting(): boolean {
    for (const { row } of this.#steps.values())
      if (row.state === 'started' && row.kind !== 'step' && row.kind !== 'undo') return true
    return false
  }

  /** Whether a step's body waits for people: it begins again in each life, and that is no sign of what ends hubs. */
  isAwaitingPeople(): boolean {
    for (const { row } of this.#steps.values())
      if (row.state === 'started' && row.kind === 'invoke' && row.isLoose) return true
    return false
  }

  /** HMAC-SHA-256 (RFC 2104) over [name, result] of every step, in the order in which they were first written. */
  digest(key: Uint8Array): string {
    const mac = createHmac('sha256', key)
    for (const [name, { state, result }] of this.inOrder())
      mac.update(`${JSON.stringify([name, state === 'failed' ? { error: result } : result])}\n`)
    return `hmac-sha256:${mac.digest('hex')}`
  }

  #checkNew(name: string, kind: StepKind): void {
    // What undoes a step needs room for its name too.
    const isTooLong = name.length > STEP_NAME_MAX + (kind === 'undo' ? UNDO_PREFIX.length : 0)
    const key = `${this.#runId}/${kind === 'undo' ? '' : UNDO_PREFIX}${name}`
    if (name.length === 0 || isTooLong || !isKey(key))
      throw new PolityError('limit', `a step's name is well-formed text of 1 to ${STEP_NAME_MAX} characters`)
    if (this.#steps.size >= STEPS_PER_RUN_MAX)
      throw new PolityError('limit', `a run may have ${STEPS_PER_RUN_MAX} steps`)
  }

  #nextOrder(name: string, kind: StepKind): number {
    this.#checkNew(name, kind)
    this.#ordered += 1
    return this.#ordered
  }
}

/** The invocations of a run that have begun and have no result, without the rest of its journal. */
export async function* openInvocations(
  runId: string,
  cipher: StepCipher,
  store: Pick<StoreReader, 'scan'>,
): AsyncGenerator<{ readonly name: string; readonly row: Pick<StepRow, 'kind' | 'state' | 'result'> }> {
  for await (const page of pages(store, RUN_STEPS, { prefix: `${runId}/${INVOKE_PREFIX}` }))
    for (const { key, value } of page) {
      const { kind, state, sealed } = JSON.parse(value) as StoredStep
      if (kind !== 'invoke' || state !== 'started') continue
      const result = JSON.parse(cipher.open(sealed, key)) as unknown
      yield { name: key.slice(runId.length + 1), row: { kind, state, result } }
    }
}

const FIRST_RELEASE = { kind: 'step', attempts: 0, lives: 0, atMs: 0 } as const

/** The error that a failed step throws whenever its run comes by. */
export const errorOfStep = ({ result }: StepRow): PolityError => {
  const { code, message, facts } = result as ErrorWire
  return new PolityError(code, message, facts)
}
