// A pruned log still proves itself: in its folder, exported and over HTTP, and whoever bends it is found.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { openHub } from '../../src/hub.ts'
import { exportLog } from '../../src/kernel/audit/export.ts'
import { rebuildViews } from '../../src/kernel/audit/rebuild.ts'
import { openSource } from '../../src/kernel/audit/sources/sources.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { verifyExport } from '../../src/kernel/audit/verify/export.ts'
import { verifyLog } from '../../src/kernel/audit/verify/verify.ts'
import { defineModule, type Module } from '../../src/kernel/catalog/module.ts'
import { identityContract } from '../../src/kernel/identity/identity.ts'
import { dataPaths, numberKey } from '../../src/kernel/log/layout.ts'
import { LOG_KEPT } from '../../src/kernel/log/pruning.ts'
import { viewsOf } from '../../src/kernel/log/view.ts'
import * as retentionContract from '../../src/kernel/retention/contract.ts'
import { retentionState } from '../../src/kernel/retention/contract.ts'
import { snapshotTable } from '../../src/kernel/retention/snapshot.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { systemContract } from '../../src/kernel/system/module.ts'
import * as stateContract from '../../src/modules/state/contract.ts'
import { documents } from '../../src/modules/state/contract.ts'
import { state } from '../../src/modules/state/module.ts'
import { errorOf, openTestHub, settle, tempFolder } from './lab/hubs.ts'
import { lab } from './lab/module.ts'
import { actorsOn, agedHub, movedClock } from './retention-fixture.ts'
import * as lateContract from './retention-late.contract.ts'

const VIEWS = [identityContract.exports, systemContract.exports, retentionContract, stateContract].flatMap(
  viewsOf,
)

/** A folder whose log was pruned below 256, and once more below a later tile when asked. */
async function prunedFolder(times = 1) {
  const place = tempFolder()
  const clock = movedClock()
  const aged = await agedHub('sqlite', place, clock)
  for (let round = 0; round < times; round++) {
    await aged.write(100, `r${round}-`)
    clock.pass(184)
    await aged.write(2, `y${round}-`)
    await aged.act('log.prune', {})
  }
  await settle(aged.hub)
  const minimumIndex = (await aged.hub.retention.notice()).minimumIndex
  return { ...aged, ...place, clock, minimumIndex }
}

type Pruned = Awaited<ReturnType<typeof prunedFolder>>

const check = ({ dir, anchorPath }: Pruned) =>
  verifyData(dir, { env: {}, anchorPath, views: VIEWS, vaultKey: readFileSync(dataPaths(dir).vaultKey) })

/** Writes past the hub, as a disk or an intruder would. */
async function tamper(dir: string, change: (store: ReturnType<typeof sqliteStore>) => Promise<void>) {
  const store = sqliteStore(dataPaths(dir).database, 'write')
  await change(store).finally(() => store.close())
}

const bent = (table: string, key: string, value: string) => (store: ReturnType<typeof sqliteStore>) =>
  store.commit({ entries: [], nodes: [], rows: [{ table, key, version: 1, value }] })

describe('a pruned log', () => {
  it.each([1, 2])(
    'verifies from its folder after %i prunings, views and evidence included',
    async (times) => {
      const pruned = await prunedFolder(times)
      expect(pruned.minimumIndex).toBe(256 * times)
      await pruned.hub.close()
      const { log, views, isSealed } = await check(pruned)
      expect(log).toMatchObject({
        minimumIndex: 256 * times,
        entries: log.size - 256 * times,
        unsignedTail: 0,
      })
      expect({ views, isSealed }).toEqual({ views: VIEWS.length, isSealed: true })
    },
  )

  it('opens again, keeps every document, and goes on', async () => {
    const pruned = await prunedFolder()
    await pruned.hub.close()
    const hub = await openTestHub('sqlite', {
      dir: pruned.dir,
      anchorPath: pruned.anchorPath,
      env: pruned.clock.env,
      modules: [state],
    })
    const { act, ask } = actorsOn(hub)
    expect(await ask('state.get', { namespace: 'ns', key: 'r0-0' })).toMatchObject({
      value: { secret: 'r0-0' },
    })
    expect(await act('state.put', { namespace: 'ns', key: 'r0-0', value: 2 })).toMatchObject({ version: 2 })
    expect((await hub.log.entry(0)).entry.type).toBe('log.opened@1')
    expect(await errorOf(hub.log.entry(1))).toMatchObject({ code: 'log.pruned', status: 410 })
    expect(await errorOf(hub.log.prove(1))).toMatchObject({ code: 'log.pruned' })
    await hub.close()
    await check(pruned)
  })

  it('takes in a module that misses nothing, and refuses one whose entries went', async () => {
    const pruned = await prunedFolder()
    await pruned.hub.close()
    const reopen = (...modules: Module[]) =>
      openHub({
        dir: pruned.dir,
        anchorPath: pruned.anchorPath,
        env: pruned.clock.env,
        modules: [state, ...modules],
      })
    const url = new URL('./retention-late.contract.ts', import.meta.url).href
    const refused = await errorOf(reopen(defineModule('late', { url, exports: lateContract }, {})))
    expect(refused).toMatchObject({
      code: 'log.unsupported',
      facts: { table: 'view:late.writes@1', minimumIndex: 256 },
    })
    const hub = await reopen(lab())
    expect(await actorsOn(hub).act('lab.increment', { counter: 'c' })).toMatchObject({ count: 1 })
    await hub.close()
    expect((await check(pruned)).views).toBe(VIEWS.length)
  })

  it('is exported as C2SP demands, and the export verifies', async () => {
    const pruned = await prunedFolder(2)
    const { hub, root, dir, minimumIndex } = pruned
    const out = join(root, 'export')
    const store = sqliteStore(dataPaths(dir).database, 'read')
    onTestFinished(() => store.close())
    await exportLog(store, hub.log.head(), out, { vkey: hub.log.vkey })
    const retention = JSON.parse(readFileSync(join(out, 'retention.json'), 'utf8'))
    expect(retention).toEqual({ minimumIndex, kept: [expect.objectContaining({ seq: 0 })] })
    expect((await verifyExport(out, { vkey: hub.log.vkey })).log).toMatchObject({ minimumIndex })

    // A beginning that nobody announced cannot be left out.
    const claim = (claimed: object) =>
      writeFileSync(join(out, 'retention.json'), `${JSON.stringify({ ...retention, ...claimed })}\n`)
    claim({ minimumIndex: minimumIndex + 256 })
    expect(await errorOf(verifyExport(out))).toMatchObject({ code: 'verify.failed' })
    claim({ kept: [] })
    expect(await errorOf(verifyExport(out))).toMatchObject({ facts: { reason: 'pruned', seq: 0 } })
    const [opened] = retention.kept
    const forged = { ...opened, text: opened.text.replace('main', 'mine') }
    claim({ kept: [forged] })
    expect(await errorOf(verifyExport(out))).toMatchObject({ facts: { reason: 'pruned', seq: 0 } })
    // What is checked by nothing else is not there.
    claim({ days: 1 })
    expect(await errorOf(verifyExport(out))).toMatchObject({ facts: { reason: 'pruned' } })
  })

  it('is served with the policy, answers 410 for what went, and verifies over HTTP', async () => {
    const { hub, minimumIndex } = await prunedFolder()
    await using served = await serve(hub)
    const { status, json, headers } = await served.anyone('/log/retention')
    expect([status, headers['cache-control']]).toEqual([200, 'no-cache'])
    expect(json).toMatchObject({ days: 183, minimumIndex, holds: 0, oldest: { seq: minimumIndex } })
    for (const [path, client] of [
      ['/log/tile/0/000', served.anyone],
      ['/log/tile/entries/000', served.owner],
      ['/log/proof/7', served.owner],
      ['/v1/log/entries/7', served.owner],
    ] as const) {
      const answer = await client(path)
      expect([path, answer.status, (answer.json as { code: string }).code]).toEqual([path, 410, 'log.pruned'])
    }
    expect((await served.anyone('/log/tile/1/000.p/1')).status).toBe(200)
    expect((await served.anyone('/log/kept')).status).toBe(401)
    const source = await openSource(served.url, { env: {}, token: served.token })
    expect(await verifyLog(source, { vkey: hub.log.vkey })).toMatchObject({ minimumIndex })
  })

  it('does not verify once a snapshot was changed', async () => {
    const pruned = await prunedFolder()
    await pruned.hub.close()
    await tamper(
      pruned.dir,
      bent(snapshotTable(256, documents), 'ns/r0-0', '{"version":1,"value":{"value":{"$private":"x"}}}'),
    )
    expect(await errorOf(check(pruned))).toMatchObject({ code: 'verify.failed' })
  })

  it.each([
    ['a kept entry', bent(LOG_KEPT, numberKey(0), '{"text":"{}","proof":"x"}')],
    [
      'kept evidence that is gone',
      (store: ReturnType<typeof sqliteStore>) =>
        store.commit({ entries: [], nodes: [], rows: [], drop: [{ table: LOG_KEPT, key: numberKey(0) }] }),
    ],
  ])('does not verify with %s', async (_, change) => {
    const pruned = await prunedFolder()
    await pruned.hub.close()
    await tamper(pruned.dir, change)
    expect(await errorOf(check(pruned))).toMatchObject({ code: 'verify.failed' })
  })

  it('does not pass for pruned where entries were merely removed', async () => {
    const place = tempFolder()
    const aged = await agedHub('sqlite', place)
    await aged.write(200)
    await settle(aged.hub)
    await aged.hub.close()
    await tamper(place.dir, (store) => store.commit({ entries: [], nodes: [], rows: [], pruneBelow: 256 }))
    const error = await errorOf(
      verifyData(place.dir, { env: {}, anchorPath: place.anchorPath, views: VIEWS }),
    )
    expect(error).toMatchObject({ code: 'verify.failed', facts: { reason: 'pruned' } })
    expect(error.message).toContain('nothing in the log says that they were pruned')
  })

  it('rebuilds from the snapshot what a damaged view lost', async () => {
    const pruned = await prunedFolder()
    await pruned.hub.close()
    await tamper(pruned.dir, bent('view:state.documents@1', 'ns/r0-0', '{"value":1}'))
    const store = sqliteStore(dataPaths(pruned.dir).database, 'read')
    onTestFinished(() => store.close())
    const rebuilt = await rebuildViews(
      store,
      VIEWS.filter(({ name }) => name === documents.name || name === retentionState.name),
    )
    expect(rebuilt.map(({ isEqual, firstDifference }) => [isEqual, firstDifference])).toEqual([
      [true, undefined],
      [false, 'ns/r0-0'],
    ])
  })
})
