// The folder of a hub as a source: its database as one snapshot, and the checkpoints that are known of it.

import process from 'node:process'
import { parseCheckpoint } from '../../kit/checkpoint.ts'
import { openNote, parseVkey } from '../../kit/signed-note.ts'
import { dataSource } from '../audit/sources/data.ts'
import { failed } from '../audit/verify/failure.ts'
import { dataPaths } from '../log/layout.ts'
import type { Published } from '../log/proposal.ts'
import { sqliteStore } from '../store/sqlite/sqlite-store.ts'
import type { StoreReader } from '../store/store.ts'
import { carriedRows } from './rows.ts'
import { TRANSFER_BATCH_ENTRIES, type TransferSource } from './source.ts'

export interface DataSource extends TransferSource {
  readonly reader: StoreReader
}

/**
 * Opens the folder, whether or not its hub runs. The checkpoints are read before the snapshot is taken, so what
 * they cover is in it unless it was rolled back. Throws `verify.failed` where no checkpoint or key is to be found.
 */
export async function openDataFolder(dir: string, anchorPath?: string): Promise<DataSource> {
  const { vkey, notes } = await readNotes(dir, anchorPath)
  const signed = notes.flatMap((note) => readIfSigned(note, vkey))
  const reader = await snapshotOf(dir)
  try {
    const size = await reader.size()
    const covered = signed.filter((each) => each.size <= size)
    return {
      name: dir,
      origin: parseVkey(vkey).name,
      vkey,
      head: covered.reduce<Published | undefined>(newer, undefined),
      shown: signed.map(({ checkpoint }) => checkpoint),
      size,
      minimumIndex: await reader.minimumIndex(),
      entries: (signal) => readEntries(reader, size, signal),
      tile: ({ level, index, width }) => reader.tile(level, index, width),
      rows: (signal) => carriedRows(reader, signal),
      reader,
      close: () => reader.close(),
    }
  } catch (error) {
    await reader.close()
    throw error
  }
}

async function readNotes(dir: string, anchorPath: string | undefined) {
  const source = await dataSource(dir, {
    env: process.env,
    ...(anchorPath === undefined ? {} : { anchorPath }),
  })
  try {
    const { vkey, checkpoints } = source
    if (vkey === undefined) throw failed('vkey', `${dir} holds no verifier key`, { path: dir })
    return { vkey, notes: checkpoints.map(({ note }) => note) }
  } finally {
    await source.close()
  }
}

/** What is not signed by the log's own key says nothing of it. */
function readIfSigned(note: string, vkey: string): Published[] {
  try {
    const { size, origin } = parseCheckpoint(openNote(note, [parseVkey(vkey)]).text)
    return origin === parseVkey(vkey).name ? [{ size, checkpoint: note }] : []
  } catch {
    return []
  }
}

const newer = (known: Published | undefined, each: Published): Published =>
  known === undefined || each.size > known.size ? each : known

async function snapshotOf(dir: string): Promise<StoreReader> {
  const store = sqliteStore(dataPaths(dir).database, 'read')
  try {
    return await store.snapshot()
  } finally {
    await store.close()
  }
}

async function* readEntries(
  reader: StoreReader,
  size: number,
  signal?: AbortSignal,
): AsyncGenerator<readonly Uint8Array[], void> {
  for (let next = await reader.minimumIndex(); next < size; ) {
    signal?.throwIfAborted()
    const entries = await reader.entries({ from: next, to: size, limit: TRANSFER_BATCH_ENTRIES })
    const [first] = entries
    if (first?.seq !== next) throw failed('missing', `entry ${next} is missing`, { seq: next })
    yield entries.map(({ bytes }) => bytes)
    next += entries.length
  }
}
