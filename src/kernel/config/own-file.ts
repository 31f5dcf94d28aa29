// The configuration file that a hub writes by itself: DATA/polity.yaml, and beside it the one that it replaced.

import { rmSync } from 'node:fs'
import { writeSecretFile } from '../log/files.ts'
import { textIfThere } from './sources.ts'

const beforeOf = (path: string): string => `${path}.before`

/** Keeps what is there, then writes the text; done again after a crash in the middle, it changes nothing more. */
export function replaceOwnFile(path: string, text: string): void {
  const present = textIfThere(path)
  if (present === text) return
  writeSecretFile(beforeOf(path), present ?? '')
  writeSecretFile(path, text)
}

/** What was there before the last replacement, an empty text for no file; undefined: nothing was replaced, or it is back. */
export const keptText = (path: string): string | undefined => textIfThere(beforeOf(path))

/** Puts it back. */
export function restoreOwnFile(path: string): void {
  const kept = keptText(path)
  if (kept === undefined) return
  if (kept === '') rmSync(path, { force: true })
  else writeSecretFile(path, kept)
  rmSync(beforeOf(path), { force: true })
}
