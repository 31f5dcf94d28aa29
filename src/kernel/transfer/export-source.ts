// A public export as a source: the entries and the evidence of decisions, and nothing that only a hub knows.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { readBounded, readLine, readSmallFile } from '../audit/sources/export.ts'
import { checkAborted, failed } from '../audit/verify/failure.ts'
import { PolityError } from '../errors.ts'
import { BLOB_MAX_BYTES, BLOBS_DIR, DATA_FILES, EVIDENCE } from '../log/layout.ts'
import type { StoredRow } from '../store/store.ts'
import { readBundles, readHashTile } from './bundles.ts'
import type { TransferSource } from './source.ts'

/**
 * Opens the folder that `polity export` wrote. Undefined where there is no checkpoint. Throws `verify.failed` with
 * reason `checkpoint`, or `vkey` when `vkey` is another key than the one beside the log.
 */
export async function openExport(dir: string, vkey?: string): Promise<TransferSource | undefined> {
  const note = await readSmallFile(join(dir, DATA_FILES.checkpoint))
  if (note === undefined) return undefined
  const key = await keyOf(dir, vkey)
  const { origin, size } = signedBy(dir, note, key)
  return {
    name: dir,
    origin,
    vkey: key,
    head: { size, checkpoint: note },
    shown: [],
    size,
    minimumIndex: 0,
    entries: (signal) => readBundles(dir, { from: 0, to: size }, signal),
    tile: (ref) => readHashTile(dir, ref),
    rows: (signal) => readEvidence(join(dir, BLOBS_DIR), signal),
    close: async () => undefined,
  }
}

async function keyOf(dir: string, given: string | undefined): Promise<string> {
  const shown = await readLine(join(dir, DATA_FILES.vkey))
  const key = given ?? shown
  if (key === undefined)
    throw new PolityError('usage', `${dir} shows no verifier key: pass the one you trust with --vkey`)
  if (shown !== undefined && shown !== key)
    throw failed('vkey', `the verifier key that lies in ${dir} is not the one given`)
  return key
}

function signedBy(dir: string, note: string, vkey: string) {
  try {
    return openCheckpoint(note, parseVkey(vkey))
  } catch (error) {
    throw failed('checkpoint', `the checkpoint of ${dir}: ${(error as Error).message}`, {}, error)
  }
}

const BLOB_NAME = /^sha256-([0-9a-f]{64})$/

/** One page a blob: each may be large. That its digest is its name is checked when it stands in the store. */
async function* readEvidence(dir: string, signal?: AbortSignal): AsyncGenerator<readonly StoredRow[], void> {
  const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names.sort()) {
    checkAborted(signal)
    const [, sha256] = BLOB_NAME.exec(name) ?? []
    const bytes = sha256 === undefined ? undefined : await readBounded(join(dir, name), BLOB_MAX_BYTES)
    if (bytes === undefined) continue
    const value = JSON.stringify(Buffer.from(bytes).toString())
    yield [{ table: EVIDENCE, key: `sha256:${sha256}`, version: 1, value }]
  }
}
