// A release that changes an entry type: the log keeps its bytes, and writer, catch-up, rebuild and verify all fold the lifted entries.

import { describe, expect, it } from 'vitest'
import { rebuildViews, replaceViews } from '../../src/kernel/audit/rebuild.ts'
import { verifyData } from '../../src/kernel/audit/verify/data.ts'
import { defineModule, type Module } from '../../src/kernel/catalog/module.ts'
import { dataPaths } from '../../src/kernel/log/layout.ts'
import { upcast, viewsOfContracts } from '../../src/kernel/log/upcast.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import * as first from './birds/release-1.ts'
import * as second from './birds/release-2.ts'
import { codeOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'
import { entriesOf, rowsOf } from './transfer-lab.ts'

const birds1: Module = defineModule(
  'birds',
  { url: new URL('./birds/release-1.ts', import.meta.url).href, exports: first },
  {
    commands: [
      first.weigh.handle((ctx, { bird, weight }) => {
        ctx.record(first.Weighed({ bird, ounces: weight }))
        return {}
      }),
    ],
  },
)
const birds2: Module = defineModule(
  'birds',
  { url: new URL('./birds/release-2.ts', import.meta.url).href, exports: second },
  {
    commands: [
      second.weigh.handle((ctx, { bird, weight }) => {
        ctx.record(second.Weighed({ bird, grams: weight }))
        return {}
      }),
    ],
  },
)
const views = viewsOfContracts([second])

/** A folder in which the first release weighed birds, and the second one went on. */
async function upgraded() {
  const place = tempFolder()
  const old = await openTestHub('sqlite', { modules: [birds1], ...place })
  await old.invoke(owner, 'birds.weigh', { bird: 'owl', weight: 10 })
  await old.invoke(owner, 'birds.weigh', { bird: 'jay', weight: 1 })
  await old.close()
  const before = await entriesOf(place.dir)
  const hub = await openTestHub('sqlite', { modules: [birds2], ...place })
  const weights = async () =>
    (await hub.views.list(second.weights, { limit: 10 })).map(({ key, value }) => ({ key, ...value }))
  return { place, before, hub, weights }
}

describe('a new release', () => {
  it('folds what the old one wrote as if it had said it in its own words', async () => {
    const { place, before, hub, weights } = await upgraded()
    expect(await weights()).toEqual([
      { key: 'jay', grams: 28, times: 1 },
      { key: 'owl', grams: 280, times: 1 },
    ])
    await hub.invoke(owner, 'birds.weigh', { bird: 'owl', weight: 300 })
    expect(await weights()).toEqual([
      { key: 'jay', grams: 28, times: 1 },
      { key: 'owl', grams: 300, times: 2 },
    ])
    await hub.close()
    expect((await entriesOf(place.dir)).slice(0, before.length)).toEqual(before)
    const { anchorPath } = place
    expect(await verifyData(place.dir, { env: {}, anchorPath, views })).toMatchObject({ views: 1 })
    // The table of the old version is gone, and nothing is left aside.
    const tables = await rowsOf(place.dir, (table) => table.includes('birds.weights'))
    expect(new Set(tables.map(({ table }) => table))).toEqual(new Set(['view:birds.weights@2']))
  })

  it('rebuilds the same, and puts a forged row right in one step', async () => {
    const { place, hub } = await upgraded()
    await hub.close()
    const store = sqliteStore(dataPaths(place.dir).database, 'write')
    const row = { table: 'view:birds.weights@2', key: 'dodo', version: 1, value: '{"grams":1}' }
    await store.commit({ entries: [], nodes: [], rows: [row] })
    expect(await replaceViews(store, views)).toMatchObject([{ isEqual: false, firstDifference: 'dodo' }])
    expect(await rebuildViews(store, views)).toMatchObject([{ isEqual: true, rows: 2 }])
    await store.close()
    expect(await rowsOf(place.dir, (table) => table.startsWith('shadow:'))).toEqual([])
  })

  it('whose upcasters leave a gap does not open, and leaves the folder to the old one', async () => {
    const place = tempFolder()
    const old = await openTestHub('sqlite', { modules: [birds1], ...place })
    await old.close()
    const { inGrams: _, ...rest } = second
    const { Weighed, WeighedInOunces } = second
    const gap = { ...rest, back: upcast(Weighed, WeighedInOunces, ({ bird }) => ({ bird, ounces: 0 })) }
    const broken: Module = { ...birds2, contract: gap }
    expect(await codeOf(openTestHub('memory', { modules: [broken] }))).toBe('log.unsupported')
    const again = await openTestHub('sqlite', { modules: [birds1], ...place })
    await again.invoke(owner, 'birds.weigh', { bird: 'owl', weight: 10 })
  })
})
