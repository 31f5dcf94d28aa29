// What a hub has stored as a source: its database as one snapshot, and the checkpoints that are known of it.

import process from 'node:process'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { dataSource } from '../audit/sources/data.ts'
import { failed } from '../audit/verify/failure.ts'
import type { Published } from '../log/proposal.ts'
import { openStored, type StoredPlace } from '../realm/stored.ts'
import type { StoreReader } from '../store/store.ts'
import { carriedRows } from './rows.ts'
import { TRANSFER_BATCH_ENTRIES, type TransferSource } from './source.ts'

export interface DataSource extends TransferSource {
  readonly reader: StoreReader
}

/**
 * Opens what a hub has stored, whether or not one runs. The checkpoints are read before the snapshot is taken, so what
 * they cover is in it unless it was rolled back. Throws `verify.failed` where no checkpoint or key is to be found.
 */
export async function openDataFolder(place: StoredPlace, anchorPath?: string): Promise<DataSource> {
  const { vkey, notes } = await readNotes(place, anchorPath)
  const signed = notes.flatMap((note) => readIfSigned(note, vkey))
  const stored = await openStored(place, 'read')
  await using opening = new AsyncDisposableStack()
  opening.defer(stored.close)
  const reader = opening.adopt(await stored.store.snapshot(), (each) => each.close())
  const size = await reader.size()
  const covered = signed.filter((each) => each.size <= size)
  const minimumIndex = await reader.minimumIndex()
  const open = opening.move()
  return {
    name: stored.place,
    origin: parseVkey(vkey).name,
    vkey,
    head: covered.reduce<Published | undefined>(newer, undefined),
    shown: signed.map(({ checkpoint }) => checkpoint),
    size,
    minimumIndex,
    entries: (signal) => readEntries(reader, size, signal),
    tile: ({ level, index, width }) => reader.tile(level, index, width),
    rows: (signal) => carriedRows(reader, signal),
    reader,
    close: () => open.disposeAsync(),
  }
}

async function readNotes({ dir, storeUrl }: StoredPlace, anchorPath: string | undefined) {
  const source = await dataSource(dir, {
    env: process.env,
    storeUrl,
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
    return [{ size: openCheckpoint(note, parseVkey(vkey)).size, checkpoint: note }]
  } catch {
    return []
  }
}

const newer = (known: Published | undefined, each: Published): Published =>
  known === undefined || each.size > known.size ? each : known

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
