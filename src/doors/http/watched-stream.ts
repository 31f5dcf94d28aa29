// A stream that ends when its reader may not go on: also while nothing is sent, and while the reader takes nothing.

import { Readable } from 'node:stream'

const LOOK_INTERVAL_MS = 1000
/** Looks that one may take: what cannot be asked is not taken for good. */
const LOOKS_UNANSWERED_MAX = 4

/**
 * `open` gets a signal that aborts then, and whenever `signal` does. Pulled at the pace of the socket: a slow reader
 * pauses its own stream only. What does not end by itself at the next look is cut.
 */
export function watchedStream(
  signal: AbortSignal,
  isAllowed: () => Promise<boolean>,
  open: (signal: AbortSignal) => AsyncIterable<string>,
): Readable {
  const ended = new AbortController()
  const events = open(AbortSignal.any([signal, ended.signal]))
  const body = Readable.from(events, { objectMode: false, highWaterMark: 1 })
  let unanswered = 0
  const look = async () => {
    if (ended.signal.aborted) return void body.destroy()
    unanswered += 1
    if (unanswered > LOOKS_UNANSWERED_MAX) return ended.abort()
    if (unanswered > 1) return
    if (await isAllowed().catch(() => false)) unanswered = 0
    else ended.abort()
  }
  const timer = setInterval(() => void look(), LOOK_INTERVAL_MS)
  timer.unref()
  body.once('close', () => clearInterval(timer))
  return body
}
