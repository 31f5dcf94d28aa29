// Repeated denials: the first is recorded at once, the rest of the window as one entry with a count.

import { type Env, pause } from '../env.ts'

const WINDOW_MS = 60_000
/** Beyond this many callers at a time every denial is recorded by itself. */
const WINDOWS_MAX = 1000

export interface DenialWindow {
  /** `record(count)` writes the entry that stands for `count` denials. Never rejects. */
  note(key: string, record: (count: number) => Promise<unknown>): Promise<void>
  /** Records what is still counted, and waits for what is being recorded. */
  close(): Promise<void>
}

interface Window {
  count: number
  record: (count: number) => Promise<unknown>
}

export function openDenials(env: Env, onFailure: (error: unknown) => void): DenialWindow {
  const closing = new AbortController()
  const windows = new Map<string, Window>()
  const underWay = new Set<Promise<void>>()
  const track = (work: Promise<void>): Promise<void> => {
    const tracked = work.finally(() => underWay.delete(tracked))
    underWay.add(tracked)
    return tracked
  }

  const write = async ({ record }: Pick<Window, 'record'>, count: number) => {
    try {
      await record(count)
    } catch (error) {
      onFailure(error)
    }
  }

  const endOf = async (key: string) => {
    // Closing ends the window early; what it counted is recorded all the same.
    await pause(env, WINDOW_MS, closing.signal)
    const window = windows.get(key)
    windows.delete(key)
    if (window && window.count > 0) await write(window, window.count)
  }

  return {
    async note(key, record) {
      const window = windows.get(key)
      if (window) {
        window.count += 1
        window.record = record
        return
      }
      if (windows.size < WINDOWS_MAX) {
        windows.set(key, { count: 0, record })
        track(endOf(key))
      }
      // The denial stands whether or not it could be written down.
      await track(write({ record }, 1))
    },
    async close() {
      closing.abort()
      await Promise.all(underWay)
    },
  }
}
