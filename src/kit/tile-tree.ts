// A Merkle tree kept as C2SP tlog-tiles: its root, its proofs, and its growing right edge.

import { KitError } from './error.ts'
import { EMPTY_ROOT, HASH_SIZE_BYTES, nodeHash } from './merkle.ts'

/**
 * The first `width` (1 to 256) hashes of tile `index` at `level`. Entry i of tile (L, N) is the root of
 * the full tile (L - 1, 256 N + i); at level 0 it is the hash of leaf 256 N + i.
 */
export interface TileRef {
  readonly level: number
  readonly index: number
  readonly width: number
}

/** Fetches tiles in the order asked; each answer holds exactly `width` * 32 bytes. */
export type ReadTiles = (refs: readonly TileRef[]) => Promise<Uint8Array[]>

/** A hash of level >= 1 that exists because the full tile (level - 1, index) does. */
export interface CompletedNode {
  readonly level: number
  readonly index: number
  readonly hash: Uint8Array
}

/**
 * Hashes of complete subtrees that were computed before. They never change, so a reader that makes
 * many proofs keeps them; the oldest leave first.
 */
export class NodeCache {
  readonly #hashes = new Map<string, Uint8Array>()
  readonly #sizeMax: number

  constructor(sizeMax = 16_384) {
    this.#sizeMax = sizeMax
  }

  get({ height, index }: Node): Uint8Array | undefined {
    return this.#hashes.get(`${height}/${index}`)
  }

  set({ height, index }: Node, hash: Uint8Array): void {
    if (this.#hashes.size >= this.#sizeMax) {
      const [oldest] = this.#hashes.keys()
      this.#hashes.delete(oldest as string)
    }
    this.#hashes.set(`${height}/${index}`, hash)
  }
}

export const TILE_WIDTH = 256
const TILE_HEIGHT = 8
// About 4 million tiles: the list of a log of a thousand million leaves. Larger logs are walked level by level.
const MAX_LISTED_TILES = 2 ** 22

/** The root of the first `size` leaves. Throws KitError `range` and `tile` (a tile of the wrong length). */
export async function treeRoot(size: number, read: ReadTiles): Promise<Uint8Array> {
  checkSize(size)
  if (size === 0) return EMPTY_ROOT
  const [root] = await hashRanges([{ start: 0, end: size }], size, read)
  return root as Uint8Array
}

/**
 * The proof that leaf `index` is in the tree of `size` leaves, from the leaf's sibling upwards
 * (RFC 6962 section 2.1.1). Throws KitError `range` and `tile`.
 */
export async function inclusionProof(
  index: number,
  size: number,
  read: ReadTiles,
  known?: NodeCache,
): Promise<Uint8Array[]> {
  checkSize(size)
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new KitError('range', `the tree of size ${size} has no leaf ${index}`)
  }
  return hashRanges(inclusionRanges(index, size), size, read, known)
}

/**
 * The proof that the tree of `size2` leaves extends the one of `size1` (RFC 6962 section 2.1.2), empty
 * for equal sizes. Throws KitError `range` (also for size1 = 0, about which nothing can be proven) and `tile`.
 */
export async function consistencyProof(
  size1: number,
  size2: number,
  read: ReadTiles,
  known?: NodeCache,
): Promise<Uint8Array[]> {
  checkSize(size1)
  checkSize(size2)
  if (size1 === 0 || size1 > size2) {
    throw new KitError('range', `there is no consistency proof from size ${size1} to ${size2}`)
  }
  return hashRanges(consistencyRanges(size1, size2), size2, read, known)
}

/** Every tile of a tree of `size` leaves, full and partial, from level 0 up. Throws KitError `range`. */
export function tilesOfSize(size: number): TileRef[] {
  checkSize(size)
  if (size / TILE_WIDTH > MAX_LISTED_TILES) throw new KitError('range', 'the tree has too many tiles to list')
  const tiles: TileRef[] = []
  for (let level = 0, nodes = size; nodes > 0; level++, nodes = Math.floor(nodes / TILE_WIDTH)) {
    for (let index = 0; index * TILE_WIDTH < nodes; index++) {
      tiles.push({ level, index, width: Math.min(TILE_WIDTH, nodes - index * TILE_WIDTH) })
    }
  }
  return tiles
}

/**
 * The right edge of a growing tree: one hash per complete subtree that waits for its sibling, so a leaf
 * costs one hash on average and a root at most 52. Owned by one writer; nothing here is shared
 * except the hashes themselves, which nobody may change once appended.
 */
export class TreeEdge {
  // #waiting[h] is the root of a complete subtree of height h exactly where bit h of #size is 1.
  readonly #waiting: (Uint8Array | undefined)[]
  #size: number
  #completed: CompletedNode[]

  private constructor(size: number, waiting: (Uint8Array | undefined)[], completed: CompletedNode[]) {
    this.#size = size
    this.#waiting = waiting
    this.#completed = completed
  }

  /** The edge of a stored tree. Throws KitError `range` and `tile`. */
  static async open(size: number, read: ReadTiles): Promise<TreeEdge> {
    checkSize(size)
    const nodes = completeNodes({ start: 0, end: size })
    const hashes = await hashNodes(nodes, size, read)
    const waiting: (Uint8Array | undefined)[] = []
    nodes.forEach(({ height }, i) => {
      waiting[height] = hashes[i]
    })
    return new TreeEdge(size, waiting, [])
  }

  get size(): number {
    return this.#size
  }

  /** Adds the hash of the next leaf. Throws KitError `hash` where it has not 32 bytes. */
  append(leafHash: Uint8Array): void {
    if (leafHash.length !== HASH_SIZE_BYTES) throw new KitError('hash', 'a leaf hash has 32 bytes')
    const size = this.#size + 1
    let node = leafHash
    let height = 0
    for (let left = this.#waiting[0]; left !== undefined; left = this.#waiting[height]) {
      node = nodeHash(left, node)
      this.#waiting[height] = undefined
      height += 1
      if (height % TILE_HEIGHT === 0) {
        this.#completed.push({ level: height / TILE_HEIGHT, index: size / 2 ** height - 1, hash: node })
      }
    }
    this.#waiting[height] = node
    this.#size = size
  }

  root(): Uint8Array {
    let root: Uint8Array | undefined
    for (const node of this.#waiting) {
      if (node !== undefined) root = root === undefined ? node : nodeHash(node, root)
    }
    return root ?? EMPTY_ROOT
  }

  /** The hashes above level 0 that came into being since the last call, in the order of their making. */
  takeCompleted(): CompletedNode[] {
    const completed = this.#completed
    this.#completed = []
    return completed
  }

  /** An independent copy, for a writer that may have to take back what it appends. */
  clone(): TreeEdge {
    return new TreeEdge(this.#size, this.#waiting.slice(), this.#completed.slice())
  }
}

/** Leaves [start, end) where they form one subtree of RFC 6962's recursion. */
interface Range {
  readonly start: number
  readonly end: number
}

/** The complete subtree over leaves [index * 2^height, (index + 1) * 2^height). */
export interface Node {
  readonly height: number
  readonly index: number
}

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new KitError('range', `${size} is not a tree size`)
}

// PATH of RFC 6962 section 2.1.1, walked from the root down and turned around.
function inclusionRanges(index: number, size: number): Range[] {
  const siblings: Range[] = []
  let start = 0
  let end = size
  while (end - start > 1) {
    const middle = start + powerBelow(end - start)
    if (index < middle) {
      siblings.push({ start: middle, end })
      end = middle
    } else {
      siblings.push({ start, end: middle })
      start = middle
    }
  }
  return siblings.reverse()
}

// SUBPROOF of RFC 6962 section 2.1.2, walked from the root down and turned around.
function consistencyRanges(size1: number, size2: number): Range[] {
  const ranges: Range[] = []
  let start = 0
  let end = size2
  while (size1 !== end) {
    const middle = start + powerBelow(end - start)
    if (size1 <= middle) {
      ranges.push({ start: middle, end })
      end = middle
    } else {
      ranges.push({ start, end: middle })
      start = middle
    }
  }
  // With start = 0 what is left is the first tree itself, whose root the verifier has.
  if (start > 0) ranges.push({ start, end })
  return ranges.reverse()
}

/** The largest power of two smaller than n, for n >= 2. */
function powerBelow(n: number): number {
  let power = 1
  while (power * 2 < n) power *= 2
  return power
}

async function hashRanges(
  ranges: readonly Range[],
  size: number,
  read: ReadTiles,
  known?: NodeCache,
): Promise<Uint8Array[]> {
  const nodesOfRanges = ranges.map(completeNodes)
  const hashes = await hashNodes(nodesOfRanges.flat(), size, read, known)
  let at = 0
  return nodesOfRanges.map((nodes) => {
    const parts = hashes.slice(at, at + nodes.length)
    at += nodes.length
    return parts.reduceRight((right, left) => nodeHash(left, right))
  })
}

/** The complete subtrees that make up a range, from left to right, that is from high to low. */
function completeNodes({ start, end }: Range): Node[] {
  const nodes: Node[] = []
  for (let at = start; at < end; ) {
    // Counted, because Math.log2 rounds up for sizes just below a large power of two.
    let height = 0
    while (2 ** (height + 1) <= end - at) height += 1
    nodes.push({ height, index: at / 2 ** height })
    at += 2 ** height
  }
  return nodes
}

async function hashNodes(
  nodes: readonly Node[],
  size: number,
  read: ReadTiles,
  known?: NodeCache,
): Promise<Uint8Array[]> {
  // Taken at once: what is set below may push out what was found here.
  const found = nodes.map((node) => known?.get(node))
  const tiles = await readTilesOf(
    nodes.filter((_, i) => found[i] === undefined),
    size,
    read,
  )
  return nodes.map((node, i) => {
    const before = found[i]
    if (before !== undefined) return before
    const hash = hashInTile(node, tiles.get(tileKey(tileOf(node, size))) as Uint8Array)
    known?.set(node, hash)
    return hash
  })
}

async function readTilesOf(
  nodes: readonly Node[],
  size: number,
  read: ReadTiles,
): Promise<Map<string, Uint8Array>> {
  const refs = new Map<string, TileRef>()
  for (const node of nodes) {
    const ref = tileOf(node, size)
    refs.set(tileKey(ref), ref)
  }
  const wanted = [...refs.values()]
  const answers = wanted.length === 0 ? [] : await read(wanted)
  const tiles = new Map<string, Uint8Array>()
  wanted.forEach((ref, i) => {
    const tile = answers[i]
    if (tile?.length !== ref.width * HASH_SIZE_BYTES) {
      throw new KitError('tile', `tile ${tileKey(ref)} has not ${ref.width} hashes`)
    }
    tiles.set(tileKey(ref), tile)
  })
  return tiles
}

const tileKey = ({ level, index }: TileRef): string => `${level}/${index}`

/** The tile whose entries make up a node, as wide as the tree of `size` leaves has it. */
function tileOf({ height, index }: Node, size: number): TileRef {
  const level = Math.floor(height / TILE_HEIGHT)
  const tile = Math.floor((index * 2 ** (height % TILE_HEIGHT)) / TILE_WIDTH)
  const nodesOfLevel = Math.floor(size / TILE_WIDTH ** level)
  return { level, index: tile, width: Math.min(TILE_WIDTH, nodesOfLevel - tile * TILE_WIDTH) }
}

function hashInTile({ height, index }: Node, tile: Uint8Array): Uint8Array {
  const count = 2 ** (height % TILE_HEIGHT)
  const first = (index * count) % TILE_WIDTH
  let hashes: Uint8Array[] = []
  for (let i = first; i < first + count; i++) {
    hashes.push(tile.subarray(i * HASH_SIZE_BYTES, (i + 1) * HASH_SIZE_BYTES))
  }
  while (hashes.length > 1) hashes = pairUp(hashes)
  // A copy, because the hash outlives the tile, whose memory belongs to the reader.
  return new Uint8Array(hashes[0] as Uint8Array)
}

function pairUp(hashes: readonly Uint8Array[]): Uint8Array[] {
  const parents: Uint8Array[] = []
  for (let i = 0; i < hashes.length; i += 2) {
    parents.push(nodeHash(hashes[i] as Uint8Array, hashes[i + 1] as Uint8Array))
  }
  return parents
}
