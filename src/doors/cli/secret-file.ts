// A new file for a secret, which only its owner can read: written whole, or not there.

import { closeSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { PolityError } from '../../kernel/errors.ts'
import { syncFolder, writeFully } from '../../kernel/log/files.ts'
import { usage } from './failure.ts'

const OWNER_ONLY = 0o600

/** @param instead what to do where there is such a file. Throws `usage` then, and `data.unwritable`. */
export function createSecretFile(path: string, content: string, instead: string): void {
  const file = openNew(path, instead)
  try {
    writeFully(file, Buffer.from(content), 0)
    fsyncSync(file)
  } catch (error) {
    rmSync(path, { force: true })
    throw unwritable(path, error)
  } finally {
    closeSync(file)
  }
  syncFolder(dirname(path))
}

function openNew(path: string, instead: string): number {
  try {
    // `x`: nothing is overwritten, and no link is followed.
    return openSync(path, 'wx', OWNER_ONLY)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw usage(`there is a file ${path} already, and nothing overwrites a secret`, instead)
    throw unwritable(path, error)
  }
}

export const unwritable = (path: string, error: unknown, hint?: string): PolityError =>
  new PolityError(
    'data.unwritable',
    `${path} cannot be written: ${(error as Error).message}`,
    { path, ...(hint === undefined ? {} : { hint }) },
    error,
  )
