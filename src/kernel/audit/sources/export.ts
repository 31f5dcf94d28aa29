// An exported folder in the layout of C2SP tlog-tiles as a source of verification.

import { Buffer } from 'node:buffer'
import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PolityError } from '../../errors.ts'
import { CHECKPOINTS_DIR, DATA_FILES } from '../../log/layout.ts'
import { failed } from '../verify/failure.ts'
import type { LogSource, ShownRetained } from './port.ts'
import { RETENTION_FILE, RETENTION_MAX_BYTES, readRetention } from './retention.ts'
import { tiledSource } from './tiles.ts'

/** Notes and keys. */
export const SMALL_FILE_MAX_BYTES = 1_000_000

export async function exportSource(dir: string): Promise<LogSource> {
  const note = await readSmallFile(join(dir, DATA_FILES.checkpoint))
  const vkey = await readLine(join(dir, DATA_FILES.vkey))
  const retention = readRetention(await readBounded(join(dir, RETENTION_FILE), RETENTION_MAX_BYTES))
  return {
    ...tiledSource((path, maxBytes) => readBounded(join(dir, path), maxBytes), retention),
    ...retention,
    name: dir,
    kind: 'export',
    checkpoints: note === undefined ? [] : [{ name: DATA_FILES.checkpoint, note }],
    retained: await readRetained(join(dir, CHECKPOINTS_DIR)),
    ...(vkey === undefined ? {} : { vkey }),
    async close() {},
  }
}

/** A log of a hundred million entries. */
const RETAINED_MAX = 100_000

/** Files named by a size, and their timestamps beside them. Whatever has another name is no checkpoint. */
async function readRetained(dir: string): Promise<readonly ShownRetained[]> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw failed('checkpoint', `${dir} cannot be read: ${error.message}`, { path: dir }, error)
  })
  const sizes = names.filter((name) => /^(?:0|[1-9][0-9]{0,15})$/.test(name)).map(Number)
  if (sizes.length > RETAINED_MAX) throw failed('checkpoint', `${dir} holds over ${RETAINED_MAX} checkpoints`)
  const retained: ShownRetained[] = []
  for (const size of sizes.sort((a, b) => a - b)) {
    const path = join(dir, String(size))
    const timestamp = await readBounded(`${path}.tsr`, SMALL_FILE_MAX_BYTES)
    retained.push({
      name: `${CHECKPOINTS_DIR}/${size}`,
      size,
      note: (await readSmallFile(path)) ?? '',
      ...(timestamp === undefined ? {} : { timestamp }),
    })
  }
  return retained
}

/** The text of a note or key; undefined when there is no such file. */
export async function readSmallFile(path: string): Promise<string | undefined> {
  const bytes = await readBounded(path, SMALL_FILE_MAX_BYTES)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString()
}

/** The one line of a key file, without its newline and nothing else: no byte of the file is without meaning. */
export const readLine = async (path: string): Promise<string | undefined> =>
  (await readSmallFile(path))?.replace(/\n$/, '')

/**
 * The bytes of a regular file; undefined when there is none. Throws `verify.failed` when it is larger than
 * any file of its kind, or no regular file: an export comes from strangers.
 */
export async function readBounded(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  // Opening a FIFO would otherwise wait for somebody who writes to it.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
      throw new PolityError('not-found', `${path} cannot be read: ${error.message}`, { path }, error)
    },
  )
  if (file === undefined) return undefined
  try {
    const stat = await file.stat()
    if (!stat.isFile() || stat.size > maxBytes)
      throw failed('missing', `${path} is not a file of at most ${maxBytes} bytes`, { path })
    const bytes = Buffer.alloc(stat.size)
    const { bytesRead } = await file.read(bytes, 0, stat.size, 0)
    return bytes.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}
