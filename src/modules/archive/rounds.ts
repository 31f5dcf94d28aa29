// The rounds: a scrub some time after the start, and one a day from then on.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { scrub } from './contract.ts'

const FIRST_AFTER_MS = 15 * 60_000
const INTERVAL_MS = 24 * 3600_000

/** A scrub that fails is recorded as a failed run, and the next round tries again. */
export function scrubRegularly({ env, invokeAsHub }: Pick<ModuleHost, 'env' | 'invokeAsHub'>): {
  close(): Promise<void>
} {
  const closing = new AbortController()
  const { signal } = closing
  const going = (async () => {
    let nextMs = env.monotonic() + FIRST_AFTER_MS
    for (;;) {
      await env.sleepUntil(nextMs, signal)
      await invokeAsHub(scrub, {}).catch(() => undefined)
      nextMs = env.monotonic() + INTERVAL_MS
    }
  })().catch(() => undefined)
  return {
    async close() {
      closing.abort()
      await going
    },
  }
}
