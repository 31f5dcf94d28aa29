// A realm's storage side, opened: folder, lock, keys, writer thread, log, views and vault.

import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { breakSeal, sealDatabase } from '../audit/verify/seal.ts'
import type { Env } from '../env.ts'
import { asPolityError, PolityError } from '../errors.ts'
import { memoryAnchor } from '../log/anchor.ts'
import type { SignerCommand } from '../log/command-signer.ts'
import { writeSecretFile, writeWholeFile } from '../log/files.ts'
import { memoryKeyRing } from '../log/key-ring.ts'
import { dataPaths, defaultAnchorPath, LOG_META, ORIGIN_KEY } from '../log/layout.ts'
import { type Log, openLog, PUBLISH_WAIT_MAX_MS } from '../log/log.ts'
import { mlDsaCosigner } from '../log/ml-dsa.ts'
import { type OpenedSequencer, openSequencer, SWEEP_LIMIT_ROWS } from '../log/sequencer.ts'
import { fileSigner, keySigner, type LocalSigner } from '../log/signer.ts'
import { openThreadedSequencer } from '../log/thread/threaded-sequencer.ts'
import { viewsOfContracts } from '../log/upcast.ts'
import type { View } from '../log/view.ts'
import { openViews, type Views } from '../log/views.ts'
import type { WitnessedHead } from '../log/witnessed.ts'
import { emptyMemoryData, memoryStore } from '../store/memory/memory-store.ts'
import { sqliteStore } from '../store/sqlite/sqlite-store.ts'
import type { Store } from '../store/store.ts'
import { MASTER_KEY_SIZE_BYTES, openVault, type Vault } from '../vault/vault.ts'
import { lockData } from './data-lock.ts'
import { keysOnFile, type RealmKeys, realmKeys } from './realm-keys.ts'
import { openRelay, type Relay } from './relay.ts'

export interface Realm {
  readonly name: string
  readonly log: Log
  /** What witnesses have cosigned; set by the room that asks them. */
  readonly witnessed: WitnessedHead
  readonly views: Views
  /** The same rows without the wait for the anchor: for the kernel's own decisions. */
  readonly committed: Views
  readonly vault: Vault
  readonly reader: Store
  readonly vaultKey: Uint8Array
  /** Signs statements; its public key stands in the log's first entry. */
  readonly statementSigner: LocalSigner
  /** Hands over to another signing key. */
  readonly keys: RealmKeys
  readonly isAnchorAdopted: boolean
  /** Names this hub among those that share the log; another one each time it opens. */
  readonly holder: string
  /** Whether no other hub can be at work on this log. */
  readonly isAlone: boolean
  /** Whether this hub is the one that writes; absent where there is no other. */
  isWriter?(): boolean
  /** The views of all contracts: what every commit folds. */
  readonly folded: readonly View[]
  /** Drops all expired working rows of a table, in turns; answers how many. */
  sweep(table: string): Promise<number>
  close(): Promise<void>
}

/** A contract as the writer needs it: its URL for a thread, its exports in place. */
export interface Contract {
  readonly url: string
  readonly exports: Readonly<Record<string, unknown>>
}

export interface RealmOptions {
  readonly name: string
  /** Folder of the realm; absent: everything in memory, gone with the process. */
  readonly dir?: string
  /** `postgres://...`: the log is in this database, which other hubs may share; keys and caches stay in `dir`. */
  readonly storeUrl?: string
  /** Default: outside of DATA, in the user's state folder. */
  readonly anchorPath?: string
  /** A program that holds the signing key; default: a file in `dir`. */
  readonly signer?: SignerCommand
  /** Whether retained checkpoints carry an ML-DSA-44 cosignature of the log's own. */
  readonly isMlDsa?: boolean
  readonly contracts: readonly Contract[]
  readonly env: Env
  readonly publishIntervalMs?: number
  readonly onFailure: (error: PolityError) => void
}

/** Throws `store.locked`, `data.unwritable`, `signer.failed`, and whatever `openSequencer` refuses to open. */
export async function openRealm(options: RealmOptions): Promise<Realm> {
  const { dir, storeUrl } = options
  if (storeUrl !== undefined) {
    // Loaded only where it is used: most hubs have no database server.
    const { openPostgresRealm } = await import('./postgres-realm.ts')
    return openPostgresRealm(options, storeUrl)
  }
  return dir === undefined ? openMemoryRealm(options) : openFolderRealm(options, dir)
}

/** Opens everything or nothing; what was opened is closed in reverse, and the lock goes last. */
async function openFolderRealm(options: RealmOptions, dir: string): Promise<Realm> {
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

async function openMemoryRealm(options: RealmOptions): Promise<Realm> {
  const { env } = options
  const origin = newOrigin(options)
  const data = emptyMemoryData()
  const vaultKey = env.random(MASTER_KEY_SIZE_BYTES)
  const relay = openRelay()
  const sequencer = await openSequencer({
    origin,
    store: memoryStore(data),
    views: viewsOfContracts(options.contracts.map(({ exports }) => exports)),
    signer: memoryKeyRing(origin),
    ...(options.isMlDsa ? { cosigner: mlDsaCosigner(origin) } : {}),
    anchor: memoryAnchor(),
    vaultKey,
    env,
    ...(options.publishIntervalMs === undefined ? {} : { publishIntervalMs: options.publishIntervalMs }),
    ...listenersOf(relay, options),
  })
  const statementSigner = keySigner(`${origin}/statements`)
  return assemble(options, { origin, sequencer, reader: memoryStore(data), vaultKey, statementSigner, relay })
}

/** Whatever goes wrong is also told to a person. */
const listenersOf = (relay: Relay, { onFailure }: RealmOptions) => ({
  onPublished: relay.announce,
  onFailure: (error: PolityError) => {
    relay.fail(error)
    onFailure(error)
  },
  onLost: (error: PolityError) => {
    relay.lose(error)
    onFailure(error)
  },
})

export interface Parts {
  readonly origin: string
  readonly sequencer: OpenedSequencer
  readonly holder?: string
  readonly isAlone?: boolean
  readonly reader: Store
  readonly vaultKey: Uint8Array
  readonly statementSigner: LocalSigner
  readonly relay: Relay
}

export async function assemble(
  options: RealmOptions,
  { origin, sequencer, reader, vaultKey, statementSigner, relay, holder, isAlone = true }: Parts,
): Promise<Realm> {
  const first = await relay.last(AbortSignal.timeout(PUBLISH_WAIT_MAX_MS))
  const { log, witnessed, ...target } = openLog({ origin, vkey: sequencer.vkey, sequencer, reader }, first)
  relay.connect(target)
  let isClosing = false
  return {
    name: options.name,
    log,
    witnessed,
    views: openViews(reader, vaultKey, log),
    committed: openViews(reader, vaultKey),
    vault: openVault(reader, vaultKey),
    reader,
    vaultKey,
    statementSigner,
    keys: realmKeys(sequencer, target.rekey),
    isAnchorAdopted: sequencer.isAnchorAdopted,
    holder: holder ?? options.env.id(),
    folded: viewsOfContracts(options.contracts.map(({ exports }) => exports)),
    isAlone,
    async sweep(table) {
      const nowMs = options.env.now()
      let dropped = 0
      for (;;) {
        const turn = await sequencer.sweep(table, nowMs)
        dropped += turn
        if (turn < SWEEP_LIMIT_ROWS || isClosing) return dropped
        // Between two turns the writer takes what waits.
        await setImmediate()
      }
    },
    async close() {
      isClosing = true
      await sequencer.close()
      await reader.close()
    },
  }
}

export function prepareFolder(dir: string): ReturnType<typeof dataPaths> {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    return dataPaths(dir)
  } catch (error) {
    throw new PolityError(
      'data.unwritable',
      `the folder ${dir} cannot be used: ${(error as Error).message}`,
      { dir },
      error,
    )
  }
}

/**
 * Readable by the owner only; SQLite gives its side files the same mode. Keys without their database mean
 * that it was lost: a new log under the old keys would look like the old one rolled back.
 */
function prepareDatabaseFile({ database, vkey }: ReturnType<typeof dataPaths>): void {
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

/** A schema-less URL, as C2SP tlog-checkpoint recommends; the random part keeps two logs of one name apart. */
export const newOrigin = ({ name, env }: Pick<RealmOptions, 'name' | 'env'>): string =>
  `polity.invalid/${name}/${Buffer.from(env.random(8)).toString('hex')}`

export function establishVaultKey(path: string, isNew: boolean): Uint8Array {
  if (!existsSync(path) && !isNew)
    throw new PolityError(
      'data.unwritable',
      `the vault's key ${path} is missing: without it no private payload opens. Restore it`,
      { path },
    )
  if (!existsSync(path)) writeSecretFile(path, randomBytes(MASTER_KEY_SIZE_BYTES))
  chmodSync(path, 0o600)
  const key = readFileSync(path)
  if (key.length !== MASTER_KEY_SIZE_BYTES)
    throw new PolityError('data.unwritable', `${path} is not a vault key of ${MASTER_KEY_SIZE_BYTES} bytes`, {
      path,
    })
  return key
}

const CHECKPOINT_FILE_INTERVAL_MS = 500

/** A copy of the last checkpoint beside the data, for tools that read files. The anchor is the truth, so this one may lag. */
export function keepCheckpointFile(log: Log, path: string, { onFailure }: RealmOptions): { close(): void } {
  let written = ''
  const write = () => {
    const { checkpoint } = log.head()
    if (checkpoint === written) return
    try {
      writeWholeFile(path, checkpoint)
      written = checkpoint
    } catch (error) {
      onFailure(
        new PolityError(
          'store.full',
          `${path} cannot be written: ${(error as Error).message}`,
          { path },
          error,
        ),
      )
    }
  }
  const timer = setInterval(write, CHECKPOINT_FILE_INTERVAL_MS).unref()
  return {
    close() {
      clearInterval(timer)
      write()
    },
  }
}
