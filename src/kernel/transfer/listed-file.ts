// Reads a file of a backup as the manifest binds it, whatever became of the folder since it was checked.

import { hash } from 'node:crypto'
import { join } from 'node:path'
import { readBounded } from '../audit/sources/export.ts'
import { type Manifest, torn } from './manifest.ts'

export const OTHER_BYTES = 'its bytes are not those that were written'

/** The bytes of a file that the manifest lists; throws `backup.torn` for any others. */
export async function readListed(
  dir: string,
  path: string,
  maxBytes: number,
  files: Manifest['files'],
): Promise<Uint8Array> {
  const bytes = await readBounded(join(dir, path), maxBytes)
  if (bytes === undefined) throw torn(path, 'it is missing')
  if (hash('sha256', bytes, 'hex') !== files[path]?.sha256) throw torn(path, OTHER_BYTES)
  return bytes
}
