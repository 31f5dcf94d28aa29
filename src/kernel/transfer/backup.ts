// A backup: the public export of a log, the rows beside it sealed as they are, and, when asked for, its keys; in one folder that knows itself.

import { Buffer } from 'node:buffer'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { openCheckpoint } from '../../kit/signed-checkpoint.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { treeRoot } from '../../kit/tile-tree.ts'
import { removeStale, writeBlobs, writeCheckpoints, writeTiles } from '../audit/export.ts'
import { ASIDE_SUFFIX, type FileDigest, FolderWriter, folderError, isWithin } from '../audit/folder-writer.ts'
import { readLine } from '../audit/sources/export.ts'
import { RETENTION_FILE, retentionFile } from '../audit/sources/retention.ts'
import { checkAborted } from '../audit/verify/failure.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { syncFolder, writeWholeFile } from '../log/files.ts'
import { DATA_FILES } from '../log/layout.ts'
import type { Published } from '../log/proposal.ts'
import type { StoreReader } from '../store/store.ts'
import { keyFilesIn, vaultKeyIn } from './key-files.ts'
import {
  formatFor,
  KEYS_DIR,
  MANIFEST,
  type Manifest,
  MODULES_DIR,
  ROWS_DIR,
  readManifest,
  writeManifest,
} from './manifest.ts'
import { writeRows } from './rows.ts'
import { TRANSFER_BATCH_ENTRIES } from './source.ts'

export interface BackupOptions {
  /** The log's verifier key; its name is the origin. */
  readonly vkey: string
  readonly env: Env
  readonly release: string
  /** DATA of the hub: its modules' files belong to the backup. */
  readonly dataDir?: string
  /** Whether the hub's secret keys are put in as well: with them, whoever has the backup is the hub. */
  readonly isWithKeys?: boolean
  /** Counts entries. */
  readonly onProgress?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface Backup {
  readonly origin: string
  /** Entries under the signed checkpoint, and acknowledged ones beyond it. */
  readonly size: number
  readonly tail: number
  readonly rows: number
  /** Names of the key files. */
  readonly keys: readonly string[]
  /** Whether the manifest bears a code under the vault's key; false where DATA has none. */
  readonly isAuthenticated: boolean
  readonly files: number
  readonly filesWritten: number
}

/** Says that a folder is a backup which was begun: the vkey of its log, one line. */
const UNFINISHED = 'backup.unfinished'

/**
 * Writes what `reader`, a snapshot, shows. `head` is a checkpoint that was signed before the snapshot was taken.
 * Into a folder that holds an earlier backup of the log only what is new is written; the earlier one stands until
 * the new one takes its place with the manifest, in one step. Repeat it after a crash.
 *
 * Throws `data.unwritable` where the folder holds anything else, another history or a newer backup; `store.full`;
 * `verify.failed` for evidence that is damaged.
 */
export async function writeBackup(
  reader: StoreReader,
  head: Published,
  path: string,
  options: BackupOptions,
): Promise<Backup> {
  const { vkey, signal } = options
  const dir = resolve(path)
  const { origin } = openHead(head, vkey)
  try {
    const earlier = await claimFolder(reader, head, dir, vkey)
    const files: Record<string, FileDigest> = {}
    const folder = new FolderWriter(dir, {
      // The folder may have been there before, and be open to others.
      isPrivate: true,
      onFile: (name, digest) => {
        files[name] = digest
      },
    })
    await folder.put(DATA_FILES.vkey, false, async () => Buffer.from(`${vkey}\n`))
    await writeTiles(reader, head.size, 0, folder, options)
    await folder.put(RETENTION_FILE, false, () => retentionFile(reader))
    await writeBlobs(reader, folder, signal)
    await writeCheckpoints(reader, head.size, folder, signal)
    // A generation of rows has a folder of its own, so that those of the earlier backup stay whole beside it.
    const generation = `${ROWS_DIR}/${options.env.id()}`
    const rows = await writeRows(reader, folder, generation, signal)
    const tail = await writeTail(reader, head.size, folder, generation)
    await copyModules(options, folder)
    const keys = await copyKeys(options, folder)
    await folder.settle()
    const vaultKey = options.dataDir === undefined ? undefined : vaultKeyIn(options.dataDir)
    const manifest: Manifest = {
      format: formatFor(vaultKey),
      release: options.release,
      createdAt: new Date(options.env.now()).toISOString(),
      origin,
      vkey,
      checkpoint: head.checkpoint,
      size: head.size,
      tail,
      minimumIndex: await reader.minimumIndex(),
      rows,
      files,
    }
    writeManifest(dir, manifest, vaultKey)
    await finish(dir, manifest, earlier)
    return {
      origin,
      size: head.size,
      tail,
      rows,
      keys,
      isAuthenticated: vaultKey !== undefined,
      files: Object.keys(files).length,
      filesWritten: folder.written,
    }
  } catch (error) {
    throw folderError('backup', dir, error)
  }
}

function openHead({ checkpoint, size }: Published, vkey: string) {
  const opened = openCheckpoint(checkpoint, parseVkey(vkey))
  if (opened.size !== size)
    throw new PolityError('internal', `the checkpoint of size ${size} is signed for ${opened.size}`)
  return opened
}

/** Makes sure that the folder is new, or a backup of this very log, whole or begun; answers the one that it holds. */
async function claimFolder(
  reader: StoreReader,
  head: Published,
  dir: string,
  vkey: string,
): Promise<Manifest | undefined> {
  const refuse = (why: string) =>
    new PolityError('data.unwritable', `${dir} cannot take the backup: ${why}`, { path: dir })
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const names = await readdir(dir)
  const begun = await readLine(join(dir, UNFINISHED))
  if (names.length > 0 && begun === undefined && !names.includes(MANIFEST))
    throw refuse('it is not empty, and no earlier backup')
  const written = await readManifest(dir).catch((error: unknown) => {
    throw refuse(`its manifest is damaged (${(error as Error).message}); take an empty folder`)
  })
  const earlier = written?.manifest
  const shown = earlier?.vkey ?? begun
  if (shown !== undefined && parseVkey(shown).name !== parseVkey(vkey).name)
    throw refuse('it holds the backup of another log')
  if (earlier !== undefined) await checkExtends(reader, head, earlier, refuse)
  writeWholeFile(join(dir, UNFINISHED), `${vkey}\n`)
  return earlier
}

async function checkExtends(
  reader: StoreReader,
  head: Published,
  earlier: Manifest,
  refuse: (why: string) => PolityError,
): Promise<void> {
  const { root } = openHead({ checkpoint: earlier.checkpoint, size: earlier.size }, earlier.vkey)
  if (earlier.size > head.size)
    throw refuse(`it holds ${earlier.size} entries, more than the ${head.size} of the log`)
  // Of a tree that ends among pruned entries the root cannot be derived any more.
  if (earlier.size < (await reader.minimumIndex())) return
  const ours = await treeRoot(earlier.size, (refs) =>
    Promise.all(refs.map(({ level, index, width }) => reader.tile(level, index, width))),
  )
  if (Buffer.compare(ours, root) !== 0) throw refuse('it holds another history of the same log')
}

/** Acknowledged entries that nobody has signed yet: a hub that was killed, or is just writing, has some. */
async function writeTail(
  reader: StoreReader,
  from: number,
  folder: FolderWriter,
  generation: string,
): Promise<number> {
  const size = await reader.size()
  const lines: Buffer[] = []
  let sizeBytes = 0
  for (let next = from; next < size; ) {
    const entries = await reader.entries({ from: next, to: size, limit: TRANSFER_BATCH_ENTRIES })
    if (entries[0]?.seq !== next)
      throw new PolityError('log.corrupt', `an entry is missing at or after ${next}`, { seq: next })
    for (const { bytes } of entries) {
      // Canonical JSON holds no newline.
      const line = Buffer.concat([bytes, NEWLINE])
      sizeBytes += line.length
      if (sizeBytes > TAIL_MAX_BYTES) throw tooLongTail()
      lines.push(line)
    }
    next += entries.length
  }
  await folder.put(`${generation}/${TAIL_NAME}`, false, async () => Buffer.concat(lines))
  return size - from
}

export const TAIL_NAME = 'tail.jsonl'
/** What a hub writes until a checkpoint is signed is far less. */
export const TAIL_MAX_BYTES = 256 * 1024 * 1024
const NEWLINE = Buffer.from('\n')

const tooLongTail = (): PolityError =>
  new PolityError(
    'log.saturated',
    'too much of the log is not signed yet: its anchor or its signer has stopped. Repair it, start the hub once, and try again',
  )

/** What modules keep beside the log; they put files there before they record them, so the snapshot finds all of its own. */
async function copyModules({ dataDir, signal }: BackupOptions, folder: FolderWriter): Promise<void> {
  if (dataDir === undefined) return
  const root = join(dataDir, DATA_FILES.modules)
  const found = await readdir(root, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    },
  )
  for (const item of found) {
    checkAborted(signal)
    if (!item.isFile() || item.name.endsWith(ASIDE_SUFFIX)) continue
    const from = join(item.parentPath, item.name)
    const path = `${MODULES_DIR}/${relative(root, from).split(sep).join('/')}`
    await folder.copy(path, from, signal).catch((error: NodeJS.ErrnoException) => {
      // What was removed meanwhile is not part of what the snapshot needs.
      if (error.code !== 'ENOENT') throw error
    })
  }
}

async function copyKeys(
  { dataDir, isWithKeys = false }: BackupOptions,
  folder: FolderWriter,
): Promise<string[]> {
  if (dataDir === undefined || !isWithKeys) return []
  const names = keyFilesIn(dataDir)
  for (const name of names) await folder.copy(`${KEYS_DIR}/${name}`, join(dataDir, name))
  return names
}

/** The backup stands; what only the earlier one needed goes, and the folder can be verified as an export. */
async function finish(dir: string, { checkpoint, size, files }: Manifest, earlier: Manifest | undefined) {
  writeWholeFile(join(dir, DATA_FILES.checkpoint), checkpoint)
  await removeStale(dir, size)
  const generations = await readdir(join(dir, ROWS_DIR))
  for (const name of generations)
    if (!Object.keys(files).some((path) => path.startsWith(`${ROWS_DIR}/${name}/`)))
      await rm(join(dir, ROWS_DIR, name), { recursive: true, force: true })
  // The earlier manifest may be somebody else's work: through a link it would name files that are not its own.
  for (const path of Object.keys(earlier?.files ?? {}))
    if (!Object.hasOwn(files, path) && (await isWithin(dir, dirname(join(dir, path)))))
      await rm(join(dir, path), { force: true })
  await rm(join(dir, UNFINISHED), { force: true })
  syncFolder(dir)
  syncFolder(dirname(dir))
}
