// Makes a DATA folder whole or not at all: it is built aside, inside of the place where it will be, and its files move out at the end.

import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { PolityError } from '../errors.ts'
import { syncFolder } from '../log/files.ts'
import { DATA_FILES } from '../log/layout.ts'
import { isKeyFile } from './key-files.ts'

/** Where a folder is built. It is never renamed itself: DATA may be a mount point. */
const ASIDE = '.polity-restoring'

/**
 * Calls `build` with an empty folder, and puts what it wrote into `dir`, which must be new or empty, or left by an
 * attempt that was killed. When `build` fails nothing stays behind. Throws `data.unwritable`.
 */
export async function buildFolder<T>(dir: string, build: (aside: string) => Promise<T>): Promise<T> {
  const isNew = !existsSync(dir)
  const aside = prepare(dir)
  try {
    const built = await build(aside)
    moveOut(aside, dir)
    return built
  } catch (error) {
    rmSync(aside, { recursive: true, force: true })
    if (isNew) rmSync(dir, { recursive: true, force: true })
    throw error
  }
}

function prepare(dir: string): string {
  const refuse = (why: string, cause?: unknown) =>
    new PolityError('data.unwritable', `${dir} ${why}`, { path: dir }, cause)
  const aside = join(dir, ASIDE)
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const names = readdirSync(dir).filter((name) => name !== LOST_AND_FOUND)
    if (names.includes(DATA_FILES.database)) throw refuse('holds a log: name a new folder')
    const isUnfinished = names.includes(ASIDE) && names.every(isOurs)
    if (names.length > 0 && !isUnfinished) throw refuse('is not empty: name a new folder')
    // Without a database nothing in it was ever whole.
    for (const name of names) rmSync(join(dir, name), { recursive: true, force: true })
    mkdirSync(aside, { mode: 0o700 })
    return aside
  } catch (error) {
    if (error instanceof PolityError) throw error
    throw refuse(`cannot be written (${(error as Error).message})`, error)
  }
}

/** What `moveOut` may have moved before it was killed. */
const isOurs = (name: string): boolean =>
  name === ASIDE || isKeyFile(name) || Object.values<string>(DATA_FILES).includes(name)

/** What file systems put into the root of their own. */
const LOST_AND_FOUND = 'lost+found'

/** The database goes last: a folder without it is one that was not finished. */
function moveOut(aside: string, dir: string): void {
  const isDatabase = (name: string) => name === DATA_FILES.database
  const names = readdirSync(aside)
  for (const name of [...names.filter((each) => !isDatabase(each)), ...names.filter(isDatabase)])
    renameSync(join(aside, name), join(dir, name))
  rmSync(aside, { recursive: true, force: true })
  syncFolder(dir)
  syncFolder(dirname(dir))
}
