// Alarms by the wall clock: many waits, one timer, and a clock that is set anew is noticed within seconds.

import type { Env } from '../env.ts'

export interface Alarms {
  /** Resolves when the wall clock has reached `atMs`. Rejects with the signal's reason. */
  at(atMs: number, signal: AbortSignal): Promise<void>
}

/** How long a clock that was set anew can go unnoticed. */
const LOOK_INTERVAL_MS = 5_000

interface Alarm {
  readonly atMs: number
  readonly ring: () => void
}

export function openAlarms(env: Pick<Env, 'now' | 'monotonic' | 'sleepUntil'>): Alarms {
  /** The earliest last. */
  const alarms: Alarm[] = []
  let sleeping: { readonly untilMs: number; readonly stop: AbortController } | undefined

  const ringDue = () => {
    const nowMs = env.now()
    for (let next = alarms.at(-1); next && next.atMs <= nowMs; next = alarms.at(-1)) {
      alarms.pop()
      next.ring()
    }
  }
  const arm = () => {
    const next = alarms.at(-1)
    if (next && sleeping && sleeping.untilMs <= next.atMs) return
    sleeping?.stop.abort()
    sleeping = undefined
    if (!next) return
    const stop = new AbortController()
    const waitMs = Math.min(Math.max(next.atMs - env.now(), 0), LOOK_INTERVAL_MS)
    sleeping = { untilMs: next.atMs, stop }
    env.sleepUntil(env.monotonic() + waitMs, stop.signal).then(
      () => {
        sleeping = undefined
        ringDue()
        arm()
      },
      // Stopped: whoever stopped it has armed anew, or nobody waits.
      () => undefined,
    )
  }

  return {
    at(atMs, signal) {
      if (signal.aborted) return Promise.reject(signal.reason)
      if (atMs <= env.now()) return Promise.resolve()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const alarm: Alarm = {
        atMs,
        ring() {
          signal.removeEventListener('abort', leave)
          resolve()
        },
      }
      const leave = () => {
        const place = alarms.indexOf(alarm)
        if (place >= 0) alarms.splice(place, 1)
        arm()
        reject(signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      alarms.splice(placeOf(alarms, atMs), 0, alarm)
      arm()
      return promise
    },
  }
}

/** Where an alarm belongs among those that are sorted with the earliest last; of equal ones the first asked rings first. */
function placeOf(alarms: readonly Alarm[], atMs: number): number {
  let [low, high] = [0, alarms.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((alarms[middle]?.atMs ?? 0) > atMs) low = middle + 1
    else high = middle
  }
  return low
}
