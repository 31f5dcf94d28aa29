// How long a decision waits for what it depends on: a room that does not answer could as well be down.

import { type Awaitable, type Env, pause } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'

type Clock = Pick<Env, 'monotonic' | 'sleepUntil'>

/** All rooms together, for each of the things that a decision asks them; at most a part more. */
const PATIENCE_MS = 2_000
/** A clock that jumps (a machine that slept, a wall of load) takes one part of it, not all. */
const PARTS = 4

/** What became of one that was asked: its answer, or the coded error that it threw; `gate.failed` for any other, and for no answer in time. */
export type Outcome<T> = { readonly answer: T } | { readonly error: PolityError }

/** Asks all of them at once, and answers in their order when the last has answered, or PATIENCE_MS have passed. Never rejects. */
export function askAll<S extends { readonly name: string }, T>(
  env: Clock,
  asked: readonly S[],
  ask: (each: S) => Awaitable<T>,
): Awaitable<readonly Outcome<T>[]> {
  const outcomes: Outcome<T>[] = new Array(asked.length)
  const waiting: { readonly at: number; readonly answer: Promise<T> }[] = []
  asked.forEach((each, at) => {
    try {
      const answer = ask(each)
      if (isPromise(answer)) waiting.push({ at, answer })
      else outcomes[at] = { answer }
    } catch (thrown) {
      outcomes[at] = failed(thrown)
    }
  })
  if (waiting.length === 0) return outcomes
  return new Promise((resolve) => {
    let open = waiting.length
    const over = () => {
      clock.end(waiter)
      resolve(outcomes)
    }
    const settle = (at: number, outcome: Outcome<T>) => {
      // Too late: it was given up.
      if (open === 0) return
      outcomes[at] = outcome
      open -= 1
      if (open === 0) over()
    }
    const clock = ticksOf(env)
    const waiter = clock.begin(() => {
      open = 0
      for (const { at } of waiting) outcomes[at] ??= silent(asked[at]?.name)
      over()
    })
    for (const { at, answer } of waiting)
      answer.then(
        (value) => settle(at, { answer: value }),
        (thrown) => settle(at, failed(thrown)),
      )
  })
}

/** Throws what `askAll` answers as an error. */
export async function askOne<T>(env: Clock, name: string, ask: () => Awaitable<T>): Promise<T> {
  const [outcome = silent(name)] = await askAll(env, [{ name }], ask)
  if ('error' in outcome) throw outcome.error
  return outcome.answer
}

const failed = (thrown: unknown) => ({ error: asPolityError(thrown, 'gate.failed') })

const silent = (name = '') => ({
  error: new PolityError('gate.failed', `${name} did not answer within ${PATIENCE_MS / 1000} s`),
})

/** Of a hub that is closed: leaves no timer that would keep its process alive. */
export const endPatience = (env: Clock): void => ticks.get(env)?.rest()

const isPromise = <T>(answer: Awaitable<T>): answer is Promise<T> =>
  typeof (answer as Promise<T> | undefined)?.then === 'function'

interface Waiter {
  /** Parts that pass before it gives up; it may begin in the middle of one. */
  left: number
  readonly giveUp: () => void
}

/** One timer for all that wait: a decision takes less time than making one of its own. */
class Ticks {
  readonly #env: Clock
  readonly #waiters = new Set<Waiter>()
  #isRunning = false
  #resting = new AbortController()

  constructor(env: Clock) {
    this.#env = env
  }

  begin(giveUp: () => void): Waiter {
    const waiter = { left: PARTS + 1, giveUp }
    this.#waiters.add(waiter)
    if (!this.#isRunning) void this.#run()
    return waiter
  }

  end(waiter: Waiter): void {
    this.#waiters.delete(waiter)
  }

  /** Nobody waits: the timer is taken down instead of running out. */
  rest(): void {
    if (this.#waiters.size === 0) this.#resting.abort()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#waiters.size > 0) {
      this.#resting = new AbortController()
      const { signal } = this.#resting
      await pause(this.#env, PATIENCE_MS / PARTS, signal)
      if (signal.aborted) continue
      for (const waiter of this.#waiters) {
        waiter.left -= 1
        if (waiter.left === 0) waiter.giveUp()
      }
    }
    this.#isRunning = false
  }
}

const ticks = new WeakMap<Clock, Ticks>()

function ticksOf(env: Clock): Ticks {
  const known = ticks.get(env)
  if (known) return known
  const made = new Ticks(env)
  ticks.set(env, made)
  return made
}
