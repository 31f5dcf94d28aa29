// The seal: SHA-256 of the database file as a hub left it, so that until a hub writes again not one byte of it can change unseen.

import { createHash } from 'node:crypto'
import { createReadStream, existsSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { syncFolder, writeWholeFile } from '../../log/files.ts'
import { DATA_FILES } from '../../log/layout.ts'
import { readSmallFile } from '../sources/export.ts'
import { checkAborted, failed } from './failure.ts'

const HEADER = 'polity-seal/1'
const FORM = /^polity-seal\/1\nsha256:[0-9a-f]{64}\nsize:[0-9]{1,16}\n$/

const sealPathOf = (databasePath: string): string =>
  `${databasePath}${DATA_FILES.seal.slice(DATA_FILES.database.length)}`

/**
 * Seals a database that no connection holds any more. Reads the whole file, about a gigabyte per second;
 * beyond `maxSizeBytes`, or while a write-ahead log is left, it does nothing and answers false.
 */
export async function sealDatabase(
  databasePath: string,
  maxSizeBytes = SEAL_SIZE_MAX_BYTES,
): Promise<boolean> {
  if (hasWriteAhead(databasePath) || statSync(databasePath).size > maxSizeBytes) return false
  writeWholeFile(sealPathOf(databasePath), await sealOf(databasePath))
  return true
}

/** A stop may take 10 s in all; this much is hashed in 4 of them. */
const SEAL_SIZE_MAX_BYTES = 2 * 1024 ** 3

/** To be called before any connection may write. */
export function breakSeal(databasePath: string): void {
  const path = sealPathOf(databasePath)
  if (!existsSync(path)) return
  rmSync(path)
  syncFolder(dirname(path))
}

/**
 * Whether the database is sealed and untouched; false when there is no seal, because a hub runs or
 * was killed. Throws `verify.failed` with reason `seal` when any byte was changed since.
 */
export async function checkSeal(databasePath: string, signal?: AbortSignal): Promise<boolean> {
  const seal = await readSmallFile(sealPathOf(databasePath))
  if (seal === undefined) return false
  if (!FORM.test(seal)) throw failed('seal', 'the seal of the database is damaged')
  if (hasWriteAhead(databasePath) || seal !== (await sealOf(databasePath, signal)))
    throw failed('seal', 'the database file was changed after its hub closed it, where no other check looks')
  return true
}

async function sealOf(path: string, signal?: AbortSignal): Promise<string> {
  const digest = createHash('sha256')
  let sizeBytes = 0
  for await (const part of createReadStream(path, { highWaterMark: 1 << 20 })) {
    checkAborted(signal)
    digest.update(part as Uint8Array)
    sizeBytes += (part as Uint8Array).length
  }
  return `${HEADER}\nsha256:${digest.digest('hex')}\nsize:${sizeBytes}\n`
}

const hasWriteAhead = (path: string): boolean =>
  (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
