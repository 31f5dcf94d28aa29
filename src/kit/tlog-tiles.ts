// C2SP tlog-tiles: the paths under which a log's tiles and entries are served, and the entry bundle format.

import { KitError } from './error.ts'
import { TILE_WIDTH, type TileRef } from './tile-tree.ts'

export type TilePath =
  | ({ readonly kind: 'hash' } & TileRef)
  | { readonly kind: 'entries'; readonly index: number; readonly width: number }

export const MAX_ENTRY_BYTES = 65_535

const MAX_LEVEL = 63
const MAX_PATH_CHARS = 64
const LENGTH_BYTES = 2

/** `tile/<L>/<N>[.p/<W>]`, without a leading slash. Throws KitError `range`. */
export function tilePath({ level, index, width }: TileRef): string {
  if (!Number.isInteger(level) || level < 0 || level > MAX_LEVEL) {
    throw new KitError('range', `there is no tile level ${level}`)
  }
  return `tile/${level}/${spellIndex(index)}${spellWidth(width)}`
}

/** `tile/entries/<N>[.p/<W>]`, without a leading slash. Throws KitError `range`. */
export function entriesPath(index: number, width: number): string {
  return `tile/entries/${spellIndex(index)}${spellWidth(width)}`
}

/** What a path names, or undefined unless `tilePath` or `entriesPath` would spell it exactly so. */
export function parseTilePath(path: string): TilePath | undefined {
  if (path.length > MAX_PATH_CHARS) return undefined
  const match = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(path)
  const [, level = '', digits = '', partial] = match ?? []
  const index = Number(digits.replaceAll(/[x/]/g, ''))
  const width = partial === undefined ? TILE_WIDTH : Number(partial)
  if (!match || !isIndex(index) || !isWidth(width)) return undefined
  const named: TilePath =
    level === 'entries'
      ? { kind: 'entries', index, width }
      : { kind: 'hash', level: Number(level), index, width }
  if (named.kind === 'hash' && named.level > MAX_LEVEL) return undefined
  // Leading zeroes, x000 and .p/256 are other spellings of the same tile.
  return spell(named) === path ? named : undefined
}

/** The bundle of 1 to 256 leaves: each after its length as uint16 BE. Throws KitError `entry` and `entries`. */
export function encodeEntries(leaves: readonly Uint8Array[]): Uint8Array {
  if (!isWidth(leaves.length)) throw new KitError('entries', `a bundle holds 1 to ${TILE_WIDTH} entries`)
  const bytes = Buffer.alloc(leaves.reduce((sum, leaf) => sum + LENGTH_BYTES + leaf.length, 0))
  let at = 0
  for (const leaf of leaves) {
    if (leaf.length > MAX_ENTRY_BYTES)
      throw new KitError('entry', `an entry has at most ${MAX_ENTRY_BYTES} bytes`)
    at = bytes.writeUInt16BE(leaf.length, at)
    bytes.set(leaf, at)
    at += leaf.length
  }
  return bytes
}

/** The leaves of a bundle, as views into `bytes`. Throws KitError `entries` where it is cut off, empty or too long. */
export function decodeEntries(bytes: Uint8Array): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const leaves: Uint8Array[] = []
  let at = 0
  while (at < bytes.length) {
    if (at + LENGTH_BYTES > bytes.length) throw new KitError('entries', 'the bundle ends inside a length')
    const start = at + LENGTH_BYTES
    at = start + view.getUint16(at)
    if (at > bytes.length) throw new KitError('entries', 'the bundle ends inside an entry')
    leaves.push(bytes.subarray(start, at))
    if (leaves.length > TILE_WIDTH)
      throw new KitError('entries', `the bundle holds over ${TILE_WIDTH} entries`)
  }
  if (leaves.length === 0) throw new KitError('entries', 'the bundle is empty')
  return leaves
}

const isIndex = (index: number): boolean => Number.isSafeInteger(index) && index >= 0
const isWidth = (width: number): boolean => Number.isInteger(width) && width >= 1 && width <= TILE_WIDTH

function spell(path: TilePath): string {
  return path.kind === 'hash' ? tilePath(path) : entriesPath(path.index, path.width)
}

// "zero-padded 3-digit path elements. All but the last path element MUST begin with an x": 1234067 is x001/x234/067.
function spellIndex(index: number): string {
  if (!isIndex(index)) throw new KitError('range', `there is no tile index ${index}`)
  let spelled = String(index % 1000).padStart(3, '0')
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    spelled = `x${String(rest % 1000).padStart(3, '0')}/${spelled}`
  }
  return spelled
}

function spellWidth(width: number): string {
  if (!isWidth(width)) throw new KitError('range', `there is no tile width ${width}`)
  return width === TILE_WIDTH ? '' : `.p/${width}`
}
