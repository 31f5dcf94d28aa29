// Watches one run on the event stream: its progress as a bar, and its end as a reason to ask the hub.

import type { HubClient } from './hub-client.ts'
import type { ProgressBar } from './progress-bar.ts'
import type { ServerEvent } from './sse.ts'

export interface RunWatch {
  follow(run: string): void
  /** Resolves when the stream says that the run has ended. */
  readonly news: () => Promise<void>
  close(): void
}

/** Progress is for the eye: without a stream the run goes on, and polling finds its end. */
export function openRunWatch(hub: Pick<HubClient, 'events'>, bar: ProgressBar): RunWatch {
  const closing = new AbortController()
  let run: string | undefined
  let next = Promise.withResolvers<void>()
  const onEvent = ({ type, data: text }: ServerEvent) => {
    if (run === undefined) return
    const told = JSON.parse(text) as Partial<Record<string, unknown>>
    const { done, total, note, data } = told
    if (type === 'progress' && told.run === run && typeof done === 'number' && typeof total === 'number')
      bar.update(done, total, String(note ?? ''))
    // Only the end is worth a question to the hub.
    if (told.type !== 'action.finished@1' || (data as { run?: unknown }).run !== run) return
    next.resolve()
    next = Promise.withResolvers<void>()
  }
  const watchEvents = async () => {
    for await (const event of await hub.events(undefined, closing.signal)) onEvent(event)
  }
  watchEvents().catch(() => bar.end())
  return {
    follow(id) {
      run = id
    },
    news: () => next.promise,
    close: () => closing.abort(),
  }
}
