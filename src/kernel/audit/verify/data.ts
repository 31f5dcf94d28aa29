// Everything that can be checked of a hub's own DATA folder: the log, the database around it, and the rows that are not in the log.

import { dataPaths } from '../../log/layout.ts'
import type { View } from '../../log/view.ts'
import { openStored, type StoredPlace } from '../../realm/stored.ts'
import type { Store } from '../../store/store.ts'
import { rebuildViews } from '../rebuild.ts'
import { dataSource, requireDatabaseFile } from '../sources/data.ts'
import { inspectDatabase } from './database.ts'
import { checkEvidence } from './evidence.ts'
import { asFinding, failed } from './failure.ts'
import { checkSeal } from './seal.ts'
import { type CheckedVault, checkVault } from './vault.ts'
import { type VerifiedLog, type VerifyOptions, verifyLog } from './verify.ts'

export interface VerifyDataOptions extends VerifyOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly anchorPath?: string
  /** The database that holds the log, where it is not in the folder; its pages are the server's to check. */
  readonly storeUrl?: string | undefined
  /** The vault's master key; without it payloads stay unchecked. */
  readonly vaultKey?: Uint8Array
  /** The views of the modules that wrote the folder. */
  readonly views?: readonly View[]
}

export interface VerifiedData {
  readonly log: VerifiedLog
  /** Whether every byte of the database file is the one its hub left; false while a hub runs or after it was killed. */
  readonly isSealed: boolean
  readonly views: number
  readonly evidence: number
  readonly vault?: CheckedVault
}

/**
 * Verifies a DATA folder. What a flipped byte of the database can hit, and who finds it:
 * entries, their columns, leaf hashes and inner hashes: `verifyLog`, with the seq. Pages, indexes, schema, header,
 * counts: `inspectDatabase`. View rows: the fold of the log. Vault rows: AES-GCM and the commitments in the log.
 * Evidence: its digests. Other working rows (leases, cursors, tokens) and unused bytes of pages: only the seal, which a
 * hub leaves when it stops; after a kill they are not covered. Neither is the end of the write-ahead log beyond
 * the anchored size, which SQLite drops from the first damaged frame on; up to that size the anchor tells.
 *
 * Throws `verify.failed` with facts reason and what it names: seq, or table and key, or view and key.
 */
export async function verifyData(dir: string, options: VerifyDataOptions): Promise<VerifiedData> {
  const { signal, vaultKey, views = [], storeUrl } = options
  const { database } = dataPaths(dir)
  const inspected = storeUrl === undefined ? inspectFile(database, signal) : Promise.resolve()
  // Its failure is thrown after the log's, which can name a seq.
  inspected.catch(() => undefined)
  const log = await verifySource(dir, options)
  await inspected
  return withReader({ dir, storeUrl }, async (store) => ({
    log,
    evidence: await checkEvidence(store, signal),
    ...(vaultKey === undefined ? {} : { vault: await checkVault(store, vaultKey, signal) }),
    views: await checkViews(store, views, options),
    isSealed: storeUrl === undefined && (await checkSeal(database, signal)),
  }))
}

async function inspectFile(path: string, signal: AbortSignal | undefined): Promise<void> {
  requireDatabaseFile(path)
  await inspectDatabase(path, signal)
}

async function verifySource(dir: string, options: VerifyDataOptions): Promise<VerifiedLog> {
  const source = await dataSource(dir, options)
  try {
    return await verifyLog(source, options)
  } finally {
    await source.close()
  }
}

async function withReader<T>(place: StoredPlace, use: (store: Store) => Promise<T>): Promise<T> {
  const { store, close } = await openStored(place, 'read')
  try {
    return await use(store)
  } catch (error) {
    throw asFinding(error, 'database')
  } finally {
    await close()
  }
}

/** Answers how many views are what the log says. Throws `verify.failed` with reason `view` and facts view and key. */
async function checkViews(
  store: Store,
  views: readonly View[],
  { signal }: Pick<VerifyOptions, 'signal'> = {},
): Promise<number> {
  if (views.length === 0) return 0
  const rebuilt = await rebuildViews(store, views, signal === undefined ? {} : { signal })
  for (const { view, isEqual, digest, liveDigest, firstDifference } of rebuilt)
    if (!isEqual)
      throw failed('view', `the rows of ${view} are not those that the log tells`, {
        view,
        digest,
        liveDigest,
        key: firstDifference,
      })
  return rebuilt.length
}
