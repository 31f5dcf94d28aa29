// What others have seen of our own log, held against the log itself. Only a note that we signed speaks against us.

import { Buffer } from 'node:buffer'
import { type ReadTiles, treeRoot } from '../../kit/tile-tree.ts'
import { asPolityError, PolityError } from '../errors.ts'
import type { SignedCheckpoint } from './evidence.ts'

/** Our log as it is stored, published or not. */
export interface OwnLog {
  readonly origin: string
  size(): Promise<number>
  readonly readTiles: ReadTiles
}

export type Standing =
  /** What was seen is a beginning of our log. */
  | 'ours'
  /** We signed more than we have: our log was rolled back. */
  | 'ahead'
  /** We signed another history. */
  | 'forked'
  /** The entries in question were pruned, so nothing can be said. */
  | 'unknown'

/** Throws what the store throws. */
export async function standingOf(own: OwnLog, { checkpoint }: SignedCheckpoint): Promise<Standing> {
  if (checkpoint.origin !== own.origin)
    throw new PolityError('witness.misbehaved', 'the checkpoint is one of another log')
  if (checkpoint.size > (await own.size())) return 'ahead'
  try {
    const root = await treeRoot(checkpoint.size, own.readTiles)
    return Buffer.compare(root, checkpoint.root) === 0 ? 'ours' : 'forked'
  } catch (error) {
    if (asPolityError(error).code === 'log.pruned') return 'unknown'
    throw error
  }
}
