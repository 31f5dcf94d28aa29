// Watches the memory of a git process: some files of a repository are read whole, and may have no end.

import { readFileSync } from 'node:fs'

const CHECK_INTERVAL_MS = 50

/**
 * Calls `onExceeded` once when the process holds more than `limitMB` of its own, and answers what ends the watch.
 * Only Linux tells (proc_pid_status(5), RssAnon); elsewhere nothing is watched.
 */
export function watchMemory(pid: number, limitMB: number, onExceeded: () => void): () => void {
  const timer = setInterval(() => {
    if (heldMB(pid) <= limitMB) return
    clearInterval(timer)
    onExceeded()
  }, CHECK_INTERVAL_MS).unref()
  return () => clearInterval(timer)
}

/** Mapped files do not count: the kernel takes their pages back. 0 when it cannot be told. */
function heldMB(pid: number): number {
  try {
    const [, kilobytes = '0'] =
      /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
    return Number(kilobytes) / 1024
  } catch {
    // It has ended, or this is no Linux.
    return 0
  }
}
