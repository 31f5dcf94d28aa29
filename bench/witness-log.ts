// A log that grows by one leaf and writes down what its witness needs to cosign that.

import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { keySigner } from '../src/kernel/log/signer.ts'
import { formatCheckpoint } from '../src/kit/checkpoint.ts'
import { formatVkey, signNote } from '../src/kit/signed-note.ts'
import { consistencyProof, type ReadTiles, TILE_WIDTH, TreeEdge } from '../src/kit/tile-tree.ts'
import { formatAddCheckpoint } from '../src/kit/tlog-witness.ts'

export interface BenchLog {
  readonly vkey: string
  /** One leaf more, as the body of add-checkpoint. */
  next(): Promise<string>
}

export function openBenchLog(origin: string): BenchLog {
  const signer = keySigner(origin, generateKeyPairSync('ed25519').privateKey)
  /** Hashes by level: the leaves, and above them one per full tile. */
  const levels: Uint8Array[][] = [[]]
  const read: ReadTiles = async (refs) =>
    refs.map(({ level, index, width }) =>
      Buffer.concat((levels[level] ?? []).slice(index * TILE_WIDTH, index * TILE_WIDTH + width)),
    )
  let edge: TreeEdge | undefined
  return {
    vkey: formatVkey(signer.key),
    async next() {
      edge ??= await TreeEdge.open(0, read)
      const old = edge.size
      const leaf = randomBytes(32)
      edge.append(leaf)
      levels[0]?.push(leaf)
      for (const { level, hash } of edge.takeCompleted()) {
        levels[level] ??= []
        levels[level].push(hash)
      }
      const size = edge.size
      const proof = old === 0 ? [] : await consistencyProof(old, size, read)
      const text = formatCheckpoint({ origin, size, root: edge.root() })
      return formatAddCheckpoint({ old, proof, checkpoint: signNote(text, signer.key, signer.sign) })
    },
  }
}
