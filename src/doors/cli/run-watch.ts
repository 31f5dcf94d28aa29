// Watches one run on the event stream: its progress as a bar, and what happens to it as a reason to ask the hub.

import type { Call } from './command.ts'
import type { HubClient } from './hub-client.ts'
import type { ProgressBar } from './progress-bar.ts'
import type { ServerEvent } from './sse.ts'

export interface RunWatch {
  /** Once. */
  follow(run: string): void
  /**
   * Resolves when a look at the run may pay off: the stream says that it has ended, asks people or is parked, or there
   * is no stream, and so much time has passed.
   */
  readonly news: (waitMs: number) => Promise<undefined>
  close(): void
}

/** A connection may die without a word: even whoever hears looks now and then. */
const LOOK_MS = 15_000
/** Of a run: only what it may be waited for is worth a question to the hub. */
const WORTH_A_LOOK: ReadonlySet<unknown> = new Set([
  'action.finished@1',
  'approval.requested@1',
  'run.parked@1',
])

/**
 * Whether to ask for the stream at all. A program with a token of its own may well not read the log, and each denial
 * would be recorded, and speak against it.
 */
export const mayListen = ({ settings, terminal }: Pick<Call, 'settings' | 'terminal'>): boolean =>
  settings.token === undefined || terminal.progress.isTerminal

/** Progress is for the eye: without a stream the run goes on, and polling finds its end. */
export function openRunWatch(
  hub: Pick<HubClient, 'events'>,
  bar: ProgressBar,
  isListening: boolean,
): RunWatch {
  const closing = new AbortController()
  let run: string | undefined
  let isHeard = false
  // What happened before the stream began is not told on it: it is looked once.
  let isDue = true
  let next = Promise.withResolvers<undefined>()
  const wake = () => {
    isDue = true
    next.resolve(undefined)
    next = Promise.withResolvers()
  }
  const onEvent = ({ type, data: text }: ServerEvent) => {
    if (run === undefined) return
    const told = JSON.parse(text) as Partial<Record<string, unknown>>
    const { done, total, note, data } = told
    if (type === 'progress' && told.run === run && typeof done === 'number' && typeof total === 'number')
      bar.update(done, total, String(note ?? ''))
    if (WORTH_A_LOOK.has(told.type) && (data as { run?: unknown } | undefined)?.run === run) wake()
  }
  const watchEvents = async () => {
    const events = await hub.events(undefined, closing.signal)
    isHeard = true
    wake()
    for await (const event of events) onEvent(event)
  }
  return {
    follow(id) {
      run = id
      wake()
      if (!isListening) return
      watchEvents()
        .catch(() => bar.end())
        .finally(() => {
          isHeard = false
          wake()
        })
    },
    async news(waitMs) {
      if (!isHeard || !isDue) await elapsed(isHeard ? LOOK_MS : waitMs, next.promise)
      isDue = false
      return undefined
    },
    close: () => closing.abort(),
  }
}

/** Ends early at the word, and leaves no timer behind that would keep the program alive. */
async function elapsed(ms: number, word: Promise<undefined>): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(() => over.resolve(), ms)
  await Promise.race([over.promise, word])
  clearTimeout(timer)
}
