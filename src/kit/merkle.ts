// Merkle tree hashing and proof checking of RFC 6962 section 2.1 and RFC 9162 section 2.1 over SHA-256.

import { hash } from 'node:crypto'
import { KitError } from './error.ts'

export const HASH_SIZE_BYTES = 32

/** The root of the tree without leaves: SHA-256 of nothing (RFC 6962 section 2.1). */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0))

const LEAF_PREFIX = 0x00
const NODE_PREFIX = 0x01

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer')
}

/** SHA-256(0x00 || bytes). */
export function leafHash(bytes: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(1 + bytes.length)
  input[0] = LEAF_PREFIX
  input.set(bytes, 1)
  return sha256(input)
}

// Reused by nodeHash, which never yields between filling and hashing it.
const nodeInput = Buffer.alloc(1 + 2 * HASH_SIZE_BYTES, NODE_PREFIX)

/** SHA-256(0x01 || left || right); both are 32 bytes. Throws KitError `hash` where they are not. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== HASH_SIZE_BYTES || right.length !== HASH_SIZE_BYTES) {
    throw new KitError('hash', 'a node is made of two hashes of 32 bytes')
  }
  nodeInput.set(left, 1)
  nodeInput.set(right, 1 + HASH_SIZE_BYTES)
  return sha256(nodeInput)
}

export interface InclusionClaim {
  readonly index: number
  readonly size: number
  readonly leaf: Uint8Array
  readonly proof: readonly Uint8Array[]
  readonly root: Uint8Array
}

/** Whether `leaf` (a leaf hash) is at `index` of the tree of `size` leaves with `root` (RFC 9162 section 2.1.3.2). */
export function verifyInclusion({ index, size, leaf, proof, root }: InclusionClaim): boolean {
  if (!isCount(index) || !isCount(size) || index >= size) return false
  if (leaf.length !== HASH_SIZE_BYTES || !areHashes(proof)) return false
  let fn = index
  let sn = size - 1
  let r = leaf
  for (const p of proof) {
    if (sn === 0) return false
    if (isOdd(fn) || fn === sn) {
      r = nodeHash(p, r)
      while (!isOdd(fn) && fn !== 0) {
        fn = half(fn)
        sn = half(sn)
      }
    } else {
      r = nodeHash(r, p)
    }
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 && areEqual(r, root)
}

export interface ConsistencyClaim {
  readonly size1: number
  readonly size2: number
  readonly root1: Uint8Array
  readonly root2: Uint8Array
  readonly proof: readonly Uint8Array[]
}

/**
 * Whether the tree of `size2` leaves extends the one of `size1` (RFC 9162 section 2.1.4.2).
 * Nothing can be proven about an empty tree, so `size1 = 0` is always refused.
 */
export function verifyConsistency({ size1, size2, root1, root2, proof }: ConsistencyClaim): boolean {
  if (!isCount(size1) || !isCount(size2) || size1 === 0 || size1 > size2) return false
  if (size1 === size2) return proof.length === 0 && areEqual(root1, root2)
  if (proof.length === 0 || !areHashes(proof)) return false
  let fn = size1 - 1
  let sn = size2 - 1
  while (isOdd(fn)) {
    fn = half(fn)
    sn = half(sn)
  }
  // fn = 0 here means that size1 is a power of two: its root is itself the first node of the path.
  const path = fn === 0 ? [root1, ...proof] : proof
  if (!areHashes(path)) return false
  return climbConsistency(fn, sn, path, root1, root2)
}

function climbConsistency(
  start: number,
  startLast: number,
  path: readonly Uint8Array[],
  root1: Uint8Array,
  root2: Uint8Array,
): boolean {
  let fn = start
  let sn = startLast
  let fr = path[0] as Uint8Array
  let sr = fr
  for (let i = 1; i < path.length; i++) {
    const c = path[i] as Uint8Array
    if (sn === 0) return false
    if (isOdd(fn) || fn === sn) {
      fr = nodeHash(c, fr)
      sr = nodeHash(c, sr)
      while (!isOdd(fn) && fn !== 0) {
        fn = half(fn)
        sn = half(sn)
      }
    } else {
      sr = nodeHash(sr, c)
    }
    fn = half(fn)
    sn = half(sn)
  }
  return sn === 0 && areEqual(fr, root1) && areEqual(sr, root2)
}

// Sizes go up to 2^53 - 1, beyond the 32 bits of JavaScript's bitwise operators.
const isOdd = (n: number): boolean => n % 2 === 1
const half = (n: number): number => Math.floor(n / 2)
const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0
const areHashes = (hashes: readonly Uint8Array[]): boolean =>
  hashes.every((h) => h.length === HASH_SIZE_BYTES)

// Roots and proofs are public, so comparing them need not take constant time.
function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
