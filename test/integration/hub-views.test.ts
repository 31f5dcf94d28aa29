// Rebuild equals live: whatever a hub was asked to do, its views are nothing but the fold of its log.

import { rmSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { rebuildViews, replaceViews } from '../../src/kernel/audit/rebuild.ts'
import { tokens } from '../../src/kernel/identity/contract.ts'
import { LOG_VIEWS } from '../../src/kernel/log/catch-up.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { viewsOf } from '../../src/kernel/log/view.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { attest } from '../../src/modules/attest/module.ts'
import { documents } from '../../src/modules/state/contract.ts'
import { state } from '../../src/modules/state/module.ts'
import { errorOf, openTestHub, owner, somebody, tempFolder } from './lab/hubs.ts'
import { lab } from './lab/module.ts'

const modules = [lab(), state, attest]
const views = [...viewsOf({ tokens }), ...modules.flatMap(({ contract }) => viewsOf(contract))]

const key = fc.constantFrom('a', 'b', 'a/b', 'é', 'e\u0301', '😀')
const namespace = fc.constantFrom('n', 'n.x', 'n-x')
const value = fc.oneof(fc.integer(), fc.string(), fc.dictionary(fc.string(), fc.array(fc.integer())))
const act = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('put' as const), namespace, key, value, stale: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('erase' as const), namespace, key }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('token' as const), id: fc.constantFrom('ann', 'bob') }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke' as const), nth: fc.nat(10) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('count' as const),
      counter: fc.constantFrom('x', 'y'),
      times: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('work' as const), steps: fc.nat(3) }) },
)
type Act = typeof act extends fc.Arbitrary<infer A> ? A : never

async function perform(hub: Hub, each: Act, issued: string[]): Promise<void> {
  switch (each.kind) {
    case 'put': {
      const input = { namespace: each.namespace, key: each.key, value: each.value }
      if (each.stale) await errorOf(hub.invoke(somebody, 'state.put', { ...input, ifVersion: 99 }))
      else await hub.invoke(somebody, 'state.put', input)
      return
    }
    case 'erase':
      await hub.invoke(owner, 'vault.erase', { subject: `state/${each.namespace}/${each.key}` })
      return
    case 'token': {
      const answer = await hub.invoke(owner, 'token.create', { kind: 'user', id: each.id })
      if (answer.status === 'done') issued.push((answer.output as { id: string }).id)
      return
    }
    case 'revoke': {
      const id = issued[each.nth]
      if (id !== undefined) await hub.invoke(owner, 'token.revoke', { id })
      return
    }
    case 'count':
      await Promise.all(
        Array.from({ length: each.times }, () =>
          hub.invoke(owner, 'lab.increment', { counter: each.counter }),
        ),
      )
      return
    case 'work':
      await hub.invoke(owner, 'lab.work', { steps: each.steps, secret: 's' })
  }
}

describe('the views of a hub', () => {
  it('are what a fresh fold of its log gives', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 25 }), async (acts) => {
        const { dir, anchorPath, root } = tempFolder()
        const hub = await openTestHub('sqlite', { modules, dir, anchorPath })
        const issued: string[] = []
        for (const each of acts) await perform(hub, each, issued)
        const live = await Promise.all(
          views.map(async (view) => [`${view.name}@${view.version}`, await hub.views.digest(view)]),
        )
        await hub.close()
        const store = sqliteStore(dataPaths(dir).database, 'read')
        const rebuilt = await rebuildViews(store, views)
        await store.close()
        for (const { view, isEqual, firstDifference } of rebuilt)
          expect(isEqual, `${view}: ${firstDifference}`).toBe(true)
        expect(rebuilt.map(({ view, digest }) => [view, digest])).toEqual(live)
        rmSync(root, { recursive: true })
      }),
      { numRuns: 6, endOnFailure: true },
    )
  })

  it('would not hide a row that the log does not explain', async () => {
    const { dir, anchorPath } = tempFolder()
    const hub = await openTestHub('sqlite', { modules, dir, anchorPath })
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value: 1 })
    await hub.close()
    const store = sqliteStore(dataPaths(dir).database, 'write')
    await store.commit({
      entries: [],
      nodes: [],
      rows: [{ table: `view:${documents.name}@1`, key: 'n/forged', version: 1, value: '{"value":1}' }],
    })
    const [found] = await rebuildViews(store, viewsOf({ documents }))
    expect(found).toMatchObject({ isEqual: false, firstDifference: 'n/forged' })
    await store.close()
  })

  it('put in place by a repair are not folded a second time when the hub opens', async () => {
    const { dir, anchorPath } = tempFolder()
    const open = () => openTestHub('sqlite', { modules, dir, anchorPath })
    const hub = await open()
    await hub.invoke(owner, 'state.put', { namespace: 'n', key: 'k', value: 1 })
    await hub.close()
    const store = sqliteStore(dataPaths(dir).database, 'write')
    // As if this release were the first one that has the view.
    const table = `view:${documents.name}@1`
    const drop = [
      { table, key: 'n/k' },
      { table: LOG_VIEWS, key: table },
    ]
    await store.commit({ entries: [], nodes: [], rows: [], drop })
    expect(await replaceViews(store, viewsOf({ documents }))).toMatchObject([{ isEqual: false, rows: 1 }])
    await store.close()
    const { output } = await (await open()).ask(owner, 'state.get', { namespace: 'n', key: 'k' })
    expect(output).toMatchObject({ version: 1, value: 1 })
  })
})
