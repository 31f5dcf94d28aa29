// What a doctor says of the anchor: that it can be written, that it is of this log, and that the log is not behind it.

import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { readAnchor } from '../../kernel/log/anchor.ts'
import { type DataPaths, defaultAnchorPath, LOG_META, ORIGIN_KEY } from '../../kernel/log/layout.ts'
import { checkNote } from '../../kernel/log/publisher.ts'
import { sqliteStore } from '../../kernel/store/sqlite/sqlite-store.ts'
import { parseVkey } from '../../kit/note-key.ts'
import { fail, ok, type Verdict, warn } from './verdict.ts'

/** Throws what is wrong between the anchor and the log: `anchor.corrupt`, `log.rollback`, `log.corrupt`. */
export async function checkAnchor(paths: DataPaths, given: string | undefined): Promise<Verdict> {
  const { database } = paths
  if (!existsSync(database)) return placeVerdict(given ?? someDefault()) ?? ok('will be made with the log')
  // The anchor is read before the store, so that a running hub is never found behind it.
  const origin = await originOf(database)
  const path = given ?? (origin === undefined ? someDefault() : defaultAnchorPath(origin, process.env))
  const refused = placeVerdict(path)
  if (refused !== undefined) return refused
  if (origin === undefined) return ok('will be made with the log')
  const note = readAnchor(path)
  if (note === undefined && existsSync(path) && statSync(path).size > 0)
    return fail(
      `the anchor ${path} is damaged in both slots`,
      'restore it from a copy, or remove it to adopt the database as it stands',
    )
  if (note === undefined)
    return warn(
      `there is none at ${path}`,
      'start the hub with the --anchor it had; without any, a rollback of the folder goes unseen until the next start',
    )
  if (!existsSync(paths.vkey)) return warn(`${path}, of a log whose ${paths.vkey} is gone`, 'see keys')
  const store = sqliteStore(database, 'read')
  try {
    const { size } = await checkNote(
      origin,
      [parseVkey(readFileSync(paths.vkey, 'utf8').trim())],
      note,
      store,
    )
    return ok(`${path}: the log has the ${size} entries that were published`)
  } finally {
    await store.close()
  }
}

/** Without a log its name is not known, but every default place is in the same folder. */
const someDefault = (): string => join(dirname(defaultAnchorPath('', process.env)), 'ANCHOR')

function placeVerdict(path: string): Verdict | undefined {
  const obstacle = obstacleTo(path)
  return obstacle === undefined
    ? undefined
    : fail(`${path} cannot be written: ${obstacle}`, 'choose another place with --anchor PATH')
}

async function originOf(database: string): Promise<string | undefined> {
  const store = sqliteStore(database, 'read')
  try {
    const origin = (await store.load(LOG_META, [ORIGIN_KEY])).value.get(ORIGIN_KEY)?.value
    return origin == null ? undefined : String(JSON.parse(origin))
  } finally {
    await store.close()
  }
}

/** Why nothing can be written there, as far as looking tells. */
function obstacleTo(path: string): string | undefined {
  const at = nearestFolder(path)
  const isThere = at === path
  const isFolder = statSync(at).isDirectory()
  if (isThere && isFolder) return 'it is a folder'
  if (!isThere && !isFolder) return `${at} is no folder`
  return isAllowed(at, isThere ? constants.R_OK | constants.W_OK : constants.W_OK | constants.X_OK)
    ? undefined
    : `permission denied for ${at}`
}

export function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    // Whatever keeps us out, we are out.
    return false
  }
}

export function nearestFolder(path: string): string {
  let at = path
  while (!existsSync(at)) at = dirname(at)
  return at
}
