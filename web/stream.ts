// The live stream: server-sent events that go on where they stopped, across lost connections and restarts.

const RETRY_FIRST_MS = 1000
const RETRY_MAX_MS = 30_000

export interface Listener {
  /** Connected, at first or again: what happened in between is to be read now. */
  onOpen(): void
  onLost(): void
  /** `entry`, `checkpoint` or `progress`, with its data as parsed JSON. */
  onEvent(type: string, data: unknown): void
  /** The browser gave up: before the next attempt somebody must see whether the session still holds. */
  onRefused(): Promise<boolean>
}

const EVENTS = ['entry', 'checkpoint', 'progress']

/** Follows the stream until the answered function is called. */
export function follow(path: string, listener: Listener): () => void {
  let source: EventSource | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let cursor = ''
  let delayMs = RETRY_FIRST_MS
  let isEnded = false

  const connect = () => {
    const opened = new EventSource(cursor === '' ? path : `${path}?${new URLSearchParams({ after: cursor })}`)
    source = opened
    opened.onopen = () => {
      delayMs = RETRY_FIRST_MS
      listener.onOpen()
    }
    opened.onerror = () => {
      if (isEnded) return
      listener.onLost()
      // The browser tries again by itself, unless the answer was no stream.
      if (opened.readyState === EventSource.CLOSED) void connectLater()
    }
    for (const type of EVENTS)
      opened.addEventListener(type, (event: MessageEvent<string>) => {
        if (event.lastEventId !== '') cursor = event.lastEventId
        const data = parsed(event.data)
        if (data !== undefined) listener.onEvent(type, data)
      })
  }

  const connectLater = async () => {
    source?.close()
    if (!(await listener.onRefused()) || isEnded) return
    retry = setTimeout(connect, delayMs)
    delayMs = Math.min(delayMs * 2, RETRY_MAX_MS)
    // A cursor that the hub no longer takes (another log, say) must not be asked for again: onOpen reads anew.
    cursor = ''
  }

  connect()
  return () => {
    isEnded = true
    clearTimeout(retry)
    source?.close()
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    console.error('the stream sent something that is not JSON', error)
    return undefined
  }
}
