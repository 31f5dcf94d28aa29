// The line: a run that this hub has waits for a place, or until it has to end without one, and then lives.

import { PolityError } from '../errors.ts'
import { carryOut, openInput } from './carry-out.ts'
import type { Held, HeldRuns } from './held-runs.ts'
import { Journal } from './journal.ts'
import { Life, type LifePorts, type LifeStart } from './life.ts'
import { readRun } from './load-run.ts'
import { patiently } from './patient-append.ts'
import type { CarriedRun, RunRow } from './run.ts'

export interface LinePorts {
  readonly lives: LifePorts
  readonly held: HeldRuns
  readonly holder: string
  /** No other hub can be at work: whatever is unfinished is this one's. */
  readonly isAlone: boolean
}

export interface Line {
  /** A new run: at once, where a place is free and nothing was asked of it meanwhile. */
  begin(each: Held, row: RunRow, input: unknown): void
  /** In line for a place; what has to end leaves the line at once. */
  join(each: Held, deadline: string | undefined): void
}

export function openLine({ lives, held, holder, isAlone }: LinePorts): Line {
  const { env, log, alarms, places, closing } = lives

  const live = (each: Held, run: CarriedRun, journal: Journal, input: () => unknown, start: LifeStart) => {
    const life = new Life(lives, run, journal, isOnce(lives, run.row), start)
    each.life = life
    carryOut(life, input).then(
      (end) => held.release(each, end),
      (error: unknown) => held.giveUp(each, error),
    )
  }

  /** Reads again what stands in the rows: it may have lain in line for long. */
  const beginHeld = async (each: Held, hasPlace: boolean): Promise<void> => {
    if (closing.aborted) throw closingError()
    const read = await patiently(env, closing, () => readRun(lives, each.id))
    const { run, control, journal, takeOvers } = read
    if (run.row.status !== 'running' || !(isAlone || run.row.carrier === holder)) {
      if (hasPlace) places.release()
      return held.release(each, { row: run.row, output: null, size: log.head().size })
    }
    if (control.isPaused && !control.cancel && !isLate(run.row, env.now())) {
      if (hasPlace) places.release()
      await untilWoken(each, closing)
      return join(each, undefined)
    }
    const start = { control, hasPlace, isResumed: each.isResumed, ...(takeOvers ? { takeOvers } : {}) }
    live(each, run, journal, () => openInput(lives, run.row), start)
  }

  const join = (each: Held, deadline: string | undefined) => {
    const leaving = AbortSignal.any([closing, each.hurry.signal])
    if (deadline !== undefined)
      alarms.at(Date.parse(deadline), leaving).then(
        () => each.hurry.abort(),
        () => undefined,
      )
    const begin = (hasPlace: boolean) =>
      beginHeld(each, hasPlace).catch((error: unknown) => {
        if (hasPlace && !each.life) places.release()
        held.giveUp(each, error)
      })
    places.take(leaving).then(
      () => begin(true),
      () => (closing.aborted ? held.giveUp(each, closingError()) : begin(false)),
    )
  }

  return {
    join,
    begin(each, row, input) {
      if (each.isAsked || !places.tryTake()) return join(each, row.deadline)
      // The decision wrote the row's first version.
      const run = { row, version: 1 }
      const journal = Journal.empty(row.id, lives.cipher)
      live(each, run, journal, () => input, { isResumed: false, hasPlace: true })
    },
  }
}

/** A run that is paused before it has begun: until it is resumed, has to end, or the hub closes. */
async function untilWoken(each: Held, closing: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    each.wake = resolve
    each.hurry.signal.addEventListener('abort', () => resolve(), { once: true })
    closing.addEventListener('abort', () => resolve(), { once: true })
  })
  delete each.wake
}

const closingError = () => new PolityError('cancelled', 'the hub is closing')

const isLate = ({ deadline }: RunRow, nowMs: number): boolean =>
  deadline !== undefined && Date.parse(deadline) <= nowMs

/** What is not in the catalog any more fails when it is looked up for its handler. */
function isOnce({ handlerOf }: Pick<LifePorts, 'handlerOf'>, { action }: RunRow): boolean {
  try {
    return handlerOf(action).definition.effect === 'once'
  } catch {
    return true
  }
}
