// Repeated denials: the first is recorded at once, the rest of the window as one entry with a count.

import { type Env, pause } from '../env.ts'

const WINDOW_MS = 60_000
/** Beyond this many kinds at a time every denial is recorded by itself. */
const WINDOWS_MAX = 1000

/** Of one group: beyond so many kinds at a time, what differs in details alone is counted together. */
const KINDS_MAX = 32

export interface Kind {
  /** The same for equal denials. */
  readonly key: string
  /** The same for those that differ in details alone; absent: there are none. */
  readonly group?: string
}

export interface DenialWindow {
  /** `record(count)` writes the entry that stands for `count` denials. Never rejects. */
  note(kind: Kind, record: (count: number) => Promise<unknown>): Promise<void>
  /** Records what is still counted, and waits for what is being recorded. */
  close(): Promise<void>
}

interface Window {
  readonly group: string
  count: number
  record: (count: number) => Promise<unknown>
}

export function openDenials(env: Env, onFailure: (error: unknown) => void): DenialWindow {
  const closing = new AbortController()
  const windows = new Map<string, Window>()
  /** How many windows of a group are open. */
  const groups = new Map<string, number>()
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

  const keyOf = ({ key, group = key }: Kind) =>
    windows.has(key) || (groups.get(group) ?? 0) < KINDS_MAX ? key : group

  const endOf = async (key: string, window: Window) => {
    // Closing ends the window early; what it counted is recorded all the same.
    await pause(env, WINDOW_MS, closing.signal)
    windows.delete(key)
    const left = (groups.get(window.group) ?? 1) - 1
    if (left === 0) groups.delete(window.group)
    else groups.set(window.group, left)
    if (window.count > 0) await write(window, window.count)
  }

  return {
    async note(kind, record) {
      const key = keyOf(kind)
      const window = windows.get(key)
      if (window) {
        window.count += 1
        window.record = record
        return
      }
      if (windows.size < WINDOWS_MAX) {
        const { group = key } = kind
        const opened = { group, count: 0, record }
        windows.set(key, opened)
        groups.set(group, (groups.get(group) ?? 0) + 1)
        track(endOf(key, opened))
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
