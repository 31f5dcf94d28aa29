// Carries a run out: its handler from the first step without a result to the outcome, or to what stops it.

import { asPolityError, errorFromWire, errorToWire, PolityError } from '../errors.ts'
import { commitmentsIn } from '../schema/privacy.ts'
import { orStopped } from './attempt.ts'
import { undoAll } from './compensation.ts'
import { endingError } from './ending-error.ts'
import { type FinishedRun, finishDone, finishFailed, park } from './endings.ts'
import { HubClosing, type Life, type LifePorts } from './life.ts'
import type { Ending, RunRow } from './run.ts'
import { scopeIn } from './run-context.ts'

/**
 * Throws the reason when the hub closes, and `run.moved` when another one has the run. `input` is opened only when
 * the handler is about to begin: what fails in it fails the run.
 */
export async function carryOut(life: Life, input: () => unknown): Promise<FinishedRun> {
  const { closing } = life.ports
  const close = () => life.leave(closing.reason)
  if (closing.aborted) close()
  else closing.addEventListener('abort', close, { once: true })
  const endWatch = watchDeadline(life)
  try {
    return await toItsEnd(life, input)
  } catch (thrown) {
    throw thrown instanceof HubClosing ? asPolityError(thrown, 'cancelled') : thrown
  } finally {
    endWatch?.()
    closing.removeEventListener('abort', close)
    life.end()
  }
}

/** Answers what ends it. */
function watchDeadline(life: Life): (() => void) | undefined {
  const { deadline } = life.row
  if (deadline === undefined) return undefined
  const { alarms, env } = life.ports
  const late = new PolityError('run.deadline', `the run was to end by ${deadline}`, { deadline })
  const atMs = Date.parse(deadline)
  if (atMs <= env.now()) {
    // What is late already does not begin at all.
    life.stop(late)
    return undefined
  }
  const over = new AbortController()
  alarms.at(atMs, over.signal).then(
    () => life.stop(late),
    () => undefined,
  )
  return () => over.abort()
}

async function toItsEnd(life: Life, input: () => unknown): Promise<FinishedRun> {
  const { ending } = life.row
  if (ending?.isAsItStands) return finishFailed(life, ending, [])
  // It goes by what is recorded only, to find again what is to be undone.
  if (ending) life.stop(errorFromWire(ending.error))
  try {
    const output = await perform(life, input)
    requireAllVisited(life)
    if (life.signal.aborted) throw life.signal.reason
    return await finishDone(life, output)
  } catch (thrown) {
    return toItsFailure(life, thrown)
  }
}

async function perform(life: Life, input: () => unknown): Promise<unknown> {
  const { row, journal, ports } = life
  const { handler, definition } = ports.handlerOf(row.action)
  if (life.isResumed && definition.journal !== row.journalVersion)
    throw new PolityError(
      'run.parked',
      `the run began under journal version ${row.journalVersion ?? 'none'} of ${row.action}, and the code is of ${definition.journal ?? 'none'}: put that code back, then resume it`,
    )
  if (!life.isResumed) life.signal.throwIfAborted()
  if (!journal.isWaiting() && !life.signal.aborted) await life.countTakeOver()
  const { context } = scopeIn(life, '', life.signal)
  const working = Promise.resolve(handler(context, (await input()) as never))
  // Code that waits for something of its own may not heed its signal; its run ends, and its hub closes, all the same.
  return orStopped(working, life.signal, ports.env, () => life.isBusy)
}

/** Code that comes by less than what it had done is other code: nobody guesses what it would do next. */
function requireAllVisited(life: Life): void {
  const missed = life.journal.missed()
  if (missed === undefined) return
  throw new PolityError(
    'run.parked',
    `the step ${missed} was recorded and the code does not come by it any more: put the code back with which the run began, then resume it`,
    { step: missed },
  )
}

async function toItsFailure(life: Life, thrown: unknown): Promise<FinishedRun> {
  const { signal, stopped, ports } = life
  if (ports.closing.aborted) {
    // What was handed over already need not be done again.
    await life.flush().catch(() => undefined)
    throw asPolityError(ports.closing.reason, 'cancelled')
  }
  if (signal.aborted && !stopped) throw signal.reason
  const error = stopped ?? asPolityError(thrown, 'step.failed')
  if (error.code === 'run.moved' || error.code === 'log.closed') throw error
  const parking = parkingOf(life, thrown, error)
  if (parking) return park(life, errorToWire(parking))
  const ending = life.row.ending ?? endingOf(error)
  if (ending.status === 'unknown' || life.undos.size === 0) return finishFailed(life, ending, [])
  // From here on it ends like this, whatever a later life of the handler would do.
  if (!life.row.ending) await life.commitRow({ ...life.row, ending })
  return finishFailed(life, ending, await undoAll(life, scopeIn(life, '', life.signal)))
}

/** The handler asks for it, or has not come by everything that it had done, which then could not be undone. */
function parkingOf(life: Life, thrown: unknown, error: PolityError): PolityError | undefined {
  for (const each of [error, thrown])
    if (each instanceof PolityError && each.code === 'run.parked') return each
  // Without its input it never comes by them again.
  if (error.code === 'run.unknown' || error.code === 'erased') return undefined
  try {
    requireAllVisited(life)
    return undefined
  } catch (missed) {
    return asPolityError(missed)
  }
}

function endingOf(error: PolityError): Ending {
  const status =
    error.code === 'run.unknown' ? 'unknown' : error.code === 'run.cancelled' ? 'cancelled' : 'failed'
  return { status, error: endingError(error) }
}

/** Throws `erased` when a private field of the input was erased meanwhile: the handler must not take a tombstone for a value. */
export async function openInput(
  { open }: Pick<LifePorts, 'open'>,
  { input, action }: RunRow,
): Promise<unknown> {
  const opened = await open(input)
  // Nobody can know the salted commitment of a value inside that value, so this text is a tombstone and nothing else.
  const text = JSON.stringify(opened)
  if (commitmentsIn(input).some((commitment) => text.includes(JSON.stringify({ $erased: commitment }))))
    throw new PolityError('erased', `the input of ${action} was erased before it could go on`)
  return opened
}
