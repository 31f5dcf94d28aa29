// A log as it is served to everybody: checkpoint, hash tiles and entry bundles (C2SP tlog-tiles), read within bounds.

import { HASH_SIZE_BYTES } from '../../kit/merkle.ts'
import { TILE_WIDTH, type TileRef } from '../../kit/tile-tree.ts'
import { decodeEntries, entriesPath, tilePath } from '../../kit/tlog-tiles.ts'
import { boundedRequest, textOf, under, unreachable } from './bounded-request.ts'
import { Misbehaviour } from './misbehaviour.ts'

export interface LogView {
  /** The signed note, not believed. Throws `peer.unreachable`. */
  checkpoint(): Promise<string>
  /** Hash tiles as a tree of `size` leaves has them, cut to the widths asked for. Throws Misbehaviour `gap`. */
  tiles(refs: readonly TileRef[], size: number): Promise<Uint8Array[]>
  leafHashes(index: number, width: number): Promise<readonly Uint8Array[]>
  /** Undefined where entries are shown to the log's own people only. */
  leaves(index: number, width: number): Promise<readonly Uint8Array[] | undefined>
}

const TIMEOUT_MS = 10_000
const NOTE_SIZE_MAX_BYTES = 65_536
const BUNDLE_SIZE_MAX_BYTES = TILE_WIDTH * (65_535 + 2)

export function openLogView(url: string, signal: AbortSignal, timeoutMs: number = TIMEOUT_MS): LogView {
  const get = (path: string, sizeMaxBytes: number) =>
    boundedRequest(under(url, path), { sizeMaxBytes, timeoutMs, signal })

  const hashTile = async ({ level, index }: TileRef, width: number): Promise<Uint8Array> => {
    const path = tilePath({ level, index, width })
    const answer = await get(path, TILE_WIDTH * HASH_SIZE_BYTES)
    requireServed(under(url, path), path, answer.status)
    if (answer.bytes.length !== width * HASH_SIZE_BYTES)
      throw new Misbehaviour('gap', `${path} has not ${width} hashes`)
    return answer.bytes
  }

  return {
    async checkpoint() {
      const place = under(url, 'checkpoint')
      const answer = await get('checkpoint', NOTE_SIZE_MAX_BYTES)
      if (answer.status !== 200) throw unreachable(place, `status ${answer.status}`)
      return textOf(answer, place)
    },
    // A log may drop a partial tile once it has a wider one, so it is asked for the width of today.
    tiles: (refs, size) =>
      Promise.all(
        refs.map(async (ref) => {
          const nodes = Math.floor(size / TILE_WIDTH ** ref.level) - ref.index * TILE_WIDTH
          const tile = await hashTile(ref, Math.min(TILE_WIDTH, nodes))
          return tile.subarray(0, ref.width * HASH_SIZE_BYTES)
        }),
      ),
    async leafHashes(index, width) {
      const tile = await hashTile({ level: 0, index, width }, width)
      return Array.from({ length: width }, (_, n) =>
        tile.subarray(n * HASH_SIZE_BYTES, (n + 1) * HASH_SIZE_BYTES),
      )
    },
    async leaves(index, width) {
      const path = entriesPath(index, width)
      const answer = await get(path, BUNDLE_SIZE_MAX_BYTES)
      if (answer.status === 401 || answer.status === 403) return undefined
      requireServed(under(url, path), path, answer.status)
      try {
        return decodeEntries(answer.bytes)
      } catch (error) {
        throw new Misbehaviour('gap', `${path} is no bundle of entries: ${(error as Error).message}`)
      }
    },
  }
}

/** What a log signed for it must serve; that it cannot be reached for now is something else. */
function requireServed(url: string, path: string, status: number): void {
  if (status === 200) return
  if (status === 404 || status === 410) throw new Misbehaviour('gap', `${path} is missing`)
  throw unreachable(url, `status ${status}`)
}
