// A log read from the folder of a hub that does not run: read-only, and only what was signed.

import { statSync } from 'node:fs'
import process from 'node:process'
import { dataSource } from '../../kernel/audit/sources/data.ts'
import type { ShownCheckpoint } from '../../kernel/audit/sources/sources.ts'
import { PolityError } from '../../kernel/errors.ts'
import { type Entry, parseEntry } from '../../kernel/log/entry.ts'
import { dataPaths } from '../../kernel/log/layout.ts'
import type { Published } from '../../kernel/log/proposal.ts'
import { openStored, type StoredPlace } from '../../kernel/realm/stored.ts'
import type { Store } from '../../kernel/store/store.ts'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { isBy, parseNote, parseVkey } from '../../kit/signed-note.ts'
import { inclusionProof, type ReadTiles } from '../../kit/tile-tree.ts'
import { formatProof } from '../../kit/tlog-proof.ts'

export interface StoredLog {
  readonly vkey: string
  /** The newest checkpoint whose signature is the log's own. */
  readonly head: Published
  readonly store: Store
  /** The last entries, in order. */
  last(limit: number, type?: string): Promise<readonly Entry[]>
  /** Canonical text and C2SP tlog-proof. Throws `not-found`. */
  prove(seq: number): Promise<{ readonly entry: string; readonly proof: string }>
  close(): Promise<void>
}

/** Throws `hub.unreachable` when there is no log in the folder, `verify.failed` when nothing in it was signed. */
export async function openStoredLog(place: StoredPlace, anchorPath: string | undefined): Promise<StoredLog> {
  requireLog(place)
  const { head, vkey } = await newestHead(place, anchorPath)
  const { store, close } = await openStored(place, 'read')
  return {
    vkey,
    head,
    store,
    async last(limit, type) {
      const found = await store.entries({
        from: 0,
        to: head.size,
        limit,
        reverse: true,
        ...(type === undefined ? {} : { type }),
      })
      return found.map(({ seq, bytes }) => parseEntry(seq, bytes)).reverse()
    },
    async prove(seq) {
      const [stored] = seq < head.size ? await store.entries({ from: seq, to: seq + 1, limit: 1 }) : []
      if (stored === undefined)
        throw new PolityError('not-found', `the log has no entry ${seq}: ${head.size} are signed`, {
          size: head.size,
        })
      const tiles: ReadTiles = (refs) =>
        Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width)))
      const hashes = await inclusionProof(seq, head.size, tiles)
      return {
        entry: Buffer.from(stored.bytes).toString(),
        proof: formatProof({ index: seq, hashes, checkpoint: head.checkpoint }),
      }
    },
    close,
  }
}

/** A shared database says by itself whether it is there. */
export function requireLog({ dir, storeUrl }: StoredPlace): void {
  if (storeUrl !== undefined) return
  try {
    if (statSync(dataPaths(dir).database, { throwIfNoEntry: false }) !== undefined) return
  } catch (error) {
    throw new PolityError(
      'data.unwritable',
      `${dir} cannot be read: ${(error as NodeJS.ErrnoException).code === 'EACCES' ? 'permission denied' : (error as Error).message}`,
      { path: dir, hint: 'run as the user whose folder it is' },
      error,
    )
  }
  throw new PolityError('hub.unreachable', `${dir} holds no log`, {
    path: dir,
    hint: 'start a hub with `polity up`, or name the folder of one with --data DIR',
  })
}

async function newestHead(
  { dir, storeUrl }: StoredPlace,
  anchorPath: string | undefined,
): Promise<{ head: Published; vkey: string }> {
  const source = await dataSource(dir, {
    env: process.env,
    storeUrl,
    ...(anchorPath === undefined ? {} : { anchorPath }),
  })
  try {
    const { vkey, checkpoints } = source
    if (vkey === undefined)
      throw new PolityError('verify.failed', `${dir} holds no verifier key`, { path: dir })
    return { vkey, head: newestOf(checkpoints, vkey, dir) }
  } finally {
    await source.close()
  }
}

function newestOf(checkpoints: readonly ShownCheckpoint[], vkey: string, dir: string): Published {
  try {
    const key = parseVkey(vkey)
    // The copy beside the data may lag behind a change of the key, the anchor never does.
    const ours = checkpoints.filter(({ note }) => parseNote(note).signatures.some((each) => isBy(key, each)))
    const heads = (ours.length > 0 ? ours : checkpoints).map(({ note }) => ({
      size: openCheckpoint(note, key).size,
      checkpoint: note,
    }))
    return heads.reduce((newest, each) => (each.size > newest.size ? each : newest))
  } catch (error) {
    throw new PolityError(
      'verify.failed',
      `a checkpoint of ${dir} is not the log's own: ${(error as Error).message}`,
      { path: dir },
      error,
    )
  }
}
