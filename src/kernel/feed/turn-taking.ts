// Turns: one item of one subscription after the other, so that no subscription holds up the others nor the event loop.

import { type Env, pause } from '../env.ts'
import { Lanes } from './lanes.ts'
import type { Subscriber } from './subscriber.ts'

/** So long turns may follow each other before everything else in the process gets its own. */
const TURNS_MAX_MS = 8
const BREATH_MS = 1

export interface TurnTaking {
  want(subscriber: Subscriber): void
  /** Resolves at once, or a moment later where this process has been at it for long. */
  breathe(): Promise<void>
  /** There was nothing to do: the rest of the process had its time. */
  rested(): void
  close(): Promise<void>
}

export function openTurnTaking(env: Env): TurnTaking {
  const lanes = new Lanes<Subscriber>()
  const closing = new AbortController()
  let sinceMs = env.monotonic()
  let running: Promise<void> | undefined
  let breathing: Promise<void> | undefined

  const isTired = () => env.monotonic() - sinceMs >= TURNS_MAX_MS
  const breathe = async () => {
    breathing ??= pause(env, BREATH_MS, closing.signal).then(() => {
      sinceMs = env.monotonic()
      breathing = undefined
    })
    await breathing
  }
  const run = async () => {
    for (let next = lanes.shift(); next && !closing.signal.aborted; next = lanes.shift()) {
      if (next.canStart()) next.startOne()
      if (next.canStart()) lanes.push(next)
      if (isTired()) await breathe()
    }
    running = undefined
  }
  return {
    want(subscriber) {
      lanes.push(subscriber)
      running ??= Promise.resolve().then(run)
    },
    async breathe() {
      if (isTired()) await breathe()
    },
    rested() {
      sinceMs = env.monotonic()
    },
    async close() {
      closing.abort()
      await running
    },
  }
}
