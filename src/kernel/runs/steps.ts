// Steps: a body at least once, its result once, its failures as often as its policy says.

import type { StepContext, StepOptions } from '../catalog/context.ts'
import { seal } from '../catalog/recorder.ts'
import { asPolityError, type ErrorCode, errorFromWire, PolityError } from '../errors.ts'
import { delayBefore, type RetryPolicy, random01 } from '../targets/retry.ts'
import { type Attempted, attemptOnce } from './attempt.ts'
import { type Resolution, resolutionPlace } from './control.ts'
import { endingError } from './ending-error.ts'
import { errorOfStep, type StepChange, type StepKind, type StepRow, type StepWrite } from './journal.ts'
import type { Life } from './life.ts'
import type { Scope } from './scope.ts'

/** A heartbeat's details are kept at most this often. */
const HEARTBEAT_WRITE_INTERVAL_MS = 1_000
/** How long a repetition that its target's budget does not cover waits before it asks again, on average. */
const BUDGET_LOOK_MS = 5_000

export interface TakenStep<T> {
  readonly name: string
  readonly kind: Extract<StepKind, 'step' | 'undo'>
  readonly body: (step: StepContext) => T | Promise<T>
  readonly options: StepOptions<T>
}

/** The recorded result or failure, or that of the body, which is recorded now. */
export async function takeStep<T>(scope: Scope, taken: TakenStep<T>): Promise<T> {
  const { life } = scope
  const name = `${scope.prefix}${taken.name}`
  if (scope.underWay.has(name))
    throw new PolityError(
      'internal',
      `${life.row.action} takes its step ${name.slice(0, 64)} twice at a time`,
    )
  const before = life.journal.visit(name, taken.kind)
  const known = before && (await settled(life, name, before))
  if (known?.state === 'failed') throw errorOfStep(known)
  if (!known) {
    const isLoose = scope.underWay.size > 0
    scope.underWay.add(name)
    try {
      await life.proceed(scope.signal)
      if (!life.journal.isAwaitingPeople()) await life.countTakeOver()
      life.underWay.add(name)
      await carry(scope, name, taken, before, isLoose)
    } catch (error) {
      if (!isLoose && GIVEN_UP.includes(asPolityError(error).code)) leaveBodies(scope)
      throw error
    } finally {
      scope.underWay.delete(name)
      life.underWay.delete(name)
    }
  }
  const { order = 0, result } = life.journal.row(name) ?? {}
  // What undoes a step has effects, whatever the step had.
  const { undo, isPure: _, ...options } = taken.options
  if (undo) life.undos.set(name, { order, undo: (step, asking) => undo(result as T, step, asking), options })
  return result as T
}

/** After these the body of a step may still be at work. */
const GIVEN_UP: readonly ErrorCode[] = ['step.timeout', 'step.silent']

/** What it waits for people for is nobody's any more. */
function leaveBodies(scope: Scope): void {
  scope.bodies?.abort(new PolityError('cancelled', 'the step that asked for it has ended'))
  delete scope.bodies
}

/** A step that needs no body: it has its end, or a person has said what became of it. Throws `run.unknown`. */
async function settled(life: Life, name: string, before: StepRow): Promise<StepRow | undefined> {
  if (before.state !== 'started') return before
  if (!life.isOnce) return undefined
  const resolution = resolutionOf(life, name)
  if (!resolution)
    throw new PolityError(
      'run.unknown',
      `step ${name} was interrupted and is never repeated: find out what happened`,
      { step: name },
    )
  const change: StepChange =
    'failed' in resolution
      ? {
          kind: before.kind,
          state: 'failed',
          atMs: life.ports.env.now(),
          result: { code: 'step.failed', message: resolution.failed, facts: { step: name } },
        }
      : { kind: before.kind, state: 'done', atMs: life.ports.env.now(), result: resolution.result }
  await life.commit(life.journal.write(name, change))
  return life.journal.row(name)
}

function resolutionOf({ control, ports: { cipher }, id }: Life, name: string): Resolution | undefined {
  const told = control.resolutions?.findLast(({ step }) => step === name)
  return told && (JSON.parse(cipher.open(told.sealed, resolutionPlace(id, name))) as Resolution)
}

/** Attempt after attempt, until one answers or none is left; either is recorded. */
async function carry<T>(
  scope: Scope,
  name: string,
  taken: TakenStep<T>,
  before: StepRow | undefined,
  isLoose: boolean,
): Promise<void> {
  const { life, signal } = scope
  const { env, alarms } = life.ports
  const lives = life.takeOverCount
  // The attempt that a crash ended is known by the take-over alone, until something was recorded after it.
  const interrupted = life.hasRecorded ? 0 : Math.max(0, lives - (before?.lives ?? 0))
  const place: Place = { kind: taken.kind, lives, ...(isLoose ? { isLoose } : {}) }
  const { isPure = false, retry } = taken.options
  const policy = life.isOnce && !isPure ? undefined : retry
  let attempt = (before?.attempts ?? 0) + interrupted + 1
  let details = before?.result
  let untilMs = before?.untilMs ?? 0
  let isRepetition = (before?.attempts ?? 0) > 0
  for (; ; isRepetition = true) {
    const dueMs = untilMs
    if (dueMs > env.now()) await life.idle(() => alarms.at(dueMs, signal))
    if (isRepetition) await awaitBudget(scope, taken.options.target)
    const failed = await tryOnce(scope, name, taken, { place, attempt, isRepetition, details })
    if (!failed) return
    const { error } = failed
    const ended: Ended = { place: { ...place, attempts: attempt }, options: taken.options }
    if (!isRepeated(policy, attempt, error)) throw await recordFailure(life, name, ended, error)
    details = failed.details
    attempt += 1
    untilMs = Math.max(env.now() + delayBefore(policy, attempt, random01(env)), openUntilMs(error))
    const again: StepChange = {
      ...ended.place,
      state: 'started',
      atMs: env.now(),
      untilMs,
      result: details ?? null,
    }
    await life.commit(life.journal.write(name, again))
  }
}

/** Repetitions beyond the budget of their target wait, so that a struggling one is not buried; they count as no attempts. */
async function awaitBudget({ life, signal }: Scope, target: string | undefined): Promise<void> {
  const { targets, env, alarms } = life.ports
  while (target !== undefined && targets && !targets.mayRepeat(target)) {
    const waitMs = BUDGET_LOOK_MS * (0.5 + random01(env))
    await life.idle(() => alarms.at(env.now() + waitMs, signal))
  }
}

/** What every row of one step says. */
type Place = Pick<StepChange, 'kind' | 'lives' | 'isLoose'>

/** A step that has its end. */
interface Ended {
  readonly place: Place & Pick<StepChange, 'attempts'>
  readonly options: Pick<StepOptions<unknown>, 'isPure'>
}

interface Try {
  readonly place: Place
  readonly attempt: number
  readonly isRepetition: boolean
  readonly details: unknown
}

/** One attempt, recorded when it answers. Throws what is no failure of the step: what stops the run, or the hub. */
async function tryOnce<T>(
  { life, signal }: Scope,
  name: string,
  { body, options }: TakenStep<T>,
  { place, attempt, isRepetition, details }: Try,
): Promise<{ readonly error: PolityError; readonly details: unknown } | undefined> {
  if (!options.isPure) await beforeEffect(life, name, place)
  const kept = keepDetails(life, name, { ...place, attempts: attempt - 1 }, details)
  try {
    const asked = { name, body, options, attempt, isRepetition, details, signal, onDetails: kept.keep }
    const { answer, drafts } = await attemptOnce(life.ports, asked)
    await kept.settled()
    await record(life, name, { place: { ...place, attempts: attempt }, options }, { answer, drafts })
    return undefined
  } catch (thrown) {
    await kept.settled()
    if (signal.aborted) throw signal.reason
    const error = asPolityError(thrown, 'step.failed')
    if (PASSED_ON.includes(error.code)) throw error
    return { error, details: kept.last() }
  }
}

/** What is never repeated has said that it began; and what it may build upon is durable. */
async function beforeEffect(life: Life, name: string, place: Place): Promise<void> {
  if (life.isOnce)
    await life.commit(life.journal.write(name, { ...place, state: 'started', atMs: life.ports.env.now() }))
  await life.settle()
}

const isRepeated = (
  policy: RetryPolicy | undefined,
  attempt: number,
  { code }: PolityError,
): policy is RetryPolicy =>
  policy !== undefined && attempt < policy.attemptsMax && !NEVER_REPEATED.includes(code)

/** The error as every later life will meet it. */
async function recordFailure(
  life: Life,
  name: string,
  ended: Ended,
  error: PolityError,
): Promise<PolityError> {
  const wire = endingError(error)
  const failed: StepChange = { ...ended.place, state: 'failed', atMs: life.ports.env.now(), result: wire }
  await recordEnd(life, life.journal.write(name, failed), ended)
  return errorFromWire(wire)
}

async function record(
  life: Life,
  name: string,
  ended: Ended,
  { answer, drafts }: Attempted<unknown>,
): Promise<void> {
  const { env } = life.ports
  const done: StepChange = { ...ended.place, state: 'done', atMs: env.now(), result: answer }
  if (drafts.length === 0) return recordEnd(life, life.journal.write(name, done), ended)
  // Whoever reads next finds what the step has recorded; and what the log refuses is the step's own failure.
  const { entries, seals } = seal(drafts, life.origin(), env, life.known)
  await life.commit(life.journal.write(name, done), { entries, seals })
}

/** Inside of a body nothing awaits the results of its steps before it goes on to effects of its own. */
async function recordEnd(life: Life, write: StepWrite, { place, options }: Ended): Promise<void> {
  if (place.isLoose) await life.commit(write)
  else await life.owe(write, options)
}

/** Keeps what heartbeats tell, at most once in an interval, so that the next attempt knows it even after a crash. */
function keepDetails(
  life: Life,
  name: string,
  place: Place & Pick<StepChange, 'attempts'>,
  before: unknown,
): {
  readonly keep: (details: unknown) => void
  readonly last: () => unknown
  readonly settled: () => Promise<void>
} {
  const { env } = life.ports
  let last = before
  let writtenMs = Number.NEGATIVE_INFINITY
  let writing: Promise<unknown> | undefined
  let isOver = false
  const keep = (details: unknown) => {
    if (isOver) return
    last = details
    // A `once` step has said that it began, and is never repeated.
    if (life.isOnce || writing || env.monotonic() - writtenMs < HEARTBEAT_WRITE_INTERVAL_MS) return
    writtenMs = env.monotonic()
    writing = life
      .commit(life.journal.write(name, { ...place, state: 'started', atMs: env.now(), result: details }))
      // Details are a help; that the run was lost is noticed by whoever records a result.
      .catch(() => undefined)
      .finally(() => {
        writing = undefined
      })
  }
  return {
    keep,
    last: () => last,
    settled: async () => {
      isOver = true
      await writing
    },
  }
}

/** These are about the run and not about the step. */
const PASSED_ON: readonly ErrorCode[] = ['run.moved', 'run.parked', 'run.unknown', 'log.closed']

/** Whoever tries these again is answered the same. */
const NEVER_REPEATED: readonly ErrorCode[] = [
  'input.invalid',
  'input.malformed',
  'denied',
  'erased',
  'payload.too-large',
  'entry.too-large',
  'entry.invalid',
  'egress.invalid',
  'egress.refused',
  'internal',
]

/** An open breaker says when it will let somebody through. */
const openUntilMs = ({ code, facts: { retryAtMs } }: PolityError): number =>
  code === 'target.open' && typeof retryAtMs === 'number' && Number.isFinite(retryAtMs) ? retryAtMs : 0
