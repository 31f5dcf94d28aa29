// One attempt of a step: its time, its signs of life, its target, and what it records.

import type { StepContext, StepOptions } from '../catalog/context.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import type { Draft } from '../log/entry.ts'
import type { Targets } from '../targets/targets.ts'

/** A body that is told to stop may still finish within this time, and is recorded then. */
const STOP_GRACE_MS = 2_000
const HEARTBEAT_DETAILS_MAX_BYTES = 4096
const TIMER_MAX_MS = 400 * 24 * 3600_000

export interface AttemptPorts {
  readonly env: Env
  readonly targets?: Pick<Targets, 'call' | 'mayRepeat'>
}

export interface Attempt<T> {
  readonly name: string
  readonly body: (step: StepContext) => T | Promise<T>
  readonly options: Pick<StepOptions<T>, 'timeoutMs' | 'heartbeatMs' | 'target'>
  readonly attempt: number
  /** Of an attempt that failed; its target's budget has paid for it. */
  readonly isRepetition: boolean
  readonly details: unknown
  readonly signal: AbortSignal
  /** Details of a heartbeat, in the form in which they are kept. */
  readonly onDetails: (details: unknown) => void
}

export interface Attempted<T> {
  readonly answer: T
  readonly drafts: readonly Draft[]
}

/** Throws what the body throws, `step.timeout`, `step.silent`, or the signal's reason. */
export async function attemptOnce<T>(ports: AttemptPorts, asked: Attempt<T>): Promise<Attempted<T>> {
  const { timeoutMs, heartbeatMs } = asked.options
  const drafts: Draft[] = []
  if (timeoutMs === undefined && heartbeatMs === undefined) {
    const answer = await orStopped(call(ports, asked, drafts, asked.signal, noBeat), asked.signal, ports.env)
    return { answer, drafts }
  }
  const limit = new AbortController()
  const over = new AbortController()
  let lastBeatMs = ports.env.monotonic()
  const beat = () => {
    lastBeatMs = ports.env.monotonic()
  }
  if (timeoutMs !== undefined) void limitTime(ports.env, asked.name, timeoutMs, limit, over.signal)
  if (heartbeatMs !== undefined)
    void limitSilence(ports.env, asked.name, heartbeatMs, () => lastBeatMs, limit, over.signal)
  const both = AbortSignal.any([asked.signal, limit.signal])
  try {
    const working = call(ports, asked, drafts, both, beat)
    const answer = await orStopped(orAborted(working, limit.signal), asked.signal, ports.env)
    return { answer, drafts }
  } finally {
    over.abort()
  }
}

const noBeat = () => undefined

async function call<T>(
  { targets }: AttemptPorts,
  { name, body, options: { target }, attempt, isRepetition, details, onDetails }: Attempt<T>,
  drafts: Draft[],
  signal: AbortSignal,
  beat: () => void,
): Promise<T> {
  const step = (within: AbortSignal): StepContext => ({
    signal: within,
    attempt,
    ...(details === undefined || details === null ? {} : { heartbeatDetails: details }),
    record: (...more) => drafts.push(...more),
    heartbeat(told) {
      beat()
      if (told !== undefined) onDetails(keptDetails(name, told))
    },
  })
  if (target === undefined || !targets) return await body(step(signal))
  return targets.call(target, async (within) => body(step(within)), { signal, isRepetition })
}

/** Throws `limit` for details that are no JSON, or too large. */
function keptDetails(name: string, details: unknown): unknown {
  const text = JSON.stringify(details) as string | undefined
  if (text === undefined || Buffer.byteLength(text) > HEARTBEAT_DETAILS_MAX_BYTES)
    throw new PolityError(
      'limit',
      `the details of a heartbeat are JSON of at most ${HEARTBEAT_DETAILS_MAX_BYTES} bytes`,
      { step: name },
    )
  return JSON.parse(text)
}

async function limitTime(
  env: Env,
  name: string,
  timeoutMs: number,
  limit: AbortController,
  over: AbortSignal,
): Promise<void> {
  const untilMs = env.monotonic() + Math.min(Math.max(timeoutMs, 0), TIMER_MAX_MS)
  if (await slept(env, untilMs, over))
    limit.abort(
      new PolityError('step.timeout', `an attempt of step ${name} took longer than ${timeoutMs} ms`, {
        step: name,
      }),
    )
}

async function limitSilence(
  env: Env,
  name: string,
  heartbeatMs: number,
  lastBeatMs: () => number,
  limit: AbortController,
  over: AbortSignal,
): Promise<void> {
  const silentMs = Math.min(Math.max(heartbeatMs, 1), TIMER_MAX_MS)
  do {
    if (!(await slept(env, lastBeatMs() + silentMs, over))) return
  } while (env.monotonic() < lastBeatMs() + silentMs)
  limit.abort(
    new PolityError('step.silent', `an attempt of step ${name} gave no sign of life for ${heartbeatMs} ms`, {
      step: name,
    }),
  )
}

/** False when the attempt was over first. */
const slept = (env: Env, untilMs: number, over: AbortSignal): Promise<boolean> =>
  env.sleepUntil(untilMs, over).then(
    () => true,
    () => false,
  )

/** What is given up goes on in the background, and nobody hears of it any more. */
function orAborted<T>(working: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    working.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/**
 * Who is told to stop has a moment to finish: what has happened should be known to have happened. The moment lasts
 * for as long as `isBusy` says that something of it is under way.
 */
export function orStopped<T>(
  working: Promise<T>,
  signal: AbortSignal,
  env: Env,
  isBusy: () => boolean = () => false,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    let over: AbortController | undefined
    const stop = async () => {
      over = new AbortController()
      do {
        if (!(await slept(env, env.monotonic() + STOP_GRACE_MS, over.signal))) return
      } while (isBusy())
      reject(signal.reason)
    }
    if (signal.aborted) void stop()
    else signal.addEventListener('abort', stop, { once: true })
    working.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', stop)
      over?.abort()
    })
  })
}
