// Targets: whoever Polity depends on, each behind a breaker and a bulkhead, with a budget for repetitions.

import { type Env, pause } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { type Breaker, type BreakerState, openBreaker } from './breaker.ts'
import { openRetryBudget, type RetryBudget } from './budget.ts'
import { type Bulkhead, openBulkhead } from './bulkhead.ts'
import { abortReason, countsAgainstTarget } from './failures.ts'
import { delayBefore, type RetryPolicy, random01 } from './retry.ts'

export interface TargetPolicy {
  /** So many more failures than successes since, within `windowMs`, open the breaker; default 5. */
  readonly failuresMax?: number
  /** Default 60,000. */
  readonly windowMs?: number
  /** How long an open breaker refuses before it lets one probe through; default 60,000. */
  readonly openMs?: number
  /** Calls at a time; default 16. */
  readonly concurrentMax?: number
  /** Calls that wait for a place; default 64. */
  readonly waitingMax?: number
}

export type { BreakerState } from './breaker.ts'

export interface TargetState {
  readonly name: string
  readonly breaker: BreakerState
  readonly failures: number
  /** Wall clock; when an open breaker lets a probe through. */
  readonly retryAtMs?: number
  readonly underWay: number
  readonly waiting: number
  readonly calls: number
  readonly failed: number
  readonly refused: number
  readonly lastError?: string
  readonly lastSuccessAtMs?: number
}

export interface Targets {
  /**
   * Sets the policy of a target; without it the defaults hold. One that comes and goes is not lasting: it is
   * forgotten like those that nobody declared.
   */
  declare(name: string, policy: TargetPolicy, options?: { readonly isLasting?: boolean }): void
  /**
   * One call under the target's breaker and bulkhead. Throws `target.open` (with `retryAtMs`) without having tried,
   * `target.busy` when too many wait, and what the body throws. `isFailure` says which errors count against the
   * target; default: all but `cancelled` and refusals by our own side.
   */
  call<T>(
    name: string,
    body: (signal: AbortSignal) => Promise<T>,
    options?: CallOptions & { readonly isRepetition?: boolean },
  ): Promise<T>
  /**
   * Takes one repetition out of the target's retry budget; false when none is left for now. For those who wait
   * between two calls by themselves: the call that follows says `isRepetition`.
   */
  mayRepeat(name: string): boolean
  /** As `call`, tried again while the policy, and the target's retry budget (20 % of its calls), allow it. */
  retrying<T>(
    name: string,
    body: (signal: AbortSignal) => Promise<T>,
    retry: RetryPolicy,
    options?: CallOptions,
  ): Promise<T>
  state(name: string): TargetState
  list(): readonly TargetState[]
}

/** Targets that are known at a time. At the bound the idle one that was used longest ago is forgotten. */
export const TARGETS_MAX = 1024
const NAME_SIZE_MAX = 256
const LAST_ERROR_SIZE_MAX = 256

const DEFAULTS: Required<TargetPolicy> = {
  failuresMax: 5,
  windowMs: 60_000,
  openMs: 60_000,
  concurrentMax: 16,
  waitingMax: 64,
}

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly isFailure?: (error: unknown) => boolean
}

export function openTargets(env: Env): Targets {
  /** In the order of their last use. */
  const known = new Map<string, Target>()

  const target = (name: string): Target => {
    const found = known.get(name) ?? openTarget(env, checkedName(name))
    if (known.delete(name)) {
      known.set(name, found)
      return found
    }
    if (known.size >= TARGETS_MAX) forgetOne(known)
    known.set(name, found)
    return found
  }

  return {
    declare(name, policy, { isLasting = true } = {}) {
      const checked = checkedPolicy(name, policy)
      const declared = target(name)
      declared.policy = checked
      declared.isDeclared = isLasting
    },
    call: async (name, body, options = {}) => called(env, target(name), body, options),
    mayRepeat: (name) => target(name).budget.take(),
    retrying: async (name, body, retry, options = {}) => retried(env, target(name), body, retry, options),
    state: (name) => stateOf(known.get(name) ?? openTarget(env, checkedName(name))),
    list: () => [...known.values()].map(stateOf).sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

interface Target {
  readonly name: string
  policy: Required<TargetPolicy>
  isDeclared: boolean
  readonly breaker: Breaker
  readonly bulkhead: Bulkhead
  readonly budget: RetryBudget
  calls: number
  failed: number
  refused: number
  lastError?: string
  lastSuccessAtMs?: number
}

function openTarget(env: Env, name: string): Target {
  const policy = () => target.policy
  const target: Target = {
    name,
    policy: DEFAULTS,
    isDeclared: false,
    breaker: openBreaker(env, name, policy),
    bulkhead: openBulkhead(name, policy),
    budget: openRetryBudget(env),
    calls: 0,
    failed: 0,
    refused: 0,
  }
  return target
}

async function called<T>(
  env: Env,
  target: Target,
  body: (signal: AbortSignal) => Promise<T>,
  options: CallOptions & { readonly isRepetition?: boolean },
): Promise<T> {
  if (!options.isRepetition) target.budget.called()
  return attempted(env, target, body, options)
}

async function attempted<T>(
  env: Env,
  target: Target,
  body: (signal: AbortSignal) => Promise<T>,
  { signal, isFailure = countsAgainstTarget }: CallOptions,
): Promise<T> {
  const { leave, admission } = await admitted(target, signal)
  target.calls += 1
  try {
    const result = await body(signal ?? new AbortController().signal)
    admission.succeeded()
    target.lastSuccessAtMs = env.now()
    return result
  } catch (thrown) {
    // A caller that only gave up says nothing about the target; one whose time was up does.
    const isOurs = signal?.aborted === true && !countsAgainstTarget(abortReason(signal))
    if (isOurs || !isFailure(thrown)) {
      admission.undecided()
    } else {
      admission.failed()
      target.failed += 1
      target.lastError = lastErrorOf(thrown)
    }
    throw thrown
  } finally {
    leave()
  }
}

/** The breaker is asked twice: nobody waits for a target that is not asked, and it may have opened meanwhile. */
async function admitted(target: Target, signal: AbortSignal | undefined) {
  const { breaker, bulkhead } = target
  try {
    breaker.require()
    const leave = await bulkhead.take(signal)
    try {
      return { leave, admission: breaker.enter() }
    } catch (error) {
      leave()
      throw error
    }
  } catch (error) {
    if (error instanceof PolityError && error.code.startsWith('target.')) target.refused += 1
    throw error
  }
}

async function retried<T>(
  env: Env,
  target: Target,
  body: (signal: AbortSignal) => Promise<T>,
  retry: RetryPolicy,
  options: CallOptions,
): Promise<T> {
  const { signal, isFailure = countsAgainstTarget } = options
  target.budget.called()
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attempted(env, target, body, options)
    } catch (thrown) {
      const isRefused = thrown instanceof PolityError && thrown.code.startsWith('target.')
      const isOver = attempt >= retry.attemptsMax || signal?.aborted === true
      if (isOver || isRefused || !isFailure(thrown) || !target.budget.take()) throw thrown
    }
    await pause(env, delayBefore(retry, attempt + 1, random01(env)), signal ?? new AbortController().signal)
    if (signal?.aborted) throw abortReason(signal)
  }
}

function stateOf(target: Target): TargetState {
  const { name, breaker, bulkhead, calls, failed, refused, lastError, lastSuccessAtMs } = target
  const retryAtMs = breaker.retryAtMs()
  return {
    name,
    breaker: breaker.state(),
    failures: breaker.failures(),
    underWay: bulkhead.underWay(),
    waiting: bulkhead.waiting(),
    calls,
    failed,
    refused,
    ...(retryAtMs === undefined ? {} : { retryAtMs }),
    ...(lastError === undefined ? {} : { lastError }),
    ...(lastSuccessAtMs === undefined ? {} : { lastSuccessAtMs }),
  }
}

/** One whose breaker is closed goes first: forgetting an open one would let everybody at its target again. */
function forgetOne(known: Map<string, Target>): void {
  const idle = [...known.values()].filter(
    ({ isDeclared, bulkhead }) => !isDeclared && bulkhead.underWay() === 0 && bulkhead.waiting() === 0,
  )
  const forgotten = idle.find(({ breaker }) => breaker.state() === 'closed') ?? idle[0]
  if (forgotten === undefined)
    throw new PolityError('limit', `${TARGETS_MAX} targets are in use: none can be added`, {
      max: TARGETS_MAX,
    })
  known.delete(forgotten.name)
}

function checkedName(name: string): string {
  if (name.length > 0 && name.length <= NAME_SIZE_MAX && name.isWellFormed()) return name
  throw new PolityError('input.invalid', `the name of a target has 1 to ${NAME_SIZE_MAX} characters`, {
    size: name.length,
  })
}

function checkedPolicy(name: string, policy: TargetPolicy): Required<TargetPolicy> {
  const whole = { ...DEFAULTS, ...policy }
  for (const [field, value] of Object.entries(whole)) {
    const min = field === 'waitingMax' ? 0 : 1
    if (!Number.isSafeInteger(value) || value < min)
      throw new PolityError(
        'input.invalid',
        `${field} of the target ${name} must be a whole number from ${min} on`,
        { target: name, field },
      )
  }
  return whole
}

function lastErrorOf(thrown: unknown): string {
  const { code, message } = asPolityError(thrown)
  // Sentences may quote what a target has said.
  const text = `${code}: ${message}`.toWellFormed().replaceAll(/\p{Cc}/gu, ' ')
  return text.length > LAST_ERROR_SIZE_MAX
    ? `${text.slice(0, LAST_ERROR_SIZE_MAX - 1)}…`.toWellFormed()
    : text
}
