// A hub's DATA folder as a source of verification: the SQLite store read-only, and the checkpoint from the anchor.

import { statSync } from 'node:fs'
import { TILE_WIDTH, type TileRef } from '../../../kit/tile-tree.ts'
import { readAnchor } from '../../log/anchor.ts'
import { readCheckpoints } from '../../log/checkpoints.ts'
import { DATA_FILES, dataPaths, defaultAnchorPath, LOG_META, ORIGIN_KEY } from '../../log/layout.ts'
import { keptEntries } from '../../log/pruning.ts'
import { openStored, type StoredPlace, type StoredRealm } from '../../realm/stored.ts'
import type { Store } from '../../store/store.ts'
import type { ClaimedEntry } from '../verify/entry.ts'
import { asFinding, checkAborted, failed } from '../verify/failure.ts'
import { readLine, readSmallFile } from './export.ts'
import type { LogSource, OpenSourceOptions, ShownCheckpoint, ShownRetained } from './port.ts'

const BATCH_ENTRIES = 1000

/** Reads the anchor before the store, so that a running hub is never found behind it. */
export async function dataSource(
  dir: string,
  { anchorPath, env, storeUrl }: Pick<OpenSourceOptions, 'anchorPath' | 'env' | 'storeUrl'>,
): Promise<LogSource> {
  const paths = dataPaths(dir)
  if (storeUrl === undefined) requireDatabaseFile(paths.database)
  const { store, place: name, published, close } = await openReader({ dir, storeUrl })
  try {
    const origin = await readOrigin(store)
    const place =
      anchorPath ??
      (origin === undefined || storeUrl !== undefined ? undefined : defaultAnchorPath(origin, env))
    const checkpoints = shown({
      anchor: place === undefined ? undefined : readAnchor(place),
      // Of a shared database the last hub that published knows best; this folder may have been asleep.
      checkpoint: (await published()) ?? (await readSmallFile(paths.checkpoint)),
    })
    if (checkpoints.length === 0)
      throw failed(
        'checkpoint',
        `${dir} has no checkpoint: neither an anchor nor the file ${DATA_FILES.checkpoint}`,
      )
    const vkey = await readLine(paths.vkey)
    return {
      ...(await storeSource(store, checkpoints)),
      name,
      close,
      ...(origin === undefined ? {} : { origin }),
      ...(vkey === undefined ? {} : { vkey }),
    }
  } catch (error) {
    await close()
    throw asFinding(error, 'database')
  }
}

/** Any store as a source; `close` closes it. */
export async function storeSource(store: Store, checkpoints: readonly ShownCheckpoint[]): Promise<LogSource> {
  return {
    name: 'store',
    kind: 'data',
    checkpoints,
    size: await store.size(),
    retained: await retainedOf(store),
    ...(await prunedOf(store)),
    entries: (size, signal) => readEntries(store, size, signal),
    tile: ({ level, index, width }: TileRef) => store.tile(level, index, width),
    close: () => store.close(),
  }
}

async function prunedOf(store: Store): Promise<Required<Pick<LogSource, 'minimumIndex' | 'kept'>>> {
  const minimumIndex = await store.minimumIndex()
  if (minimumIndex < 0 || minimumIndex % TILE_WIDTH !== 0)
    throw failed('database', `the database holds entries from ${minimumIndex} on: whole tiles are pruned`)
  // What was announced and is not removed yet is still there as itself.
  return { minimumIndex, kept: (await keptEntries(store)).filter(({ seq }) => seq < minimumIndex) }
}

async function* readEntries(
  store: Store,
  size: number,
  signal?: AbortSignal,
): AsyncGenerator<readonly ClaimedEntry[]> {
  for (let next = 0; next < size; ) {
    checkAborted(signal)
    const batch = await store.entries({ from: next, to: size, limit: BATCH_ENTRIES })
    const last = batch.at(-1)
    if (last === undefined) return
    yield batch
    next = last.seq + 1
  }
}

/** SQLite waits at a FIFO for ever. Throws `verify.failed` with reason `database`. */
export function requireDatabaseFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false)
    throw failed('database', `${path} is not a database file`, { path })
}

async function openReader(place: StoredPlace): Promise<StoredRealm> {
  try {
    return await openStored(place, 'read')
  } catch (error) {
    throw place.storeUrl === undefined ? asFinding(error, 'database') : error
  }
}

async function readOrigin(store: Store): Promise<string | undefined> {
  const { value: rows } = await store.load(LOG_META, [ORIGIN_KEY])
  const text = rows.get(ORIGIN_KEY)?.value
  if (text == null) return undefined
  try {
    return String(JSON.parse(text))
  } catch (error) {
    throw failed(
      'row',
      `the row ${LOG_META} ${ORIGIN_KEY} is damaged`,
      { table: LOG_META, key: ORIGIN_KEY },
      error,
    )
  }
}

async function retainedOf(store: Pick<Store, 'scan'>): Promise<readonly ShownRetained[]> {
  const retained: ShownRetained[] = []
  for await (const { size, note, timestamp } of readCheckpoints(store))
    retained.push({
      name: `retained checkpoint ${size}`,
      size,
      note,
      ...(timestamp === undefined ? {} : { timestamp }),
    })
  return retained
}

const shown = (notes: Readonly<Record<string, string | undefined>>): ShownCheckpoint[] =>
  Object.entries(notes).flatMap(([name, note]) => (note === undefined ? [] : [{ name, note }]))
