// A hub's folder with something of everything, for tests that carry it elsewhere; and what can be asked of it before and after.

import { hash } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { rebuildViews } from '../../src/kernel/audit/rebuild.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { identityContract } from '../../src/kernel/identity/identity.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { viewsOfContracts } from '../../src/kernel/log/upcast.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import type { StoredRow } from '../../src/kernel/store/store.ts'
import { systemContract } from '../../src/kernel/system/module.ts'
import { type Backup, writeBackup } from '../../src/kernel/transfer/backup.ts'
import { openBackup } from '../../src/kernel/transfer/backup-source.ts'
import { openDataFolder } from '../../src/kernel/transfer/data-source.ts'
import { formatManifest, type Manifest } from '../../src/kernel/transfer/manifest.ts'
import { type RestoredBackup, type RestoreOptions, restoreBackup } from '../../src/kernel/transfer/restore.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { openTestHub, owner, tempFolder } from './lab/hubs.ts'
import { lab } from './lab/module.ts'

export const modules = [lab(), state, attest]
export const views = viewsOfContracts([
  identityContract.exports,
  systemContract.exports,
  ...modules.map(({ contract }) => contract),
])

export interface Place {
  readonly root: string
  readonly dir: string
  readonly anchorPath: string
}

export const openAt = ({ dir, anchorPath }: Pick<Place, 'dir' | 'anchorPath'>): Promise<Hub> =>
  openTestHub('sqlite', { modules, dir, anchorPath })

/** A closed hub: documents, one erased and one written again since, a token, a run, an attestation. */
export async function livedIn(
  documents = 3,
  place: Place = tempFolder(),
): Promise<Place & { readonly token: string }> {
  const { dir, anchorPath } = place
  const hub = await openHub({ modules, dir, anchorPath, publishIntervalMs: 1 })
  const put = (key: string, value: unknown) => hub.invoke(owner, 'state.put', { namespace: 'n', key, value })
  for (let n = 0; n < documents; n++) await put(`k${n}`, { secret: `value ${n}` })
  await put('gone', 'must not come back')
  await put('again', 'first')
  await hub.invoke(owner, 'vault.erase', { subject: 'state/n/gone' })
  await hub.invoke(owner, 'vault.erase', { subject: 'state/n/again' })
  await put('again', 'written again')
  const issued = await hub.invoke(owner, 'token.create', { kind: 'user', id: 'ann', roles: ['owner'] })
  await hub.invoke(owner, 'lab.work', { steps: 2, secret: 'of the run' })
  await hub.invoke(owner, 'attest.sign', {
    predicateType: 'https://example.org/seen/v1',
    subjects: [{ name: 'a.txt', digest: { sha256: '0'.repeat(64) } }],
    predicate: { seen: true },
  })
  await hub.close()
  const { token } = (issued as unknown as { output: { token: string } }).output
  return { ...place, token }
}

/** What every reader of the documents is told. */
export async function documentsOf(hub: Hub): Promise<unknown> {
  const answer = await hub.ask(owner, 'state.list', { namespace: 'n' })
  return answer.output
}

export const LIVED_IN_DOCUMENTS = [
  { namespace: 'n', key: 'again', version: 2, value: 'written again' },
  { namespace: 'n', key: 'gone', version: 1, value: { $erased: expect.any(String) } },
  { namespace: 'n', key: 'k0', version: 1, value: { secret: 'value 0' } },
  { namespace: 'n', key: 'k1', version: 1, value: { secret: 'value 1' } },
  { namespace: 'n', key: 'k2', version: 1, value: { secret: 'value 2' } },
]

/** Verifies a folder as `polity verify` does, vault and views included. */
export const verifyFolder = ({ dir, anchorPath }: Pick<Place, 'dir' | 'anchorPath'>) =>
  verifyData(dir, { env: {}, anchorPath, views, vaultKey: readFileSync(dataPaths(dir).vaultKey) })

/** Digest of every view, which is also the one that the log tells. */
export async function digestsOf(dir: string): Promise<Record<string, string>> {
  const store = sqliteStore(dataPaths(dir).database, 'read')
  const rebuilt = await rebuildViews(store, views)
  await store.close()
  return Object.fromEntries(
    rebuilt.map(({ view, digest, isEqual }) => [view, isEqual ? digest : 'not what the log tells']),
  )
}

/** Every row of some tables. */
export async function rowsOf(dir: string, isWanted: (table: string) => boolean): Promise<StoredRow[]> {
  const store = sqliteStore(dataPaths(dir).database, 'read')
  const rows = await store.rows({ limit: 1_000_000 })
  await store.close()
  return rows.filter(({ table }) => isWanted(table))
}

export async function entriesOf(dir: string) {
  const store = sqliteStore(dataPaths(dir).database, 'read')
  const entries = await store.entries({ from: 0, to: 1_000_000, limit: 1_000_000 })
  await store.close()
  return entries.map(({ seq, bytes, leaf }) => ({
    seq,
    text: Buffer.from(bytes).toString(),
    leaf: Buffer.from(leaf).toString('hex'),
  }))
}

export async function backUp(
  { dir, anchorPath }: Pick<Place, 'dir' | 'anchorPath'>,
  to: string,
  isWithKeys = true,
): Promise<Backup> {
  const source = await openDataFolder({ dir }, anchorPath)
  try {
    if (source.head === undefined) throw new Error('there is no checkpoint')
    return await writeBackup(source.reader, source.head, to, {
      vkey: source.vkey,
      env: systemEnv(),
      release: 'test',
      dataDir: dir,
      isWithKeys,
    })
  } finally {
    await source.close()
  }
}

interface Written {
  readonly manifest: Manifest
  readonly mac?: string
}

export const writtenIn = (backup: string): Written =>
  JSON.parse(readFileSync(join(backup, 'manifest.json'), 'utf8'))

/** As whoever can write to a backup changes its manifest: the digest fits, and with the vault's key the code, too. */
export function forgeManifest(
  backup: string,
  change: (manifest: Manifest) => Manifest,
  vaultKey?: Uint8Array,
): void {
  const { manifest, mac } = writtenIn(backup)
  const forged: Written = JSON.parse(formatManifest(change(manifest), vaultKey))
  const text = JSON.stringify({ ...(mac === undefined ? {} : { mac }), ...forged })
  writeFileSync(join(backup, 'manifest.json'), text)
}

/** Changes a file of a backup, and its digest in the manifest with it. */
export function forgeFile(backup: string, path: string, bytes: Uint8Array, vaultKey?: Uint8Array): void {
  writeFileSync(join(backup, path), bytes)
  const digest = { sha256: hash('sha256', bytes, 'hex'), sizeBytes: bytes.length }
  forgeManifest(
    backup,
    (manifest) => ({ ...manifest, files: { ...manifest.files, [path]: digest } }),
    vaultKey,
  )
}

/** The key in a backup that was taken with keys. */
export const vaultKeyOf = (backup: string): Uint8Array => readFileSync(join(backup, 'keys/vault.key'))

/** Paths of all files, relative. */
export const filesIn = (dir: string): string[] =>
  (readdirSync(dir, { recursive: true }) as string[])
    .filter((name) => statSync(join(dir, name)).isFile())
    .sort()

export function copyOf(dir: string, to: string): string {
  cpSync(dir, to, { recursive: true })
  return to
}

/** Throws where there is no manifest. */
export async function restoreFrom(
  from: string,
  dir: string,
  options: Partial<RestoreOptions> = {},
): Promise<RestoredBackup> {
  const source = await openBackup(from)
  if (source === undefined) throw new Error(`there is no manifest in ${from}`)
  return restoreBackup(source, dir, { views, ...options })
}
