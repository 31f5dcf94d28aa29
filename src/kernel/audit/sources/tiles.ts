// Reads a log from C2SP tlog-tiles paths, wherever they lead: entry bundles a few ahead, hash tiles one at a time.

import { HASH_SIZE_BYTES } from '../../../kit/merkle.ts'
import { TILE_WIDTH } from '../../../kit/tile-tree.ts'
import { decodeEntries, entriesPath, MAX_ENTRY_BYTES, tilePath } from '../../../kit/tlog-tiles.ts'
import type { ClaimedEntry } from '../verify/entry.ts'
import { checkAborted, failed } from '../verify/failure.ts'
import type { LogSource } from './port.ts'

/** The bytes at a path such as `tile/0/000`; undefined when there is nothing. At most `maxBytes` are to be read. */
export type ReadPath = (
  path: string,
  maxBytes: number,
  signal?: AbortSignal,
) => Promise<Uint8Array | undefined>

const TILE_MAX_BYTES = TILE_WIDTH * HASH_SIZE_BYTES
const BUNDLE_MAX_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)
/** Bundles under way; each may take BUNDLE_MAX_BYTES. */
const READ_AHEAD_BUNDLES = 4

export function tiledSource(
  read: ReadPath,
  { minimumIndex = 0 }: Pick<LogSource, 'minimumIndex'> = {},
): Pick<LogSource, 'entries' | 'tile'> {
  return {
    entries: (size, signal) => readBundles(read, { from: minimumIndex, size }, signal),
    tile: async (ref, signal) => {
      const found = await readWidened(
        read,
        (width) => tilePath({ ...ref, width }),
        ref.width,
        TILE_MAX_BYTES,
        signal,
      )
      const seq = ref.index * TILE_WIDTH ** (ref.level + 1)
      if (found === undefined) throw missing(tilePath(ref), seq)
      if (found.bytes.length !== found.width * HASH_SIZE_BYTES)
        throw failed('missing', `${tilePath(ref)} has not ${found.width} hashes`, {
          seq,
          path: tilePath(ref),
        })
      return found.bytes.subarray(0, ref.width * HASH_SIZE_BYTES)
    },
  }
}

interface Bundle {
  readonly first: number
  readonly width: number
}

async function* readBundles(
  read: ReadPath,
  { from, size }: { readonly from: number; readonly size: number },
  signal?: AbortSignal,
): AsyncGenerator<readonly ClaimedEntry[]> {
  const ahead: Promise<readonly ClaimedEntry[]>[] = []
  let next = from
  while (next < size || ahead.length > 0) {
    checkAborted(signal)
    while (next < size && ahead.length < READ_AHEAD_BUNDLES) {
      const bundle = readBundle(read, { first: next, width: Math.min(TILE_WIDTH, size - next) }, signal)
      // Its failure is thrown when its turn comes; until then it must not pass for unhandled.
      bundle.catch(() => undefined)
      ahead.push(bundle)
      next += TILE_WIDTH
    }
    const bundle = ahead.shift()
    if (bundle) yield await bundle
  }
}

async function readBundle(
  read: ReadPath,
  { first, width }: Bundle,
  signal?: AbortSignal,
): Promise<readonly ClaimedEntry[]> {
  const index = first / TILE_WIDTH
  const path = entriesPath(index, width)
  const found = await readWidened(read, (wide) => entriesPath(index, wide), width, BUNDLE_MAX_BYTES, signal)
  if (found === undefined) throw missing(path, first)
  try {
    const entries = decodeEntries(found.bytes)
    if (entries.length !== found.width)
      throw new RangeError(`it holds ${entries.length} of ${found.width} entries`)
    return entries.slice(0, width).map((entry, offset) => ({ seq: first + offset, bytes: entry }))
  } catch (error) {
    throw failed(
      'missing',
      `${path} is no bundle of ${width} entries: ${(error as Error).message}`,
      { seq: first, path },
      error,
    )
  }
}

/** A tile or bundle, and the width of the one that was there. */
interface Found {
  readonly bytes: Uint8Array
  readonly width: number
}

/**
 * C2SP tlog-tiles, "Partial Tiles": once a tile is full its partial forms may be gone, so a reader
 * that misses one asks for the full tile and takes its beginning.
 */
async function readWidened(
  read: ReadPath,
  path: (width: number) => string,
  width: number,
  maxBytes: number,
  signal?: AbortSignal,
): Promise<Found | undefined> {
  for (const wide of new Set([width, TILE_WIDTH])) {
    const bytes = await read(path(wide), maxBytes, signal)
    if (bytes !== undefined) return { bytes, width: wide }
  }
  return undefined
}

const missing = (path: string, seq: number) => failed('missing', `${path} is missing`, { seq, path })
