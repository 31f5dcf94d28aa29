// Makes the DATA folder of a hub from a backup or a public export: whole and verified, or nothing.

import { randomBytes } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { treeRoot } from '../../kit/tile-tree.ts'
import { checkEvidence } from '../audit/verify/evidence.ts'
import { failed } from '../audit/verify/failure.ts'
import { sealDatabase } from '../audit/verify/seal.ts'
import { type CheckedVault, checkVault } from '../audit/verify/vault.ts'
import { PolityError } from '../errors.ts'
import { writeSecretFile, writeWholeFile } from '../log/files.ts'
import { type DataPaths, dataPaths } from '../log/layout.ts'
import { openStored } from '../realm/stored.ts'
import type { Store } from '../store/store.ts'
import { MASTER_KEY_SIZE_BYTES } from '../vault/vault.ts'
import type { BackupSource } from './backup-source.ts'
import { copyKeys, keyFilesIn, missingKeys, vaultKeyIn } from './key-files.ts'
import { type LoadedLog, type LoadOptions, loadInto } from './load.ts'
import { KEYS_DIR, MODULES_DIR } from './manifest.ts'
import { buildFolder } from './new-folder.ts'
import type { TransferSource } from './source.ts'

export interface RestoreOptions extends LoadOptions {
  /** A folder with the hub's key files; default: those of the backup, if it has any. */
  readonly keysDir?: string
  /** `postgres://...` of an empty database; default: a database in the folder. */
  readonly storeUrl?: string | undefined
  /** Of that database; default `main`. */
  readonly realm?: string
}

export interface RestoredLog extends LoadedLog {
  /** Entries that nobody has signed yet; the hub signs them when it starts. */
  readonly tail: number
  readonly evidence: number
  /** Absent where the vault's key is. */
  readonly vault?: CheckedVault
  /** Key files that a hub needs and that are not there yet. */
  readonly missingKeys: readonly string[]
}

export interface RestoredBackup extends RestoredLog {
  /**
   * Whether the vault's key vouches for the rows that nothing signs: true where it was at hand and the manifest bears
   * its code. A key that came with the backup says that for nobody who could have replaced it there.
   */
  readonly isAuthenticated: boolean
}

/**
 * Restores a backup. Throws what `loadInto` throws, `data.unwritable` for a folder that is not empty, `backup.torn`
 * where the vault's key did not make the code of the manifest, and `verify.failed` when what stands in the store is
 * not what was signed; then nothing stays behind in the folder.
 */
export const restoreBackup = (
  source: BackupSource,
  dir: string,
  options: RestoreOptions,
): Promise<RestoredBackup> =>
  buildFolder(dir, async (aside) => {
    if (options.keysDir === undefined) copyKeys(join(source.name, KEYS_DIR), source.keys, aside)
    else copyKeys(options.keysDir, namesIn(options.keysDir), aside)
    const vaultKey = vaultKeyIn(aside)
    const isAuthenticated = vaultKey !== undefined && source.authenticate(vaultKey)
    for (const path of source.modules) await copyModuleFile(source, path, aside)
    return { ...(await fill(source, aside, options)), isAuthenticated }
  })

/**
 * Imports a public export. It holds no private payloads: they read as erased. Since there is nothing that an old
 * vault key could open, a new one is made unless `keysDir` has one. Throws as `restoreBackup`.
 */
export const importExport = (
  source: TransferSource,
  dir: string,
  options: RestoreOptions,
): Promise<RestoredLog> =>
  buildFolder(dir, async (aside) => {
    if (options.keysDir !== undefined) copyKeys(options.keysDir, namesIn(options.keysDir), aside)
    const restored = await fill(source, aside, options)
    const { vaultKey } = dataPaths(aside)
    if (!existsSync(vaultKey)) writeSecretFile(vaultKey, randomBytes(MASTER_KEY_SIZE_BYTES))
    return { ...restored, missingKeys: missingKeys(aside) }
  })

function namesIn(keysDir: string): string[] {
  try {
    return keyFilesIn(keysDir)
  } catch (error) {
    throw new PolityError('usage', `${keysDir} cannot be read: ${(error as Error).message}`, {}, error)
  }
}

async function copyModuleFile(source: BackupSource, path: string, aside: string): Promise<void> {
  const target = join(aside, MODULES_DIR, path)
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 })
  copyFileSync(join(source.name, MODULES_DIR, path), target)
  await source.checkModuleCopy(path, target)
}

async function fill(source: TransferSource, aside: string, options: RestoreOptions): Promise<RestoredLog> {
  const paths = dataPaths(aside)
  const { storeUrl, realm = 'main' } = options
  const { store, close } = await openStored({ dir: aside, storeUrl, realm }, 'write')
  const filled = await loadChecked(store, source, paths, options).finally(close)
  writeWholeFile(paths.vkey, `${source.vkey}\n`)
  if (source.head) writeWholeFile(paths.checkpoint, source.head.checkpoint)
  if (storeUrl === undefined) await sealDatabase(paths.database)
  const tail = filled.size - (source.head?.size ?? 0)
  return { ...filled, tail, missingKeys: missingKeys(aside) }
}

async function loadChecked(
  store: Store,
  source: TransferSource,
  paths: DataPaths,
  options: LoadOptions,
): Promise<LoadedLog & Pick<RestoredLog, 'evidence' | 'vault'>> {
  // SQLite gives its side files the same mode.
  if (existsSync(paths.database)) chmodSync(paths.database, 0o600)
  await store.migrate()
  const loaded = await loadInto(store, source, options)
  return { ...loaded, ...(await checkLoaded(store, source, paths, options)) }
}

/** What the store answers now, held against the checkpoint, the digests of evidence and the vault's own seals. */
async function checkLoaded(
  store: Store,
  { head, vkey }: TransferSource,
  { vaultKey }: DataPaths,
  { signal }: LoadOptions,
): Promise<Pick<RestoredLog, 'evidence' | 'vault'>> {
  if (head === undefined) throw failed('checkpoint', 'there is no checkpoint to hold the log against')
  const { root } = openCheckpoint(head.checkpoint, parseVkey(vkey))
  const stored = await treeRoot(head.size, (refs) =>
    Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width))),
  )
  if (Buffer.compare(stored, root) !== 0)
    throw failed('root', 'the tree in the store is not the one that was signed', { seq: 0, size: head.size })
  const evidence = await checkEvidence(store, signal)
  if (!existsSync(vaultKey)) return { evidence }
  return { evidence, vault: await checkVault(store, readFileSync(vaultKey), signal) }
}
