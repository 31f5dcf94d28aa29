// Waiting between two takes: for an entry, for a lease that ends, or for somebody in this hub to settle an item.

import { EventEmitter } from 'node:events'
import { type Env, pause } from '../env.ts'
import type { ReadableLog } from '../log/log.ts'
import type { NextTake } from './pull-options.ts'

/** What other hubs settle is not heard of here: whoever waits looks again after so long. */
const LOOK_AGAIN_MS = 1000
/** Settling is heard of before its commit; whoever is woken by it leaves it so much time. */
const COMMIT_MS = 10

export interface PullNews {
  /**
   * Resolves when another take may find something, at the latest at `untilMs` (wall clock) or when the signal is
   * aborted; never rejects. Whoever is woken takes again, and may find nothing.
   */
  wait(name: string, next: NextTake, untilMs: number, signal?: AbortSignal): Promise<void>
  /** Something of this subscription was settled; a take may find more. */
  settled(name: string): void
  /** Aborts every wait. */
  close(): void
}

export function openPullNews(env: Env, log: Pick<ReadableLog, 'published' | 'lost'>): PullNews {
  const settlements = new EventEmitter().setMaxListeners(0)
  const closing = new AbortController()
  return {
    async wait(name, { position, atMs }, untilMs, signal) {
      const nowMs = env.now()
      const dueMs = Math.min(untilMs, atMs ?? Number.POSITIVE_INFINITY, nowMs + LOOK_AGAIN_MS)
      if (dueMs <= nowMs || closing.signal.aborted || log.lost.aborted) return
      const done = new AbortController()
      const either = AbortSignal.any([done.signal, closing.signal, ...(signal ? [signal] : [])])
      const settled = Promise.withResolvers<void>()
      settlements.once(`for ${name}`, settled.resolve)
      try {
        await Promise.race([
          pause(env, dueMs - nowMs, either),
          settled.promise.then(() => pause(env, COMMIT_MS, either)),
          ...(position === undefined ? [] : [log.published(position + 1, either).catch(() => undefined)]),
        ])
      } finally {
        settlements.off(`for ${name}`, settled.resolve)
        done.abort()
      }
    },
    settled: (name) => {
      settlements.emit(`for ${name}`)
    },
    close: () => closing.abort(),
  }
}
