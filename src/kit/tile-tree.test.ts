// Tiled trees against the recursions of RFC 6962, at sizes up to the specification's example of 70,000 leaves.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coded } from './codes.fixture.ts'
import { consistencyPath, inclusionPath, rootOf } from './fixtures/naive-tree.ts'
import { EMPTY_ROOT, leafHash, nodeHash, verifyConsistency, verifyInclusion } from './merkle.ts'
import {
  type CompletedNode,
  consistencyProof,
  inclusionProof,
  type ReadTiles,
  type TileRef,
  TreeEdge,
  tilesOfSize,
  treeRoot,
} from './tile-tree.ts'

const LEAF_COUNT = 70_000
const leaves = Array.from({ length: LEAF_COUNT }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)))

// Entry i of level L is the root of the leaves [i * 256^L, (i + 1) * 256^L), straight from the definition of tlog-tiles.
const levels: Uint8Array[][] = [leaves]
for (let span = 256; span <= LEAF_COUNT; span *= 256) {
  const count = Math.floor(LEAF_COUNT / span)
  levels.push(Array.from({ length: count }, (_, i) => rootOf(leaves.slice(i * span, (i + 1) * span))))
}

function tile({ level, index, width }: TileRef): Uint8Array {
  const hashes = (levels[level] ?? []).slice(index * 256, index * 256 + width)
  if (hashes.length !== width)
    throw new Error(`asked for a tile that the tree does not have: ${level}/${index}`)
  return Buffer.concat(hashes)
}

const read: ReadTiles = async (refs) => refs.map(tile)

/** A reader of a tree of `size` leaves that refuses any tile that such a tree does not have in just that width. */
function readOnly(size: number): ReadTiles {
  const known = new Set(tilesOfSize(size).map((ref) => JSON.stringify(ref)))
  return async (refs) => {
    expect(refs.filter((ref) => !known.has(JSON.stringify(ref)))).toEqual([])
    return refs.map(tile)
  }
}

const EDGES = [1, 2, 3, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 69_999, 70_000]
const sizes = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 2000 }) },
  { weight: 2, arbitrary: fc.constantFrom(...EDGES) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: LEAF_COUNT }) },
)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('tilesOfSize', () => {
  it('lists the tiles of 70,000 leaves as the specification counts them', () => {
    const tiles = tilesOfSize(70_000)
    const count = (level: number, isFull: boolean) =>
      tiles.filter((t) => t.level === level && (t.width === 256) === isFull).length
    expect([count(0, true), count(0, false)]).toEqual([273, 1])
    expect([count(1, true), count(1, false)]).toEqual([1, 1])
    expect([count(2, true), count(2, false)]).toEqual([0, 1])
    expect(tiles.filter((t) => t.width < 256).map((t) => [t.level, t.index, t.width])).toEqual([
      [0, 273, 112],
      [1, 1, 17],
      [2, 0, 1],
    ])
  })

  it('has no empty tile', () => {
    expect(tilesOfSize(0)).toEqual([])
    expect(tilesOfSize(256)).toEqual([
      { level: 0, index: 0, width: 256 },
      { level: 1, index: 0, width: 1 },
    ])
  })

  it('does not list what would not fit into memory', () => {
    expect(() => tilesOfSize(2 ** 40)).toThrow(coded('range'))
    expect(() => tilesOfSize(-1)).toThrow(coded('range'))
  })
})

describe('treeRoot', () => {
  it('is the Merkle tree hash, read from tiles of that size only', async () => {
    expect(hex(await treeRoot(0, read))).toBe(hex(EMPTY_ROOT))
    await fc.assert(
      fc.asyncProperty(sizes, async (size) => {
        expect(hex(await treeRoot(size, readOnly(size)))).toBe(hex(rootOf(leaves.slice(0, size))))
      }),
      { numRuns: 40 },
    )
  })

  it('reads each tile once, all of them in one request', async () => {
    const requests: number[] = []
    await inclusionProof(12_345, 70_000, async (refs) => {
      requests.push(refs.length)
      expect(new Set(refs.map((ref) => `${ref.level}/${ref.index}`)).size).toBe(refs.length)
      return refs.map(tile)
    })
    expect(requests).toHaveLength(1)
    expect(requests[0]).toBeLessThanOrEqual(6)
  })

  it('does not accept a tile that is cut, padded or missing', async () => {
    await expect(treeRoot(300, async (refs) => refs.map((r) => tile(r).subarray(1)))).rejects.toThrow(
      coded('tile'),
    )
    await expect(treeRoot(300, async (refs) => refs.map(() => new Uint8Array(9000)))).rejects.toThrow(
      coded('tile'),
    )
    await expect(treeRoot(300, async () => [])).rejects.toThrow(coded('tile'))
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('refuses the size %d', async (size) => {
    await expect(treeRoot(size, read)).rejects.toThrow(coded('range'))
  })
})

describe('proofs', () => {
  it('of inclusion are those of RFC 6962, and verify', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async (size, n) => {
        const index = n % size
        const part = leaves.slice(0, size)
        const proof = await inclusionProof(index, size, readOnly(size))
        expect(proof.map(hex)).toEqual(inclusionPath(index, part).map(hex))
        expect(
          verifyInclusion({ index, size, leaf: part[index] as Uint8Array, proof, root: rootOf(part) }),
        ).toBe(true)
      }),
      { numRuns: 25 },
    )
  })

  it('of consistency are those of RFC 6962, and verify', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (a, b) => {
        const [size1, size2] = [Math.min(a, b), Math.max(a, b)]
        const proof = await consistencyProof(size1, size2, readOnly(size2))
        expect(proof.map(hex)).toEqual(consistencyPath(size1, leaves.slice(0, size2)).map(hex))
        const [root1, root2] = [rootOf(leaves.slice(0, size1)), rootOf(leaves.slice(0, size2))]
        expect(verifyConsistency({ size1, size2, root1, root2, proof })).toBe(true)
      }),
      { numRuns: 25 },
    )
  })

  it('exist for leaves and sizes of the tree only', async () => {
    await expect(inclusionProof(5, 5, read)).rejects.toThrow(coded('range'))
    await expect(inclusionProof(-1, 5, read)).rejects.toThrow(coded('range'))
    await expect(inclusionProof(0.5, 5, read)).rejects.toThrow(coded('range'))
    await expect(inclusionProof(0, 0, read)).rejects.toThrow(coded('range'))
    await expect(consistencyProof(6, 5, read)).rejects.toThrow(coded('range'))
    await expect(consistencyProof(0, 5, read)).rejects.toThrow(coded('range'))
  })

  it('reach beyond 32 bits', async () => {
    // A tree of equal leaves: its tiles need no storage, and its levels one hash each.
    const byHeight = [leafHash(Buffer.from('same'))]
    for (let h = 1; h <= 53; h++)
      byHeight.push(nodeHash(byHeight[h - 1] as Uint8Array, byHeight[h - 1] as Uint8Array))
    const uniform: ReadTiles = async (refs) =>
      refs.map(({ level, width }) =>
        Buffer.concat(Array.from({ length: width }, () => byHeight[level * 8] as Uint8Array)),
      )
    const [size1, size2] = [2 ** 48 - 1, Number.MAX_SAFE_INTEGER]
    const [root1, root2] = [await treeRoot(size1, uniform), await treeRoot(size2, uniform)]
    const proof = await inclusionProof(size1, size2, uniform)
    expect(
      verifyInclusion({ index: size1, size: size2, leaf: byHeight[0] as Uint8Array, proof, root: root2 }),
    ).toBe(true)
    const consistency = await consistencyProof(size1, size2, uniform)
    expect(verifyConsistency({ size1, size2, root1, root2, proof: consistency })).toBe(true)
    expect(hex((await TreeEdge.open(size2, uniform)).root())).toBe(hex(root2))
  })
})

describe('TreeEdge', () => {
  const grow = (edge: TreeEdge, to: number): TreeEdge => {
    for (const leaf of leaves.slice(edge.size, to)) edge.append(leaf)
    return edge
  }

  it('has the root of every size on its way', async () => {
    const edge = await TreeEdge.open(0, read)
    expect(hex(edge.root())).toBe(hex(EMPTY_ROOT))
    for (let size = 1; size <= 600; size++) {
      grow(edge, size)
      expect(edge.size).toBe(size)
      expect(hex(edge.root())).toBe(hex(rootOf(leaves.slice(0, size))))
    }
  })

  it('can be opened at any size and goes on as if it had never been closed', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)]
        const edge = await TreeEdge.open(from, readOnly(from))
        expect(hex(edge.root())).toBe(hex(rootOf(leaves.slice(0, from))))
        expect(hex(grow(edge, to).root())).toBe(hex(rootOf(leaves.slice(0, to))))
      }),
      { numRuns: 20 },
    )
  })

  it('hands out every hash above level 0 exactly once, however it was stopped and opened', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(sizes, { maxLength: 6 }), async (stops) => {
        const taken: CompletedNode[] = []
        let edge = await TreeEdge.open(0, read)
        for (const [i, stop] of [...stops, LEAF_COUNT].sort((a, b) => a - b).entries()) {
          taken.push(...grow(edge, stop).takeCompleted())
          expect(edge.takeCompleted()).toEqual([])
          if (i % 2 === 1) edge = await TreeEdge.open(stop, read)
        }
        for (const level of [1, 2]) {
          const nodes = taken.filter((node) => node.level === level)
          expect(nodes.map((node) => node.index)).toEqual([...(levels[level] ?? []).keys()])
          expect(nodes.map((node) => hex(node.hash))).toEqual(levels[level]?.map(hex))
        }
        expect(taken.filter((node) => node.level > 2)).toEqual([])
      }),
      { numRuns: 4 },
    )
  })

  it('forgets what was appended to a clone', async () => {
    const edge = grow(await TreeEdge.open(0, read), 255)
    const before = hex(edge.root())
    const attempt = grow(edge.clone(), 300)
    expect(attempt.takeCompleted()).toHaveLength(1)
    expect([edge.size, hex(edge.root()), edge.takeCompleted()]).toEqual([255, before, []])
    expect(hex(grow(edge, 300).root())).toBe(hex(attempt.root()))
    expect(edge.clone().takeCompleted()).toHaveLength(1)
    expect(edge.takeCompleted()).toHaveLength(1)
  })

  it('keeps no memory of its reader', async () => {
    const lent: Uint8Array[] = []
    const edge = await TreeEdge.open(257, async (refs) => {
      lent.push(...refs.map(tile))
      return lent
    })
    for (const bytes of lent) bytes.fill(0)
    expect(hex(edge.root())).toBe(hex(rootOf(leaves.slice(0, 257))))
  })

  it('appends hashes only', async () => {
    const edge = await TreeEdge.open(0, read)
    expect(() => edge.append(new Uint8Array(31))).toThrow(coded('hash'))
    expect(edge.size).toBe(0)
  })

  it('cannot be opened on tiles of the wrong length', async () => {
    await expect(TreeEdge.open(300, async (refs) => refs.map(() => new Uint8Array(32)))).rejects.toThrow(
      coded('tile'),
    )
  })
})
