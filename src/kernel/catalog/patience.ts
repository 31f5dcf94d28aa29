// How long a decision waits for what it depends on: a room that does not answer could as well be down.

import type { Awaitable, Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'

/** All rooms together, for each of the things that a decision asks them. */
const PATIENCE_MS = 2_000
/** A clock that jumps (a machine that slept, a wall of load) takes one part of it, not all. */
const PARTS = 4

export interface Patience {
  /** What was asked for. Throws the coded error that asking throws; `gate.failed` for any other, and for no answer in time. */
  answerOf<T>(name: string, ask: () => Awaitable<T>): Promise<T>
}

/** Whoever is asked within `use` has PATIENCE_MS from its beginning. */
export async function withPatience<T>(
  env: Pick<Env, 'monotonic' | 'sleepUntil'>,
  use: (patience: Patience) => Promise<T>,
): Promise<T> {
  const done = new AbortController()
  const end = endOf(env, done.signal)
  // With everything answered nobody waits for the end.
  end.catch(() => undefined)
  try {
    return await use({
      answerOf: (name, ask) =>
        Promise.race([
          coded(ask),
          end.then(() => {
            throw new PolityError('gate.failed', `${name} did not answer within ${PATIENCE_MS / 1000} s`)
          }),
        ]),
    })
  } finally {
    done.abort(DONE)
  }
}

async function coded<T>(ask: () => Awaitable<T>): Promise<T> {
  try {
    return await ask()
  } catch (thrown) {
    throw asPolityError(thrown, 'gate.failed')
  }
}

/** Made once: an error is dear, and nobody sees this one. */
const DONE = new Error('answered')

async function endOf(env: Pick<Env, 'monotonic' | 'sleepUntil'>, signal: AbortSignal): Promise<void> {
  for (let part = 0; part < PARTS; part++) await env.sleepUntil(env.monotonic() + PATIENCE_MS / PARTS, signal)
}
