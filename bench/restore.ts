// The care of a large log: backup, restore and rebuild, with a plain copy of the same bytes beside them.

import { cpSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rebuildViews } from '../src/kernel/audit/rebuild.ts'
import { dataPaths } from '../src/kernel/log/layout.ts'
import { viewsOfContracts } from '../src/kernel/log/upcast.ts'
import { sqliteStore } from '../src/kernel/store/sqlite/sqlite-store.ts'
import { writeBackup } from '../src/kernel/transfer/backup.ts'
import { openBackup } from '../src/kernel/transfer/backup-source.ts'
import { openDataFolder } from '../src/kernel/transfer/data-source.ts'
import { restoreBackup } from '../src/kernel/transfer/restore.ts'
import { state } from '../src/modules/state/module.ts'
import { fillGoverned, openGovernedRealm } from './fill-governed.ts'
import { ENTRIES, env } from './fill-log.ts'
import { openReport, timed } from './report.ts'

type Report = ReturnType<typeof openReport>

const SIZE = ENTRIES.toLocaleString('en')
const WHAT = `a log of ${SIZE} entries, a third of them documents with a private value`
const views = viewsOfContracts([state.contract])

export async function benchRestore(): Promise<void> {
  const report = openReport('restore')
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-restore-'))
  try {
    process.stderr.write(`  filling a log of ${SIZE} entries ...\n`)
    const realm = await openGovernedRealm(dir, join(dir, 'anchor'))
    await fillGoverned(realm, ENTRIES)
    await realm.close()
    await rebuild(report, join(dir, 'data'))
    await drill(report, dir)
    report.print()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const seconds = (durationMs: number): string => `${(durationMs / 1000).toFixed(1)} s`

async function rebuild(report: Report, data: string): Promise<void> {
  const store = sqliteStore(dataPaths(data).database, 'read')
  let areEqual = false
  const rebuiltMs = await timed(async () => {
    areEqual = (await rebuildViews(store, views)).every(({ isEqual }) => isEqual)
  })
  await store.close()
  if (!areEqual) throw new Error('the rebuilt views are not the live ones')
  report.add({
    name: `rebuild, ${SIZE} entries`,
    value: seconds(rebuiltMs),
    target: '< 60 s',
    isMet: rebuiltMs < 60_000,
    method: `every view of ${WHAT} folded again beside the live one, and both compared row by row`,
  })
}

async function drill(report: Report, dir: string): Promise<void> {
  const data = join(dir, 'data')
  const backup = join(dir, 'backup')
  const copyMs = await timed(async () => cpSync(data, join(dir, 'copy'), { recursive: true }))
  const backedUpMs = await timed(() => backUp(dir, backup))
  const againMs = await timed(() => backUp(dir, backup))
  const restoredMs = await timed(async () => {
    const source = await openBackup(backup)
    if (source === undefined) throw new Error('the backup has no manifest')
    await restoreBackup(source, join(dir, 'restored'), { views })
  })
  const sizeMiB = Math.round(statSync(dataPaths(data).database).size / 2 ** 20)
  report.add({
    name: 'backup',
    value: seconds(backedUpMs),
    method: `${WHAT} (${sizeMiB} MiB) into a new folder, every file synced; a plain copy of the data folder, not synced, takes ${seconds(copyMs)}`,
  })
  report.add({
    name: 'backup, again',
    value: seconds(againMs),
    method: 'into the same folder, with nothing new: every byte is read and compared',
  })
  report.add({
    name: 'restore drill',
    value: seconds(restoredMs),
    method:
      'every file checked by its digest, every entry hashed into the tree and that compared with the signed root, views folded, every private payload opened, database sealed',
  })
}

async function backUp(dir: string, to: string): Promise<void> {
  const data = join(dir, 'data')
  const source = await openDataFolder({ dir: data }, join(dir, 'anchor'))
  if (source.head === undefined) throw new Error('the log has no checkpoint')
  const { reader, vkey, head } = source
  await writeBackup(reader, head, to, { vkey, env, release: 'bench', dataDir: data, isWithKeys: true })
  await source.close()
}
