// The live stream: every published entry after a cursor, checkpoints and progress, as server-sent events.

import { setTimeout as delay } from 'node:timers/promises'
import type { Progress } from '../../kernel/catalog/context.ts'
import type { Log } from '../../kernel/log/log.ts'
import { formatComment, formatEvent } from './server-sent-events.ts'

const HEARTBEAT_INTERVAL_MS = 15_000
/** How often a silent stream is asked whether it may go on. */
const LOOK_INTERVAL_MS = 250
const RECONNECT_MS = 2000
/** Entries have at most 64 KiB, so this also bounds what a stream holds in memory. */
const PAGE_SIZE = 64
/** Runs whose newest progress waits for a slow reader; progress is lossy. */
const PROGRESS_WAITING_MAX = 256

export interface RunProgress extends Progress {
  readonly run: string
  readonly action: string
}

/** What the stream needs of a hub. */
export interface LiveSource {
  readonly log: Pick<Log, 'read' | 'head' | 'published' | 'cursorAt' | 'positionOf'>
  onProgress(listener: (progress: RunProgress) => void): () => void
}

export interface StreamOptions {
  /** Exclusive. */
  readonly after: string
  /** Entries of this type only; checkpoints and progress come all the same. */
  readonly type?: string
  /** Ends the stream. */
  readonly signal: AbortSignal
  /** Asked before entries are sent, and while there are none: who may not read any more is not left listening. */
  readonly isAllowed: () => Promise<boolean>
}

/**
 * Events `entry` and `checkpoint` carry a cursor as their id: everything up to it was sent, so a
 * reader that resumes after the last id it saw misses nothing and sees nothing twice. `progress`
 * has no id. The reader's pace is the stream's pace: nothing is read ahead of what was taken.
 * Source: WHATWG HTML, section 9.2 "Server-sent events".
 */
export async function* liveStream(
  { log, onProgress }: LiveSource,
  options: StreamOptions,
): AsyncGenerator<string> {
  const { type, signal, isAllowed } = options
  const progress = openProgressInbox(onProgress)
  let cursor = options.after
  let announced = -1
  try {
    yield formatEvent({ id: cursor, retryMs: RECONNECT_MS })
    while (!signal.aborted && (await isAllowed())) {
      const head = log.head()
      const page = await log.read({
        after: cursor,
        limit: PAGE_SIZE,
        ...(type === undefined ? {} : { type }),
      })
      for (const entry of page.entries)
        yield formatEvent({ id: log.cursorAt(entry.seq + 1), event: 'entry', data: JSON.stringify(entry) })
      cursor = page.cursor ?? cursor
      const position = log.positionOf(cursor)
      if (position >= head.size && head.size !== announced) {
        announced = head.size
        yield formatEvent({ id: cursor, event: 'checkpoint', data: JSON.stringify(head) })
      }
      for (const each of progress.take()) yield formatEvent({ event: 'progress', data: JSON.stringify(each) })
      if (position < log.head().size || signal.aborted) continue
      yield* silence(() => newsOf(log, position, progress, signal), isAllowed)
    }
  } finally {
    progress.close()
  }
}

/** Until there is news, or the reader may not go on; a comment now and then keeps the connection. */
async function* silence(
  news: () => ReturnType<typeof newsOf>,
  isAllowed: StreamOptions['isAllowed'],
): AsyncGenerator<string> {
  for (let silentMs = LOOK_INTERVAL_MS; (await news()) === 'quiet'; silentMs += LOOK_INTERVAL_MS) {
    if (!(await isAllowed())) return
    if (silentMs % HEARTBEAT_INTERVAL_MS === 0) yield formatComment('')
  }
}

interface ProgressInbox {
  /** The newest progress of each run since the last take. */
  take(): readonly RunProgress[]
  arrival(signal: AbortSignal): Promise<void>
  close(): void
}

function openProgressInbox(onProgress: LiveSource['onProgress']): ProgressInbox {
  const waiting = new Map<string, RunProgress>()
  let arrived = () => {}
  const close = onProgress((each) => {
    if (!waiting.has(each.run) && waiting.size >= PROGRESS_WAITING_MAX) return
    waiting.set(each.run, each)
    arrived()
  })
  return {
    close,
    take() {
      const taken = [...waiting.values()]
      waiting.clear()
      return taken
    },
    arrival(signal) {
      if (waiting.size > 0) return Promise.resolve()
      return new Promise((resolve) => {
        arrived = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    },
  }
}

/** Waits until there is something to send, or for so long that a sign of life is due. */
async function newsOf(
  log: LiveSource['log'],
  position: number,
  progress: ProgressInbox,
  signal: AbortSignal,
): Promise<'news' | 'quiet' | 'ended'> {
  const waiting = new AbortController()
  const end = () => waiting.abort()
  signal.addEventListener('abort', end, { once: true })
  try {
    return await Promise.race([
      log.published(position + 1, waiting.signal).then(() => 'news' as const),
      progress.arrival(waiting.signal).then(() => 'news' as const),
      delay(LOOK_INTERVAL_MS, 'quiet' as const, { signal: waiting.signal }),
    ])
  } catch (error) {
    if (signal.aborted) return 'ended'
    throw error
  } finally {
    signal.removeEventListener('abort', end)
    waiting.abort()
  }
}
