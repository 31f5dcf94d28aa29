// One hub per DATA folder: an operating system lock that ends with the process, however it ends.

import { DatabaseSync } from 'node:sqlite'
import { PolityError } from '../errors.ts'

export interface DataLock {
  release(): void
}

/**
 * Holds SQLite's exclusive lock on an otherwise empty database: unlike a pid file it can neither
 * go stale nor be stolen. Throws `store.locked` when another hub holds it, `data.unwritable`.
 */
export function lockData(path: string): DataLock {
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path)
    db.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    db?.close()
    throw refusal(path, error as Error & { errcode?: number })
  }
  const held = db
  return { release: () => held.close() }
}

/** SQLite result codes (sqlite.org/rescode.html), the primary code in the low byte. */
const BUSY = 5
const LOCKED = 6

function refusal(path: string, error: Error & { errcode?: number }): PolityError {
  const code = (error.errcode ?? 0) & 0xff
  if (code === BUSY || code === LOCKED)
    return new PolityError('store.locked', `another hub is running on this folder (${path})`, { path }, error)
  return new PolityError('data.unwritable', `${path} cannot be written: ${error.message}`, { path }, error)
}
