// A realm in a folder: lock, keys, one SQLite file, and a writer thread.

import { chmodSync, closeSync, existsSync, openSync } from 'node:fs'
import { breakSeal, sealDatabase } from '../audit/verify/seal.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { type DataPaths, defaultAnchorPath, LOG_META, ORIGIN_KEY } from '../log/layout.ts'
import { fileSigner } from '../log/signer.ts'
import { openThreadedSequencer } from '../log/thread/threaded-sequencer.ts'
import { sqliteStore } from '../store/sqlite/sqlite-store.ts'
import { assemble, listenersOf } from './assembly.ts'
import { establishVaultKey, keepCheckpointFile, newOrigin, prepareFolder } from './data-folder.ts'
import { lockData } from './data-lock.ts'
import type { Realm, RealmOptions } from './realm.ts'
import { keysOnFile } from './realm-keys.ts'
import { openRelay } from './relay.ts'

/** Opens everything or nothing; what was opened is closed in reverse, and the lock goes last. */
export async function openFolderRealm(options: RealmOptions, dir: string): Promise<Realm> {
  await using opening = new AsyncDisposableStack()
  const paths = prepareFolder(dir)
  opening.adopt(lockData(paths.lock), (lock) => lock.release())
  // From here on somebody may write, and only a clean end can seal again.
  breakSeal(paths.database)
  prepareDatabaseFile(paths)
  const { origin, isNew } = await establishOrigin(paths.database, options)
  const vaultKey = establishVaultKey(paths.vaultKey, isNew)
  const statementSigner = fileSigner(`${origin}/statements`, paths.statementKey, isNew)
  const anchorPath = options.anchorPath ?? defaultAnchorPath(origin, process.env)
  const relay = openRelay()
  // What comes after the writer has closed: it publishes until then.
  let realm: Realm | undefined
  opening.defer(async () => realm && sealClosed(paths.database, options))
  let copy: { close(): void } | undefined
  opening.defer(() => copy?.close())
  const sequencer = opening.adopt(
    await openThreadedSequencer(
      {
        place: { kind: 'sqlite', databasePath: paths.database, anchorPath },
        origin,
        keyPath: paths.signingKey,
        ...(options.signer === undefined ? {} : { signerCommand: options.signer }),
        ...(options.isMlDsa ? { mlDsaKeyPath: paths.mlDsaKey } : {}),
        checkpointPath: paths.checkpoint,
        vaultKeyPath: paths.vaultKey,
        contracts: options.contracts.map(({ url }) => url),
        ...(options.publishIntervalMs === undefined ? {} : { publishIntervalMs: options.publishIntervalMs }),
      },
      listenersOf(relay, options),
    ),
    (each) => each.close(),
  )
  if (sequencer.isAnchorAdopted) options.onFailure(adopted(anchorPath))
  const reader = opening.adopt(sqliteStore(paths.database, 'read'), (each) => each.close())
  realm = await assemble(options, { origin, sequencer, reader, vaultKey, statementSigner, relay })
  const keys = keysOnFile(realm.keys, paths.vkey, sequencer.vkey)
  copy = keepCheckpointFile(realm.log, paths.checkpoint, options)
  const open = opening.move()
  return { ...realm, keys, close: () => open.disposeAsync() }
}

/** The hub goes on, but only a person can know whether the anchor was lost or the log was. */
const adopted = (path: string): PolityError =>
  new PolityError(
    'anchor.adopted',
    `there was no anchor ${path}, so the log was taken as it stands: if it was restored from an older copy, what was written since is lost`,
    { path },
  )

/** Only what was opened is sealed: a refused database keeps what speaks against it. A seal that fails stops nobody. */
async function sealClosed(databasePath: string, { onFailure }: RealmOptions): Promise<void> {
  try {
    await sealDatabase(databasePath)
  } catch (error) {
    onFailure(asPolityError(error, 'store.failed'))
  }
}

/**
 * Readable by the owner only; SQLite gives its side files the same mode. Keys without their database mean
 * that it was lost: a new log under the old keys would look like the old one rolled back.
 */
function prepareDatabaseFile({ database, vkey }: DataPaths): void {
  if (!existsSync(database) && existsSync(vkey))
    throw new PolityError(
      'log.rollback',
      `${database} is missing, but the keys of its log are here: restore it, or start with an empty folder`,
      { path: database },
    )
  try {
    closeSync(openSync(database, 'a', 0o600))
    chmodSync(database, 0o600)
  } catch (error) {
    throw new PolityError(
      'data.unwritable',
      `${database} cannot be written: ${(error as Error).message}`,
      {},
      error,
    )
  }
}

/** The origin is chosen once, stored with the data, and never changes. `isNew`: nothing was written or sealed yet. */
async function establishOrigin(
  databasePath: string,
  options: RealmOptions,
): Promise<{ readonly origin: string; readonly isNew: boolean }> {
  const store = sqliteStore(databasePath, 'write')
  try {
    await store.migrate()
    const known = (await store.load(LOG_META, [ORIGIN_KEY])).value.get(ORIGIN_KEY)?.value
    const isNew = (await store.size()) === 0
    if (known != null) return { origin: JSON.parse(known) as string, isNew }
    const origin = newOrigin(options)
    await store.commit({
      entries: [],
      nodes: [],
      rows: [{ table: LOG_META, key: ORIGIN_KEY, version: 1, value: JSON.stringify(origin) }],
    })
    return { origin, isNew }
  } finally {
    await store.close()
  }
}
