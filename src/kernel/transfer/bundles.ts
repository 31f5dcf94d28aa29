// Entries and inner hashes read from the C2SP tlog-tiles files of a folder.

import { join } from 'node:path'
import { HASH_SIZE_BYTES } from '../../kit/merkle.ts'
import { TILE_WIDTH, type TileRef } from '../../kit/tile-tree.ts'
import { decodeEntries, entriesPath, MAX_ENTRY_BYTES, tilePath } from '../../kit/tlog-tiles.ts'
import { readBounded } from '../audit/sources/export.ts'
import { checkAborted } from '../audit/verify/failure.ts'
import { torn } from './manifest.ts'

const BUNDLE_MAX_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

export interface BundleRange {
  /** A multiple of 256. */
  readonly from: number
  readonly to: number
}

/** One bundle a batch. Throws `backup.torn` for one that is missing or holds other entries than its name says. */
export async function* readBundles(
  dir: string,
  { from, to }: BundleRange,
  signal?: AbortSignal,
): AsyncGenerator<readonly Uint8Array[], void> {
  for (let next = from; next < to; next += TILE_WIDTH) {
    checkAborted(signal)
    const width = Math.min(TILE_WIDTH, to - next)
    yield await readBundle(dir, next / TILE_WIDTH, width)
  }
}

async function readBundle(dir: string, index: number, width: number): Promise<Uint8Array[]> {
  const path = entriesPath(index, width)
  const bytes = await readBounded(join(dir, path), BUNDLE_MAX_BYTES)
  if (bytes === undefined) throw torn(path, 'it is missing')
  try {
    const entries = decodeEntries(bytes)
    if (entries.length !== width) throw new RangeError(`it holds ${entries.length} of ${width} entries`)
    return entries
  } catch (error) {
    throw torn(path, (error as Error).message, error)
  }
}

/** Throws `backup.torn`. */
export async function readHashTile(dir: string, ref: TileRef): Promise<Uint8Array> {
  const path = tilePath(ref)
  const bytes = await readBounded(join(dir, path), TILE_WIDTH * HASH_SIZE_BYTES)
  if (bytes === undefined) throw torn(path, 'it is missing')
  if (bytes.length !== ref.width * HASH_SIZE_BYTES) throw torn(path, `it has not ${ref.width} hashes`)
  return bytes
}
