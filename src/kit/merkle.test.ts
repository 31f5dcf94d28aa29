// Merkle proofs against Certificate Transparency's classic tree, the published vector files, and every single flipped bit.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { consistencyPath, inclusionPath, rootOf } from './fixtures/naive-tree.ts'
import { EMPTY_ROOT, leafHash, nodeHash, verifyConsistency, verifyInclusion } from './merkle.ts'

const VECTORS = resolve(
  process.env.POLITY_VECTORS ?? resolve(import.meta.dirname, '../../../shared/vectors'),
  'merkle',
)
const hasVectors = existsSync(VECTORS)
if (!hasVectors)
  console.warn(`NOT RUN: the published Merkle vectors are not at ${VECTORS} (set POLITY_VECTORS)`)

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const unhex = (text: string): Uint8Array => Buffer.from(text, 'hex')
const base64 = (text: string): Uint8Array => Buffer.from(text, 'base64')

// The eight leaves and roots that Certificate Transparency implementations have shared since RFC 6962.
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
]
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

describe('hashing', () => {
  it('knows the empty tree and the classic eight leaves', () => {
    expect(hex(EMPTY_ROOT)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    const leaves = LEAVES.map((leaf) => leafHash(unhex(leaf)))
    ROOTS.forEach((root, i) => {
      expect(hex(rootOf(leaves.slice(0, i + 1)))).toBe(root)
    })
  })

  it('tells a leaf from a node', () => {
    const [a, b] = [leafHash(unhex('00')), leafHash(unhex('01'))]
    expect(nodeHash(a, b)).not.toEqual(leafHash(Buffer.concat([a, b])))
  })

  it('makes nodes of hashes only', () => {
    expect(() => nodeHash(EMPTY_ROOT, new Uint8Array(31))).toThrow(expect.objectContaining({ code: 'hash' }))
    expect(() => nodeHash(new Uint8Array(33), EMPTY_ROOT)).toThrow(expect.objectContaining({ code: 'hash' }))
  })
})

describe.skipIf(!hasVectors)('published vectors', () => {
  it.each(vectors('inclusion'))('inclusion %s', (_path, v) => {
    const proof = (v.proof ?? []).map(base64)
    const claim = {
      index: v.leafIdx,
      size: v.treeSize,
      leaf: base64(v.leafHash),
      proof,
      root: base64(v.root),
    }
    expect(verifyInclusion(claim)).toBe(!v.wantErr)
  })

  it.each(vectors('consistency'))('consistency %s', (_path, v) => {
    const proof = (v.proof ?? []).map(base64)
    const claim = { size1: v.size1, size2: v.size2, root1: base64(v.root1), root2: base64(v.root2), proof }
    expect(verifyConsistency(claim)).toBe(!v.wantErr)
  })

  it('are all there', () => {
    expect(vectors('inclusion')).toHaveLength(98)
    expect(vectors('consistency')).toHaveLength(98)
  })
})

const tree = Array.from({ length: 70 }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)))
const rootAt = (size: number): Uint8Array => rootOf(tree.slice(0, size))
const claimOf = (index: number, size: number) => ({
  index,
  size,
  leaf: tree[index] as Uint8Array,
  proof: inclusionPath(index, tree.slice(0, size)),
  root: rootAt(size),
})

const sizes = fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 70 }))

describe('verifyInclusion', () => {
  it('accepts every leaf of every size, and no other index or size', () => {
    for (let size = 1; size <= 40; size++) {
      for (let index = 0; index < size; index++) {
        const claim = claimOf(index, size)
        expect(verifyInclusion(claim)).toBe(true)
        expect(verifyInclusion({ ...claim, index: index + 1 })).toBe(false)
        expect(verifyInclusion({ ...claim, index: index - 1 })).toBe(false)
      }
    }
  })

  it('rejects any flipped bit and any proof too short or too long', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), ([a, b], which, bit) => {
        const claim = claimOf(Math.min(a, b) - 1, Math.max(a, b))
        const parts = [claim.leaf, claim.root, ...claim.proof]
        const flipped = parts.map((part, i) => (i === which % parts.length ? flip(part, bit) : part))
        const [leaf, root, ...proof] = flipped as [Uint8Array, Uint8Array, ...Uint8Array[]]
        expect(verifyInclusion({ ...claim, leaf, root, proof })).toBe(false)
        expect(verifyInclusion({ ...claim, proof: [...claim.proof, claim.leaf] })).toBe(false)
        if (claim.proof.length > 0)
          expect(verifyInclusion({ ...claim, proof: claim.proof.slice(1) })).toBe(false)
      }),
    )
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])(
    'rejects %d as a size or an index',
    (n) => {
      expect(verifyInclusion({ ...claimOf(2, 5), size: n })).toBe(false)
      expect(verifyInclusion({ ...claimOf(2, 5), index: n })).toBe(false)
    },
  )

  it('handles sizes beyond 32 bits', () => {
    const size = 2 ** 40 + 1
    const [left, leaf] = [leafHash(unhex('aa')), leafHash(unhex('bb'))]
    const claim = { index: 2 ** 40, size, leaf, proof: [left], root: nodeHash(left, leaf) }
    expect(verifyInclusion(claim)).toBe(true)
    expect(verifyInclusion({ ...claim, index: 0 })).toBe(false)
  })
})

describe('verifyConsistency', () => {
  const claimBetween = (size1: number, size2: number) => ({
    size1,
    size2,
    root1: rootAt(size1),
    root2: rootAt(size2),
    proof: consistencyPath(size1, tree.slice(0, size2)),
  })

  it('accepts every pair of sizes', () => {
    for (let size2 = 1; size2 <= 40; size2++) {
      for (let size1 = 1; size1 <= size2; size1++) {
        expect(verifyConsistency(claimBetween(size1, size2))).toBe(true)
      }
    }
  })

  it('rejects any flipped bit, swapped sizes and proofs too short or too long', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), ([a, b], which, bit) => {
        const claim = claimBetween(Math.min(a, b), Math.max(a, b))
        const parts = [claim.root1, claim.root2, ...claim.proof]
        const flipped = parts.map((part, i) => (i === which % parts.length ? flip(part, bit) : part))
        const [root1, root2, ...proof] = flipped as [Uint8Array, Uint8Array, ...Uint8Array[]]
        expect(verifyConsistency({ ...claim, root1, root2, proof })).toBe(false)
        expect(verifyConsistency({ ...claim, proof: [...claim.proof, claim.root1] })).toBe(false)
        if (claim.proof.length > 0)
          expect(verifyConsistency({ ...claim, proof: claim.proof.slice(1) })).toBe(false)
        if (a !== b)
          expect(verifyConsistency({ ...claim, size1: claim.size2, size2: claim.size1 })).toBe(false)
      }),
    )
  })

  it('proves nothing about an empty tree', () => {
    const claim = { size1: 0, size2: 0, root1: EMPTY_ROOT, root2: EMPTY_ROOT, proof: [] }
    expect(verifyConsistency(claim)).toBe(false)
    expect(verifyConsistency({ ...claim, size2: 1, root2: rootAt(1) })).toBe(false)
  })
})

interface Vector {
  readonly leafIdx: number
  readonly treeSize: number
  readonly leafHash: string
  readonly root: string
  readonly size1: number
  readonly size2: number
  readonly root1: string
  readonly root2: string
  readonly proof: readonly string[] | null
  readonly wantErr: boolean
}

function vectors(kind: 'inclusion' | 'consistency'): [string, Vector][] {
  if (!hasVectors) return []
  const files = readdirSync(join(VECTORS, kind), { recursive: true, encoding: 'utf8' })
  return files
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => [file, JSON.parse(readFileSync(join(VECTORS, kind, file), 'utf8')) as Vector])
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = new Uint8Array(bytes)
  const at = Math.floor(bit / 8) % copy.length
  copy[at] = (copy[at] as number) ^ (1 << (bit % 8))
  return copy
}
