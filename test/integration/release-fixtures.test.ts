// Every release reads what every earlier one wrote: restored, verified, folded to the same views, and gone on with.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadContracts } from '../../src/doors/cli/contracts.ts'
import { rebuildViews } from '../../src/kernel/audit/rebuild.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { verifyExport } from '../../src/kernel/audit/verify/export.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { viewsOfContracts } from '../../src/kernel/log/upcast.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { openBackup } from '../../src/kernel/transfer/backup-source.ts'
import { restoreBackup } from '../../src/kernel/transfer/restore.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { mirror } from '../../src/modules/mirror/module.ts'
import { state } from '../../src/modules/state/module.ts'
import { openTestHub, tempFolder } from './lab/hubs.ts'
import { entriesOf } from './transfer-lab.ts'

const RELEASES = join(import.meta.dirname, '../fixtures/releases')

interface Expected {
  readonly size: number
  readonly documents: { readonly items: readonly { readonly value: unknown }[] }
  readonly views: Readonly<Record<string, string>>
}

describe.each(readdirSync(RELEASES))('the log of release %s', (release) => {
  const backup = join(RELEASES, release, 'backup')
  const expected = JSON.parse(readFileSync(join(RELEASES, release, 'expected.json'), 'utf8')) as Expected

  async function restored() {
    const place = tempFolder()
    const source = await openBackup(backup)
    if (source === undefined) throw new Error(`there is no manifest in ${backup}`)
    const views = viewsOfContracts(await loadContracts())
    const answer = await restoreBackup(source, place.dir, { views })
    return { place, views, answer, source }
  }

  const verified = (
    { dir, anchorPath }: ReturnType<typeof tempFolder>,
    views: ReturnType<typeof viewsOfContracts>,
  ) => verifyData(dir, { env: {}, anchorPath, views, vaultKey: readFileSync(dataPaths(dir).vaultKey) })

  it('is restored and verified, its views as they were', async () => {
    const { place, views, answer, source } = await restored()
    expect(answer).toMatchObject({ size: expected.size, missingKeys: [], vault: { shut: 0 } })
    expect(await verified(place, views)).toMatchObject({ isSealed: true, log: { size: expected.size } })
    expect(await verifyExport(backup, { vkey: source.vkey })).toMatchObject({ log: { isPinned: true } })
    const store = sqliteStore(dataPaths(place.dir).database, 'read')
    const digests = Object.fromEntries(
      (await rebuildViews(store, views)).map(({ view, digest }) => [view, digest]),
    )
    await store.close()
    // A view that has a new version since is folded anew, from the same entries.
    for (const [view, digest] of Object.entries(expected.views))
      expect(digests[view] ?? digest, view).toBe(digest)
    expect(Object.keys(expected.views).some((view) => view in digests)).toBe(true)
  })

  it('opens in a hub: documents are readable, what was erased stays so, and it goes on', async () => {
    const { place, views } = await restored()
    const before = await entriesOf(place.dir)
    const hub = await openTestHub('sqlite', { modules: [state, mirror, attest], ...place })
    const owner = await hub.identity.byToken(hub.ownerToken)
    const list = async () => (await hub.ask(owner, 'state.list', { namespace: 'fixture' })).output
    expect(await list()).toEqual(expected.documents)
    expect(JSON.stringify(await list())).toContain('$erased')
    expect(JSON.stringify(await list())).not.toContain('never be read again')
    const { status } = await hub.invoke(owner, 'state.put', {
      namespace: 'fixture',
      key: 'new',
      value: release,
    })
    expect(status).toBe('done')
    await hub.close()
    expect((await entriesOf(place.dir)).slice(0, before.length)).toEqual(before)
    await verified(place, views)
  })
})
