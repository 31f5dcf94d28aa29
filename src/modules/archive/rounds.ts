// The rounds: a scrub some time after the start, and one a day from then on.

import type { ModuleHost } from '../../kernel/catalog/module.ts'
import { scrub } from './contract.ts'

const FIRST_AFTER_MS = 15 * 60_000
const INTERVAL_MS = 24 * 3600_000

/** A scrub that fails is recorded as a failed run, and the next round tries again. */
export function scrubRegularly(host: Pick<ModuleHost, 'env' | 'invokeAsHub'>): { close(): Promise<void> } {
  const { env } = host
  const closing = new AbortController()
  const { signal } = closing
  const going = (async () => {
    let nextMs = env.monotonic() + FIRST_AFTER_MS
    for (;;) {
      await env.sleepUntil(nextMs, signal)
      await scrubEverything(host, signal).catch(() => undefined)
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

/** One scrub looks at a bounded number of versions, so a large archive takes several. */
async function scrubEverything(
  { invokeAsHub }: Pick<ModuleHost, 'invokeAsHub'>,
  signal: AbortSignal,
): Promise<void> {
  let after: string | undefined
  do {
    const answer = await invokeAsHub(scrub, after === undefined ? {} : { after })
    after = answer.after
  } while (after !== undefined && !signal.aborted)
}
