// The pruned beginning of a log: its inner hashes, the entries kept of it as evidence, and the signed reason why the rest is gone.

import { Buffer } from 'node:buffer'
import { nodeHash } from '../../../kit/merkle.ts'
import { type CompletedNode, TILE_WIDTH, type TileRef, TreeEdge } from '../../../kit/tile-tree.ts'
import { parseProof } from '../../../kit/tlog-proof.ts'
import { type KeptEntry, LogPruned, type Pruning } from '../../log/pruning.ts'
import type { LogSource } from '../sources/port.ts'
import { type CheckedEntry, checkEntry } from './entry.ts'
import { asFinding, failed } from './failure.ts'

/** Hashes as the source stores them. */
export interface Hashes {
  /** Hash `index` of `level`. */
  hash(level: number, index: number): Promise<Uint8Array>
  /** The first `width` hashes of a tile. */
  tile(ref: TileRef): Promise<Uint8Array>
  /** Throws `verify.failed` with reason `node` where the stored hash is another one. */
  compare(node: CompletedNode): Promise<void>
}

/** A kept entry that stands in the log. */
export interface CheckedKept extends CheckedEntry {
  readonly seq: number
}

/**
 * The right edge of the tree at the minimum index. Every stored inner hash above the pruned leaves follows from
 * those of level 1, and those are bound by the root of each checkpoint, which the edge grows towards.
 */
export async function prunedEdge(minimumIndex: number, stored: Hashes): Promise<TreeEdge> {
  if (minimumIndex % TILE_WIDTH !== 0)
    throw failed('pruned', `${minimumIndex} is no minimum index of this log: whole tiles are pruned`)
  // The hashes of level 1 as leaves: what they complete at level n is stored at level n + 1.
  const above = await TreeEdge.open(0, async () => [])
  for (let index = 0; index < minimumIndex / TILE_WIDTH; index++) {
    above.append(await stored.hash(1, index))
    for (const { level, ...node } of above.takeCompleted())
      await stored.compare({ level: level + 1, ...node })
  }
  return TreeEdge.open(minimumIndex, (refs) => Promise.all(refs.map((ref) => stored.tile(ref))))
}

/**
 * The kept entries in order, each proven: the first eight hashes of its tlog-proof lead from it to the stored hash
 * over its tile, whichever key signed the checkpoint under which it was kept.
 */
export async function checkKept(
  { kept = [] }: Pick<LogSource, 'kept'>,
  minimumIndex: number,
  stored: Hashes,
): Promise<CheckedKept[]> {
  const checked: CheckedKept[] = []
  for (const each of kept) {
    const { seq } = each
    const last = checked.at(-1)?.seq ?? -1
    if (!Number.isSafeInteger(seq) || seq <= last || seq >= minimumIndex)
      throw failed('pruned', `entry ${seq} is not one that can be kept here`, { seq })
    const entry = checkEntry({ seq, bytes: Buffer.from(each.text) })
    const tile = tileHash(each, entry.leaf)
    if (Buffer.compare(tile, await stored.hash(1, Math.floor(seq / TILE_WIDTH))) !== 0)
      throw failed('pruned', `the kept entry ${seq} is not the one that stood in the log`, { seq })
    checked.push({ seq, ...entry })
  }
  return checked
}

const TILE_HEIGHT = 8

function tileHash({ seq, proof }: KeptEntry, leaf: Uint8Array): Uint8Array {
  const { index, hashes } = proofOf(seq, proof)
  if (index !== seq || hashes.length < TILE_HEIGHT)
    throw failed('pruned', `the proof of the kept entry ${seq} is another one's`, { seq })
  return hashes
    .slice(0, TILE_HEIGHT)
    .reduce(
      (hash, sibling, height) =>
        Math.floor(seq / 2 ** height) % 2 === 1 ? nodeHash(sibling, hash) : nodeHash(hash, sibling),
      leaf,
    )
}

function proofOf(seq: number, proof: string) {
  try {
    return parseProof(proof)
  } catch (error) {
    throw asFinding(error, 'pruned', { seq })
  }
}

/** Listens to the entries for the announcement that explains what is missing. */
export class Announcements {
  #newest: Pruning | undefined

  hear({ type, event }: Pick<CheckedEntry, 'type' | 'event'>): void {
    if (type === LogPruned.name) this.#newest = event.data as Pruning
  }

  /** Without it, whoever shows the log could leave out any beginning and call it pruned. */
  require(minimumIndex: number, kept: readonly CheckedKept[]): void {
    if (minimumIndex === 0) return
    const { minimumIndex: announced, kept: promised } = this.#newest ?? {}
    if (typeof announced !== 'number' || announced < minimumIndex)
      throw failed(
        'pruned',
        `entries below ${minimumIndex} are missing, and nothing in the log says that they were pruned`,
        { seq: 0, minimumIndex },
      )
    const shown = new Set(kept.map(({ seq }) => seq))
    for (const seq of Array.isArray(promised) ? promised : [])
      if (seq < minimumIndex && !shown.has(seq))
        throw failed('pruned', `entry ${seq} was to be kept as evidence, and is missing`, { seq })
  }
}
