// Follows configuration files: tells when one of them has changed, also when it was replaced or has come or gone.

import { type StatWatcher, unwatchFile, watchFile } from 'node:fs'

/** Files are looked at this often: that works on every file system, and for links that are swapped. */
const LOOK_EVERY_MS = 1000

/** Answers what ends it. */
export function followFiles(paths: readonly string[], onChange: () => void): () => void {
  const listener = (now: { mtimeMs: number; size: number; ino: number }, before: typeof now) => {
    if (now.mtimeMs !== before.mtimeMs || now.size !== before.size || now.ino !== before.ino) onChange()
  }
  for (const path of paths) {
    const watcher: StatWatcher = watchFile(path, { interval: LOOK_EVERY_MS, persistent: false }, listener)
    watcher.unref()
  }
  return () => {
    for (const path of paths) unwatchFile(path, listener)
  }
}
