// What a request of a person makes of a run: which rows and facts, as a pure function of the rows before it.

import { PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import { RunCancelled, RunPaused, RunResolved, RunResumed, RunSignalled } from './contract.ts'
import {
  type ControlRow,
  resolutionPlace,
  SIGNAL_SIZE_MAX_BYTES,
  type SignalRow,
  signalKey,
} from './control.ts'
import { endingError } from './ending-error.ts'
import { STEP_RESULT_MAX_BYTES } from './journal.ts'
import { isEnded, type RunRow } from './run.ts'
import type { StepCipher } from './step-cipher.ts'

export interface Asked {
  readonly run: RunRow
  readonly control: ControlRow
}

/** What is absent stays as it is. */
export interface Change {
  readonly run?: RunRow
  readonly control?: ControlRow
  readonly signal?: { readonly key: string; readonly row: SignalRow }
  readonly facts: readonly Draft[]
}

const NOTHING: Change = { facts: [] }

export function pauseRun({ run, control }: Asked, reason: string | undefined): Change {
  requireOpen(run)
  if (run.status === 'parked')
    throw new PolityError('run.parked', `run ${run.id} is parked already: ${run.parked?.reason ?? ''}`)
  if (control.isPaused) return NOTHING
  return {
    control: { ...control, isPaused: true },
    facts: [RunPaused({ ...named(run), ...(reason === undefined ? {} : { reason }) }, about(run))],
  }
}

export function resumeRun({ run, control }: Asked, reason: string | undefined): Change {
  requireOpen(run)
  if (run.status !== 'parked' && !control.isPaused) return NOTHING
  const { isPaused: _, ...rest } = control
  return {
    ...(run.status === 'parked' ? { run: unparked(run) } : {}),
    ...(control.isPaused ? { control: rest } : {}),
    facts: [RunResumed({ ...named(run), ...(reason === undefined ? {} : { reason }) }, about(run))],
  }
}

/** `by` is the actor. Asked twice, the first reason stands. */
export function cancelRun({ run, control }: Asked, reason: string, by: string): Change {
  requireOpen(run)
  if (control.cancel || run.ending) return NOTHING
  const facts = [RunCancelled({ ...named(run), reason }, about(run))]
  if (run.status !== 'parked') return { control: { ...control, cancel: { reason, by } }, facts }
  const why = `${by} cancelled the run while it was parked, so that nothing it had done was undone: ${reason}`
  const error = endingError(new PolityError('run.cancelled', why))
  return { run: { ...unparked(run), ending: { status: 'cancelled', error, isAsItStands: true } }, facts }
}

/** Throws `payload.too-large`. */
export function signalRun(
  { run, control }: Asked,
  name: string,
  payload: unknown,
  cipher: StepCipher,
): Change {
  requireOpen(run)
  const text = JSON.stringify(payload ?? null)
  if (Buffer.byteLength(text) > SIGNAL_SIZE_MAX_BYTES)
    throw new PolityError(
      'payload.too-large',
      `a signal's payload has at most ${SIGNAL_SIZE_MAX_BYTES} bytes`,
    )
  const signals = (control.signals ?? 0) + 1
  const key = signalKey(run.id, signals)
  return {
    control: { ...control, signals },
    signal: { key, row: { name, sealed: cipher.seal(text, key) } },
    facts: [RunSignalled({ ...named(run), name, ...(payload === undefined ? {} : { payload }) }, about(run))],
  }
}

export type Told = { readonly result?: unknown; readonly failed?: string }

/** `isOpenStep` says whether the step has begun and has no result. Throws `input.invalid`, `run.finished`, `payload.too-large`. */
export function resolveRun(
  { run, control }: Asked,
  step: string,
  told: Told,
  isOpenStep: boolean,
  cipher: StepCipher,
): Change {
  if (run.status !== 'unknown')
    throw new PolityError('run.finished', `run ${run.id} is ${run.status}: only an unknown one is resolved`)
  if (!isOpenStep)
    throw new PolityError(
      'input.invalid',
      `step ${step.slice(0, 64)} of run ${run.id} is not one that may have happened`,
    )
  if ((told.failed === undefined) === (told.result === undefined))
    throw new PolityError('input.invalid', 'say either its result, or with which sentence it failed')
  const text = JSON.stringify(told.failed === undefined ? { result: told.result } : { failed: told.failed })
  if (Buffer.byteLength(text) > STEP_RESULT_MAX_BYTES)
    throw new PolityError('payload.too-large', `a result has at most ${STEP_RESULT_MAX_BYTES} bytes`)
  const others = (control.resolutions ?? []).filter((each) => each.step !== step)
  const sealed = cipher.seal(text, resolutionPlace(run.id, step))
  const { finishedAt: _, error: __, journal: ___, carrier: ____, ...rest } = run
  return {
    run: { ...rest, status: 'running' },
    control: { ...control, resolutions: [...others, { step, sealed }] },
    facts: [
      RunResolved(
        {
          ...named(run),
          step,
          outcome: told.failed === undefined ? 'done' : 'failed',
          ...(told.failed === undefined ? { result: told.result } : {}),
        },
        about(run),
      ),
    ],
  }
}

function requireOpen(run: RunRow): void {
  if (isEnded(run)) throw new PolityError('run.finished', `run ${run.id} has ended: it is ${run.status}`)
}

/** As if a hub had left it: any takes it up. */
function unparked(run: RunRow): RunRow {
  const { parked: _, carrier: __, ...rest } = run
  return { ...rest, status: 'running' }
}

const named = ({ id, action }: RunRow) => ({ run: id, action })
const about = ({ id }: RunRow) => ({ subject: `run/${id}` })
