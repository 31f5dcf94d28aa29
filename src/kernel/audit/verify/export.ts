// Everything that can be checked of an exported folder: the log, and the blobs beside it.

import { hash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { BLOB_MAX_BYTES, BLOBS_DIR, blobName } from '../../log/layout.ts'
import { exportSource, readBounded } from '../sources/export.ts'
import { checkAborted, failed } from './failure.ts'
import { type VerifiedLog, type VerifyOptions, verifyLog } from './verify.ts'

export interface VerifiedExport {
  readonly log: VerifiedLog
  readonly blobs: number
}

/**
 * Verifies an export. Each blob must have the digest in its name; which blobs should be there is a question
 * to the entries that name them, and not asked here. Throws what `verifyLog` throws, and reason `evidence`.
 */
export async function verifyExport(dir: string, options: VerifyOptions = {}): Promise<VerifiedExport> {
  const log = await verifyLog(await exportSource(dir), options)
  return { log, blobs: await checkBlobs(join(dir, BLOBS_DIR), options.signal) }
}

async function checkBlobs(dir: string, signal?: AbortSignal): Promise<number> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw failed('evidence', `${dir} cannot be read: ${error.message}`, { path: dir }, error)
  })
  for (const name of names) {
    checkAborted(signal)
    const path = join(dir, name)
    const bytes = await readBounded(path, BLOB_MAX_BYTES)
    if (bytes === undefined || blobName(hash('sha256', bytes, 'hex')) !== name)
      throw failed('evidence', `${path} does not have the digest that it is named by`, { path })
  }
  return names.length
}
