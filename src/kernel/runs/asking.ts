// What a run asks of others: actions, which happen once, and queries. It takes no place while it waits for another run, or for people.

import { asPolityError, type ErrorCode, PolityError } from '../errors.ts'
import type { Begun, Granted, Named } from './asking-port.ts'
import { endingError } from './ending-error.ts'
import { errorOfStep, INVOKE_PREFIX, type StepChange, type StepRow } from './journal.ts'
import type { Life } from './life.ts'
import { patiently } from './patient-append.ts'
import type { Scope } from './scope.ts'

/** One asking of a run. */
interface Asked {
  /** In the journal. */
  readonly name: string
  /** Whoever asks inside of a body is recorded with it, and finds the same invocation under its key. */
  readonly isLoose: boolean
  readonly definition: Named
  readonly input: unknown
}

/**
 * Outside of a step its end is recorded like a step's; inside, only what waits for people is: that may take longer than
 * the key is kept. Throws `denied`, `run.parked`, and what the action fails with.
 */
export async function invokeWithin(scope: Scope, definition: Named, input: unknown): Promise<unknown> {
  const { life } = scope
  const key = life.ports.asking.keyOf(life.row, definition, input)
  const name = `${INVOKE_PREFIX}${definition.name}/${key.slice(-KEY_SHOWN_CHARS)}`
  const isLoose = scope.underWay.size > 0
  const before = isLoose ? life.journal.row(name) : life.journal.visit(name, 'invoke')
  if (before?.state === 'failed') throw errorOfStep(before)
  if (before?.state === 'done') return before.result
  // Who asks for the same twice at a time waits for the same.
  const asked = life.asked.get(name) ?? invokeOnce(scope, { name, isLoose, definition, input }, before)
  life.asked.set(name, asked)
  try {
    return await asked
  } finally {
    life.asked.delete(name)
  }
}

async function invokeOnce(scope: Scope, asked: Asked, before: StepRow | undefined): Promise<unknown> {
  const { life } = scope
  if (!asked.isLoose) {
    await life.proceed(scope.signal)
    if (!before) await life.settle()
  }
  try {
    return recordDone(life, asked, await answerOf(scope, asked, before?.result as Begun | undefined))
  } catch (thrown) {
    if (scope.signal.aborted) throw scope.signal.reason
    const error = asPolityError(thrown)
    recordFailed(life, asked, error)
    throw error
  }
}

const KEY_SHOWN_CHARS = 32

/** From the first asking to the answer, or from where an earlier life had come to. Runs and people are waited for. */
async function answerOf(scope: Scope, asked: Asked, before: Begun | undefined): Promise<unknown> {
  const begun = before ?? (await begin(scope, asked))
  const granted = begun.status === 'suspended' ? await grantOf(scope, asked, begun.approval) : begun
  return granted.status === 'running' ? outputOfRun(scope, asked, granted.run) : granted.output
}

/** What is not done at once may take longer than anybody remembers the key. */
async function begin(scope: Scope, asked: Asked): Promise<Begun> {
  const { life, signal } = scope
  signal.throwIfAborted()
  const begun = await life.ports.asking.begin(life.row, asked.definition, asked.input)
  if (begun.status === 'suspended' || (begun.status === 'running' && !asked.isLoose))
    await recordStarted(life, asked, begun)
  return begun
}

async function grantOf(scope: Scope, asked: Asked, approval: string): Promise<Granted> {
  const granted = await agreement(scope, asked, approval)
  if (granted.status === 'running') await recordStarted(scope.life, asked, granted)
  return granted
}

const recordStarted = (life: Life, asked: Asked, begun: Begun): Promise<number> =>
  life.commit(life.journal.write(asked.name, rowOf(life, asked, 'started', begun)))

/** Answers what the journal says from now on: a result in the form in which it is read again. */
function recordDone(life: Life, asked: Asked, result: unknown): unknown {
  if (!isRecorded(life, asked)) return result
  // The key answers the same for a day, so that this may wait for the next commit: the one before any wait.
  life.ride(life.journal.write(asked.name, rowOf(life, asked, 'done', result)))
  return life.journal.row(asked.name)?.result
}

function recordFailed(life: Life, asked: Asked, error: PolityError): void {
  if (!isRecorded(life, asked) || life.signal.aborted || OPEN_ENDED.includes(error.code)) return
  life.ride(life.journal.write(asked.name, rowOf(life, asked, 'failed', endingError(error))))
}

/** What is asked inside of a body is, once it had to wait. */
const isRecorded = ({ journal }: Life, { isLoose, name }: Asked): boolean =>
  !isLoose || journal.row(name) !== undefined

const rowOf = (life: Life, { isLoose }: Asked, state: StepChange['state'], result: unknown): StepChange => ({
  kind: 'invoke',
  state,
  atMs: life.ports.env.now(),
  result,
  ...(isLoose ? { isLoose } : {}),
})

/** After these the same may be answered otherwise, and it may have happened. */
export const OPEN_ENDED: readonly ErrorCode[] = [
  'run.moved',
  'run.parked',
  'run.limit',
  'gate.failed',
  'gate.unavailable',
  'log.closed',
  'log.saturated',
  'store.failed',
  'store.full',
  'store.unreachable',
  'store.readonly',
  'store.locked',
  'timeout',
  'auth.expired',
  'auth.invalid',
]

async function outputOfRun({ life, signal }: Scope, { definition }: Asked, run: string): Promise<unknown> {
  const { asking } = life.ports
  try {
    return await life.idle(() => asking.ended(run, definition.name, signal))
  } catch (error) {
    if (!isGivenUp(life, signal)) throw error
    await endRun(life, definition, run, reasonOf(signal))
    throw signal.reason
  }
}

/** Whoever stops waiting for people takes the request back: what it asked for must not happen behind its back. */
async function agreement(
  scope: Scope,
  { definition, input, isLoose }: Asked,
  approval: string,
): Promise<Granted> {
  const { life } = scope
  const { asking, closing, env } = life.ports
  const signal = isLoose ? bodySignal(scope) : scope.signal
  try {
    return await life.idle(() => asking.agreed(life.row, definition, input, approval, signal))
  } catch (error) {
    if (!isGivenUp(life, signal)) throw error
    const reason = reasonOf(signal)
    const fate = await patiently(env, closing, () => asking.withdraw(approval, reason))
    if (fate.isDone && fate.run !== undefined) await endRun(life, definition, fate.run, reason)
    throw signal.reason
  }
}

/** Aborted with the scope, and when the step has been given up whose body waits. */
function bodySignal(scope: Scope): AbortSignal {
  scope.bodies ??= new AbortController()
  return AbortSignal.any([scope.signal, scope.bodies.signal])
}

/** The run, or the branch or step that waits, goes on without it; where the hub closes, it waits on. */
function isGivenUp(life: Life, signal: AbortSignal): boolean {
  const isLeft = life.signal.aborted && life.stopped === undefined
  return signal.aborted && !life.ports.closing.aborted && !isLeft
}

const reasonOf = ({ reason }: AbortSignal): string =>
  reason instanceof PolityError ? reason.message : 'its parent has ended'

/** It undoes what it has done before its parent does. */
async function endRun(life: Life, definition: Named, run: string, reason: string): Promise<void> {
  const { asking, closing } = life.ports
  await asking.cancel(run, reason)
  await asking.ended(run, definition.name, closing).catch(() => undefined)
}

export async function askWithin(scope: Scope, definition: Named, input: unknown): Promise<unknown> {
  const { life, signal } = scope
  signal.throwIfAborted()
  return life.ports.asking.ask(life.row, definition, input)
}
