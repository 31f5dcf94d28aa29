// Those who wait in this process, by topic: what every Wake adapter has in common.

import { type Env, pause } from '../env.ts'
import { checkTopic } from './wake.ts'

/** Notifications kept for topics that nobody waits for at the moment; the oldest goes first. */
const KEPT_MAX = 1024

export interface Waiters {
  wait(topic: string, signal: AbortSignal, timeoutMs: number): Promise<void>
  /** Wakes everybody who waits for the topic, or is kept for the next. */
  wake(topic: string): void
  /** Wakes everybody: something may have been missed. */
  wakeAll(): void
  /** Wakes everybody; whoever waits from here on is woken by timeouts alone. */
  close(): void
}

export function openWaiters(env: Env): Waiters {
  const waiting = new Map<string, Set<AbortController>>()
  const kept = new Set<string>()
  let isClosed = false

  const wakeWaiting = (topic: string): boolean => {
    const woken = waiting.get(topic)
    waiting.delete(topic)
    for (const each of woken ?? []) each.abort()
    return woken !== undefined
  }
  const wakeAll = () => {
    for (const topic of [...waiting.keys()]) wakeWaiting(topic)
  }

  return {
    async wait(topic, signal, timeoutMs) {
      checkTopic(topic)
      if (signal.aborted || kept.delete(topic)) return
      const woken = new AbortController()
      const others = waiting.get(topic) ?? new Set()
      waiting.set(topic, others.add(woken))
      try {
        await pause(env, timeoutMs, AbortSignal.any([signal, woken.signal]))
      } finally {
        others.delete(woken)
        if (others.size === 0 && waiting.get(topic) === others) waiting.delete(topic)
      }
    },
    wake(topic) {
      if (isClosed || wakeWaiting(topic)) return
      kept.delete(topic)
      kept.add(topic)
      const [oldest] = kept
      if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
    },
    wakeAll,
    close() {
      isClosed = true
      kept.clear()
      wakeAll()
    },
  }
}
