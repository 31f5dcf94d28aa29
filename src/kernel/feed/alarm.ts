// One alarm for many instants: it goes off at the earliest of them, and whoever is called sets the next.

import type { Env } from '../env.ts'

export interface Alarm {
  /** `monotonic`, milliseconds. */
  wakeAt(atMs: number): void
  close(): Promise<void>
}

export function openAlarm(env: Env, ring: (nowMs: number) => void): Alarm {
  let nextMs = Number.POSITIVE_INFINITY
  let sleeping = new AbortController()
  let isClosed = false
  let running: Promise<void> | undefined

  const run = async () => {
    while (!isClosed && nextMs < Number.POSITIVE_INFINITY) {
      sleeping = new AbortController()
      const { signal } = sleeping
      await env.sleepUntil(nextMs, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error
      })
      const nowMs = env.monotonic()
      if (isClosed || nowMs < nextMs) continue
      nextMs = Number.POSITIVE_INFINITY
      ring(nowMs)
    }
    running = undefined
  }
  return {
    wakeAt(atMs) {
      if (isClosed || atMs >= nextMs) return
      nextMs = atMs
      if (running) sleeping.abort()
      else running = run()
    },
    async close() {
      isClosed = true
      sleeping.abort()
      await running
    },
  }
}
