// Follows configuration files: tells when one of them has changed, also when it was replaced or has come or gone.

import { stat } from 'node:fs/promises'

/** Files are looked at this often: that works on every file system, and for links that are swapped. */
const LOOK_EVERY_MS = 500

/**
 * Tells once at the start, for what has changed between reading the files and looking at them, and after that
 * whenever they have changed and been still for one look: a file that is written in two goes is not read between them.
 * Answers what ends it.
 */
export function followFiles(paths: readonly string[], onChange: () => void): () => void {
  let isEnded = false
  let before: string | undefined
  let told: string | undefined
  const look = async () => {
    const now = (await Promise.all(paths.map(stampOf))).join()
    if (isEnded) return
    if (now === before && now !== told) {
      told = now
      onChange()
    }
    before = now
    again()
  }
  let timer: NodeJS.Timeout
  const again = () => {
    timer = setTimeout(look, LOOK_EVERY_MS).unref()
  }
  again()
  return () => {
    isEnded = true
    clearTimeout(timer)
  }
}

/** What is different after any change; empty for a file that is not there. */
const stampOf = (path: string): Promise<string> =>
  stat(path, { bigint: true }).then(
    ({ mtimeNs, ctimeNs, size, ino }) => `${mtimeNs} ${ctimeNs} ${size} ${ino}`,
    () => '',
  )
