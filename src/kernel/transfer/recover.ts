// After a loss: a log under a new name and new keys, whose first entry says what it goes on from and what is missing.

import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs'
import process from 'node:process'
import { formatVkey } from '../../kit/signed-note.ts'
import { sealDatabase } from '../audit/verify/seal.ts'
import { HUB_ACTOR } from '../catalog/hub-records.ts'
import { IDEMPOTENCY } from '../catalog/idempotency.ts'
import { seal } from '../catalog/recorder.ts'
import { LogOpened } from '../catalog/records.ts'
import type { Env } from '../env.ts'
import { PolityError } from '../errors.ts'
import { carriedOver } from '../feed/carrying-over.ts'
import { fileAnchor, readAnchor } from '../log/anchor.ts'
import { writeSecretFile, writeWholeFile } from '../log/files.ts'
import { type DataPaths, dataPaths, defaultAnchorPath } from '../log/layout.ts'
import { openSequencer } from '../log/sequencer.ts'
import { fileSigner, type LocalSigner } from '../log/signer.ts'
import { newOrigin } from '../realm/data-folder.ts'
import { RUN_TABLES } from '../runs/tables.ts'
import { KnownOpenings } from '../schema/privacy.ts'
import { sqliteStore } from '../store/sqlite/sqlite-store.ts'
import type { Store, StoredRow } from '../store/store.ts'
import { keyidOf, OPENED, SYSTEM, vaultMarkOf } from '../system/genesis.ts'
import { VAULT_DEAD } from '../vault/shredding.ts'
import { MASTER_KEY_SIZE_BYTES, VAULT_INDEX, VAULT_KEYS, VAULT_PAYLOADS } from '../vault/vault.ts'
import { type LoadOptions, loadInto } from './load.ts'
import { buildFolder } from './new-folder.ts'
import type { TransferSource } from './source.ts'
import { type Survey, surveyLog } from './survey.ts'

export interface RecoverOptions extends LoadOptions {
  readonly env: Env
  readonly release: string
  /** Signed notes of the old log from elsewhere: from its anchor, from a witness, from whoever kept one. */
  readonly notes: readonly string[]
  /** Where the old vault's key may be; without it no private payload can be carried over. */
  readonly vaultKeyPaths: readonly string[]
  /** Where modules kept what they need, if it can be had: a folder to copy. */
  readonly copyModules?: (dir: string) => void
  /** Default: outside of DATA, in the user's state folder. */
  readonly anchorPath?: string
}

export interface RecoveredLog {
  readonly origin: string
  readonly vkey: string
  readonly size: number
  readonly predecessor: {
    readonly origin: string
    readonly size: number
    readonly survived: number
    readonly proven: number
    readonly gap: number
  }
  readonly rows: number
  /** Whether private payloads live on; false where the vault's key is lost. */
  readonly isVaultKept: boolean
  /** What is wrong with the first entry that did not survive, if one is damaged. */
  readonly damage?: string
}

/**
 * Makes `dir` a hub's folder: entry 0 names the old log, its last known checkpoint and the gap; the entries that
 * survived follow byte for byte; views are folded again; working state and vault live on. The new log is signed
 * under new keys and anchored.
 *
 * Throws `data.unwritable` for a folder that is not empty, `verify.failed` when the entries are not those that were
 * signed, `backup.torn` where the vault's key did not make the code of a backup, `log.pruned` for a log whose first
 * entries are gone, `not-found` when nothing survived.
 */
export async function recoverLog(
  source: TransferSource,
  dir: string,
  options: RecoverOptions,
): Promise<RecoveredLog> {
  if (source.minimumIndex > 0) throw prunedLog(source)
  const survey = await surveyLog(source, options)
  if (survey.survived === 0)
    throw new PolityError('not-found', `no entry of ${source.name} survived: start a new hub instead`, {
      damage: survey.damage?.message,
    })
  return buildFolder(dir, (aside) => build(source, survey, aside, options))
}

const prunedLog = ({ name, minimumIndex }: TransferSource): PolityError =>
  new PolityError(
    'log.pruned',
    `${name} was pruned below ${minimumIndex}: its views cannot be folded under a new name. Restore its newest backup instead`,
    { minimumIndex },
  )

async function build(
  source: TransferSource,
  survey: Survey,
  aside: string,
  options: RecoverOptions,
): Promise<RecoveredLog> {
  const { env } = options
  const paths = dataPaths(aside)
  const realm = survey.realm ?? 'main'
  const origin = newOrigin({ name: realm, env })
  const signer = fileSigner(origin, paths.signingKey, true)
  const vkey = formatVkey(signer.key)
  const predecessor = predecessorOf(source, survey)
  const first = firstEntry(
    { origin, realm, vkey, statements: statementKeyOf(origin, paths) },
    predecessor,
    options,
  )
  const { vaultKey, isVaultKept } = carryVaultKey(options.vaultKeyPaths, paths)
  if (isVaultKept) source.authenticate?.(vaultKey)
  options.copyModules?.(aside)
  const store = sqliteStore(paths.database, 'write')
  chmodSync(paths.database, 0o600)
  await store.migrate()
  const loaded = await loadOrClose(store, () =>
    loadInto(store, source, options, {
      origin,
      first,
      survived: survey.survived,
      rowOf: rowsOf({ vaultKey, isVaultKept, survived: survey.survived, shift: first.length }),
    }),
  )
  const checkpoint = await sign(store, { origin, signer, vaultKey }, options)
  writeWholeFile(paths.vkey, `${vkey}\n`)
  writeWholeFile(paths.checkpoint, checkpoint)
  await sealDatabase(paths.database)
  const { vkey: _, checkpoint: __, ...shown } = predecessor
  return {
    origin,
    vkey,
    size: loaded.size,
    predecessor: shown,
    rows: loaded.rows,
    isVaultKept,
    ...(survey.damage === undefined ? {} : { damage: survey.damage.message }),
  }
}

const predecessorOf = (source: TransferSource, { survived, proven, known, checkpoint }: Survey) => ({
  origin: source.origin,
  vkey: source.vkey,
  ...(checkpoint === undefined ? {} : { checkpoint }),
  size: known,
  survived,
  proven,
  gap: known - survived,
})

interface Names {
  readonly origin: string
  readonly realm: string
  readonly vkey: string
  readonly statements: Uint8Array
}

const statementKeyOf = (origin: string, { statementKey }: DataPaths): Uint8Array =>
  fileSigner(`${origin}/statements`, statementKey, true).key.publicKey

function firstEntry(
  { origin, realm, vkey, statements }: Names,
  predecessor: ReturnType<typeof predecessorOf>,
  { env, release }: RecoverOptions,
): readonly string[] {
  const opened = LogOpened({
    origin,
    realm,
    vkey,
    statementKey: { keyid: keyidOf(statements), publicKey: Buffer.from(statements).toString('base64') },
    release,
    predecessor,
  })
  const shared = { source: `polity://${realm}`, actor: HUB_ACTOR, correlationid: env.id() }
  return seal([opened], shared, env, new KnownOpenings()).entries
}

/** A vault whose key is lost opens nothing any more; its place takes a new one. */
function carryVaultKey(
  places: readonly string[],
  paths: DataPaths,
): { readonly vaultKey: Uint8Array; readonly isVaultKept: boolean } {
  const place = places.find((each) => existsSync(each))
  // The folder may be anybody's: a pipe would never end.
  const isKey = place === undefined || isFileOf(place, MASTER_KEY_SIZE_BYTES)
  if (!isKey)
    throw new PolityError(
      'data.unwritable',
      `${place} is not a vault key of ${MASTER_KEY_SIZE_BYTES} bytes: restore it, or move it away to go on without private payloads`,
    )
  const vaultKey = place === undefined ? randomBytes(MASTER_KEY_SIZE_BYTES) : readFileSync(place)
  writeSecretFile(paths.vaultKey, vaultKey)
  return { vaultKey, isVaultKept: place !== undefined }
}

function isFileOf(path: string, sizeBytes: number): boolean {
  const stat = statSync(path)
  return stat.isFile() && stat.size === sizeBytes
}

async function loadOrClose<T>(store: Store, load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Sealed under a key derived from the vault's: nothing of it can be opened without that. */
const VAULT_TABLES = new Set([
  VAULT_KEYS,
  VAULT_PAYLOADS,
  VAULT_INDEX,
  VAULT_DEAD,
  ...RUN_TABLES,
  IDEMPOTENCY,
])

interface Carrying {
  readonly vaultKey: Uint8Array
  readonly isVaultKept: boolean
  readonly survived: number
  /** How many entries stand before the first one that survived. */
  readonly shift: number
}

/** Rows of the old log as the new one has them. */
function rowsOf({ vaultKey, isVaultKept, survived, shift }: Carrying) {
  return (row: StoredRow): StoredRow | undefined => {
    const { table, key } = row
    // They describe the old log itself: its name, its checkpoints, who cosigned it.
    if (table.startsWith('log.')) return undefined
    if (!isVaultKept && VAULT_TABLES.has(table)) return undefined
    if (table === SYSTEM && key === OPENED)
      return { ...row, value: JSON.stringify(vaultMarkOf({ vaultKey })) }
    return carriedOver(row, { survived, shift })
  }
}

interface Signing {
  readonly origin: string
  readonly signer: LocalSigner
  readonly vaultKey: Uint8Array
}

/** Opens the log once, as a hub does, so that it is signed and anchored; closes the store. */
async function sign(store: Store, signing: Signing, options: RecoverOptions): Promise<string> {
  const anchorPath = options.anchorPath ?? defaultAnchorPath(signing.origin, process.env)
  let failure: PolityError | undefined
  const keep = (error: PolityError) => {
    failure ??= error
  }
  const sequencer = await openSequencer({
    ...signing,
    store,
    views: options.views,
    anchor: fileAnchor(anchorPath),
    env: options.env,
    publishIntervalMs: 0,
    onPublished: () => undefined,
    onFailure: keep,
    onLost: keep,
  })
  await sequencer.close()
  const checkpoint = readAnchor(anchorPath)
  if (checkpoint !== undefined) return checkpoint
  throw failure ?? new PolityError('signer.failed', 'the new log could not be signed')
}
