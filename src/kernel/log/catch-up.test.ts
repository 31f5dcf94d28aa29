// Views that meet an existing log: new ones, new versions, and ones that come back.

import { describe, expect, it } from 'vitest'
import { systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import { Name } from '../schema/schema.ts'
import { emptyMemoryData, type MemoryData, memoryStore } from '../store/memory/memory-store.ts'
import type { Store } from '../store/store.ts'
import { memoryAnchor } from './anchor.ts'
import { catchUpViews, isDerivedTable, shadowTable } from './catch-up.ts'
import { entryType, sealEntry } from './entry.ts'
import { LIMITS } from './proposal.ts'
import { openSequencer } from './sequencer.ts'
import { keySigner } from './signer.ts'
import { type View, view, viewsOf, viewTable } from './view.ts'

const Seen = entryType('bird.seen@1', { bird: Name })
const Gone = entryType('bird.gone@1', { bird: Name })

const sightings = (version: number): View =>
  viewsOf({
    only: view<{ readonly times: number; readonly last: number }, typeof Seen>('birds', version, {
      from: [Seen, Gone],
      keys: ({ data }) => [data.bird],
      fold: (row, { seq, type }) =>
        type === Gone.name ? null : { times: (row?.value.times ?? 0) + version, last: seq },
    }),
  })[0] as View
const birds = sightings(1)
const birds2 = sightings(2)
const latest = viewsOf({
  only: view<{ readonly seq: number }, typeof Seen>('latest', 1, {
    from: [Seen],
    keys: () => ['latest'],
    fold: (_row, { seq }) => ({ seq }),
  }),
})[0] as View

const env = systemEnv()
const seen = (bird: string) => sealEntry(Seen({ bird }), { source: 'polity://birds' }, env).text
const gone = (bird: string) => sealEntry(Gone({ bird }), { source: 'polity://birds' }, env).text

/** One life of a release with these views, in which these entries are written. */
async function life(
  { data, anchor, signer }: Aviary,
  views: readonly View[],
  texts: readonly string[] = [],
  store: Store = memoryStore(data),
): Promise<void> {
  const sequencer = await openSequencer({
    origin: 'birds.example/log',
    store,
    views,
    signer,
    anchor: memoryAnchor(anchor),
    vaultKey: new Uint8Array(32),
    env,
    publishIntervalMs: 0,
    onPublished: () => undefined,
    onLost: (error) => {
      throw error
    },
    onFailure: (error) => {
      throw error
    },
  })
  try {
    for (let at = 0; at < texts.length; at += LIMITS.entriesPerProposal)
      await sequencer.propose({ entries: texts.slice(at, at + LIMITS.entriesPerProposal) })
  } finally {
    await sequencer.close()
  }
}

interface Aviary {
  readonly data: MemoryData
  readonly anchor: { note?: string }
  readonly signer: ReturnType<typeof keySigner>
}
const aviary = (): Aviary => ({
  data: emptyMemoryData(),
  anchor: {},
  signer: keySigner('birds.example/log'),
})

/** Every row, tombstones too. */
const rowsOf = ({ data }: Aviary, each: View) => Object.fromEntries(data.tables.get(viewTable(each)) ?? [])

/** Tables of views, whole or aside, that hold anything. */
const derivedTablesOf = ({ data }: Aviary) =>
  [...data.tables].flatMap(([table, rows]) => (rows.size > 0 && isDerivedTable(table) ? [table] : []))

/** A store that fails at one of its commits, and at every later one. */
function mortalStore(data: MemoryData, crashAt: number): Store {
  const store = memoryStore(data)
  let commits = 0
  return {
    ...store,
    async commit(batch) {
      if (commits++ >= crashAt) throw new PolityError('store.failed', 'killed')
      await store.commit(batch)
    },
  }
}

/** What the views look like that were there from the first entry on. */
async function foldedFromTheStart({ data: { entries } }: Aviary, views: readonly View[]): Promise<Aviary> {
  const fresh = aviary()
  await life(
    fresh,
    views,
    entries.map(({ bytes }) => Buffer.from(bytes).toString()),
  )
  return fresh
}

async function expectWhole(at: Aviary, ...views: View[]): Promise<void> {
  const fresh = await foldedFromTheStart(at, views)
  for (const each of views) expect(rowsOf(at, each)).toEqual(rowsOf(fresh, each))
}

describe('a view that meets a log', () => {
  it('in a new version is folded from the first entry on', async () => {
    const at = aviary()
    await life(at, [birds], [seen('owl'), seen('owl'), seen('jay'), gone('jay')])
    await life(at, [birds2], [seen('jay')])
    await expectWhole(at, birds2)
    expect(rowsOf(at, birds2)).toEqual({
      owl: { version: 2, value: '{"times":4,"last":1}' },
      jay: { version: 3, value: '{"times":2,"last":4}' },
    })
  })

  it('is there before the first proposal is accepted, so expectations hold against it', async () => {
    const at = aviary()
    await life(at, [], [seen('owl')])
    await life(at, [birds])
    expect(rowsOf(at, birds)).toEqual({ owl: { version: 1, value: '{"times":1,"last":0}' } })
  })

  it('of a module that was added later is folded beside those that went on', async () => {
    const at = aviary()
    await life(at, [birds], [seen('owl'), seen('jay')])
    await life(at, [birds, latest], [seen('owl')])
    await life(at, [birds, latest], [gone('owl')])
    await expectWhole(at, birds, latest)
  })

  it('of a module that was left out goes on where it stopped, however often', async () => {
    const at = aviary()
    await life(at, [birds, latest], [seen('owl')])
    for (let times = 0; times < 3; times++) {
      await life(at, [latest], [seen('owl'), seen('jay')])
      await life(at, [], [gone('owl')])
      await life(at, [birds, latest], [seen('jay')])
      await expectWhole(at, birds, latest)
    }
  })

  it('of an older release goes on after a step back', async () => {
    const at = aviary()
    await life(at, [birds], [seen('owl')])
    await life(at, [birds2], [seen('owl')])
    await life(at, [birds], [seen('jay')])
    await life(at, [birds2])
    await expectWhole(at, birds2)
    await life(at, [birds])
    await expectWhole(at, birds)
  })

  it('costs nothing when nothing has changed', async () => {
    const at = aviary()
    await life(at, [birds], [seen('owl')])
    const store = memoryStore(at.data)
    const refusing: Store = {
      ...store,
      commit: () => Promise.reject(new Error('nothing was to be written')),
      entries: () => Promise.reject(new Error('nothing was to be read')),
    }
    await catchUpViews(refusing, [birds])
  })

  it('is caught up after a crash at any commit of the catching up', async () => {
    const before = aviary()
    const texts = Array.from({ length: 2500 }, (_, n) =>
      n % 7 === 6 ? gone(`b${n % 5}`) : seen(`b${n % 5}`),
    )
    await life(before, [], texts)
    const whole = await foldedFromTheStart(before, [birds, latest])
    for (let crashAt = 0; ; crashAt++) {
      const at = { ...before, data: structuredClone(before.data), anchor: { ...before.anchor } }
      const outcome = await catchUpViews(mortalStore(at.data, crashAt), [birds, latest]).then(
        () => 'whole',
        () => 'killed',
      )
      // Whatever was reached, a reader sees all of a view or nothing.
      for (const each of [birds, latest]) expect([{}, rowsOf(whole, each)]).toContainEqual(rowsOf(at, each))
      await catchUpViews(memoryStore(at.data), [birds, latest])
      for (const each of [birds, latest]) expect(rowsOf(at, each)).toEqual(rowsOf(whole, each))
      if (outcome === 'whole') {
        // Where they stand, two empty shadows, three batches, and each view comes into force.
        expect(crashAt).toBe(8)
        return
      }
    }
  })

  it('in a new version is one version or the other, and at last only the new one, wherever it crashes', async () => {
    const before = aviary()
    const texts = Array.from({ length: 1200 }, (_, n) =>
      n % 5 === 4 ? gone(`b${n % 3}`) : seen(`b${n % 3}`),
    )
    await life(before, [birds], texts)
    const old = rowsOf(before, birds)
    const whole = rowsOf(await foldedFromTheStart(before, [birds2]), birds2)
    for (let crashAt = 0; ; crashAt++) {
      const at = { ...before, data: structuredClone(before.data), anchor: { ...before.anchor } }
      const outcome = await catchUpViews(mortalStore(at.data, crashAt), [birds2]).then(
        () => 'whole',
        () => 'killed',
      )
      const seenOld = rowsOf(at, birds)
      const seenNew = rowsOf(at, birds2)
      expect([{}, whole]).toContainEqual(seenNew)
      // The old one goes only when the new one is there.
      if (Object.keys(seenNew).length === 0) expect(seenOld).toEqual(old)
      await catchUpViews(memoryStore(at.data), [birds2])
      expect(rowsOf(at, birds2)).toEqual(whole)
      expect(derivedTablesOf(at)).toEqual(['view:birds@2'])
      if (outcome === 'whole') return
    }
  })

  it('takes nothing over from an attempt that was given up', async () => {
    const at = aviary()
    await life(at, [], [seen('owl')])
    const stale = { key: 'owl', version: 7, value: '{"times":7}' }
    await memoryStore(at.data).commit({
      entries: [],
      nodes: [],
      rows: [{ table: shadowTable(viewTable(birds)), ...stale }],
    })
    await catchUpViews(memoryStore(at.data), [birds])
    await expectWhole(at, birds)
  })

  it('is refused when its entries were pruned, and what was there stays', async () => {
    const at = aviary()
    await life(
      at,
      [birds],
      Array.from({ length: 300 }, () => seen('owl')),
    )
    await memoryStore(at.data).commit({ entries: [], nodes: [], rows: [], pruneBelow: 256 })
    const before = rowsOf(at, birds)
    await expect(life(at, [birds2])).rejects.toMatchObject({
      code: 'log.unsupported',
      facts: { minimumIndex: 256 },
    })
    await expect(life(at, [birds, latest])).rejects.toMatchObject({ code: 'log.unsupported' })
    expect(rowsOf(at, birds)).toEqual(before)
    await life(at, [birds], [seen('owl')])
    expect(rowsOf(at, birds)).toMatchObject({ owl: { version: 301 } })
  })

  it('but cannot fold what is there keeps the log shut, and says which entry', async () => {
    const at = aviary()
    await life(at, [], [seen('owl'), seen('dodo')])
    const picky: View = viewsOf({
      only: view<object, typeof Seen>('picky', 1, {
        from: [Seen],
        keys: ({ data }) => [data.bird],
        fold: (_row, { data }) => {
          if (data.bird === 'dodo') throw new Error('it is extinct')
          return {}
        },
      }),
    })[0] as View
    await expect(life(at, [picky])).rejects.toMatchObject({
      code: 'log.unsupported',
      facts: { table: 'view:picky@1', seq: 1 },
    })
    await life(at, [birds], [seen('jay')])
    await expectWhole(at, birds)
  })
})
