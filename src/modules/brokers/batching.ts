// Sends what comes one by one in batches, in the order in which it came; while they cannot be sent, all of it waits.

import { type Env, pause } from '../../kernel/env.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { delayBefore, random01 } from '../../kernel/targets/retry.ts'

const BATCH_MAX = 128
const RETRY = { baseMs: 200, capMs: 15_000 }

export interface Batching<T> {
  /** Resolves when it is sent. Rejects with what it was refused for, or once the signal is aborted. */
  add(item: T, signal: AbortSignal): Promise<void>
  /** Why it waits; undefined while it does not. */
  readonly failure: PolityError | undefined
}

export interface BatchingPorts<T> {
  readonly env: Env
  /** For each item, in order, why it was refused. What it rejects with is of none of them: it is asked again. */
  readonly send: (items: readonly T[]) => Promise<readonly (PolityError | undefined)[]>
  readonly onFailure: (error: PolityError) => void
  readonly onSuccess: () => void
}

interface Waiting<T> {
  readonly item: T
  readonly signal: AbortSignal
  readonly settle: (error: PolityError | undefined) => void
}

export function openBatching<T>(ports: BatchingPorts<T>): Batching<T> {
  const queue: Waiting<T>[] = []
  const state: { failure: PolityError | undefined } = { failure: undefined }
  let isRunning = false
  const run = async () => {
    // Whoever adds in the same turn is of the same batch.
    await Promise.resolve()
    while (queue.length > 0) await sendBatch(ports, queue.splice(0, BATCH_MAX), state)
    isRunning = false
  }
  return {
    add(item, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const abort = () => settle(new PolityError('cancelled', 'the sink was closed or moved'))
      const settle = (error: PolityError | undefined) => {
        signal.removeEventListener('abort', abort)
        if (error) reject(error)
        else resolve()
      }
      if (signal.aborted) abort()
      else {
        signal.addEventListener('abort', abort, { once: true })
        queue.push({ item, signal, settle })
        if (isRunning) return promise
        isRunning = true
        void run()
      }
      return promise
    },
    get failure() {
      return state.failure
    },
  }
}

/** Again and again, until there is an answer for each that still waits. */
async function sendBatch<T>(
  { env, send, onFailure, onSuccess }: BatchingPorts<T>,
  all: readonly Waiting<T>[],
  state: { failure: PolityError | undefined },
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const batch = all.filter(({ signal }) => !signal.aborted)
    if (batch.length === 0) return
    try {
      const outcomes = await send(batch.map(({ item }) => item))
      state.failure = undefined
      onSuccess()
      for (const [place, { settle }] of batch.entries()) settle(outcomes[place])
      return
    } catch (thrown) {
      const error = asPolityError(thrown)
      state.failure = error
      onFailure(error)
      const signal = AbortSignal.any(batch.map((each) => each.signal))
      await pause(env, delayBefore(RETRY, attempt + 1, random01(env)), signal)
    }
  }
}
