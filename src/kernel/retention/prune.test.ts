// The run of a pruning against a realm: any log, any hold, steps that repeat, and rivals in between.

import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { leafHash, verifyConsistency } from '../../kit/merkle.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { consistencyProof, type ReadTiles, treeRoot } from '../../kit/tile-tree.ts'
import { verifyProof } from '../../kit/tlog-proof.ts'
import { rebuildViews } from '../audit/rebuild.ts'
import { storeSource } from '../audit/sources/data.ts'
import { verifyLog } from '../audit/verify/verify.ts'
import type { CommandContext } from '../catalog/context.ts'
import { recordAsHub } from '../catalog/hub-records.ts'
import { type Env, systemEnv } from '../env.ts'
import { asPolityError } from '../errors.ts'
import { type Draft, entryType } from '../log/entry.ts'
import { lastPruning } from '../log/pruning.ts'
import { view, viewTable } from '../log/view.ts'
import { openRealm } from '../realm/open-realm.ts'
import type { Realm } from '../realm/realm.ts'
import { Integer, type Static, Type } from '../schema/schema.ts'
import type { Store } from '../store/store.ts'
import * as contract from './contract.ts'
import { HoldPlaced, retentionState } from './contract.ts'
import { pruneLog } from './prune.ts'
import { SNAPSHOT } from './snapshot.ts'

const DAY_MS = 24 * 3600_000
const Written = entryType('notes.written@1', { key: Type.String(), value: Integer })
const Removed = entryType('notes.removed@1', { key: Type.String() })
const notes = view<{ readonly value: number }, typeof Written | typeof Removed>('notes', 1, {
  from: [Written, Removed],
  keys: ({ data }) => [data.key],
  fold: (_, { type, data }) =>
    type === Removed.name ? null : { value: (data as Static<typeof Written.schema>).value },
})
const contracts = [contract, { Written, Removed, notes }].map((exports) => ({ url: '', exports }))

interface Stage {
  readonly realm: Realm
  readonly env: Env
  readonly source: string
  /** Notes with the age of so many days, oldest first. */
  write(count: number, ageDays: number): Promise<void>
  record(drafts: readonly Draft[]): Promise<unknown>
  prune(options?: {
    before?: Record<string, () => Promise<unknown>>
    isRepeating?: boolean
    run?: string
  }): ReturnType<typeof pruneLog>
}

async function stage(): Promise<Stage> {
  const env = systemEnv()
  const source = 'polity://test'
  const realm = await openRealm({
    name: 'test',
    contracts,
    env,
    publishIntervalMs: 0,
    onFailure: (error) => expect.unreachable(error.message),
  })
  onTestFinished(() => realm.close())
  const ports = { log: realm.log, env, source }
  const record: Stage['record'] = (drafts) => recordAsHub(ports, drafts, {}, { wait: 'signed' })
  let written = 0
  let runs = 0
  return {
    realm,
    env,
    source,
    record,
    async write(count, ageDays) {
      const time = new Date(env.now() - ageDays * DAY_MS).toISOString()
      for (let left = count; left > 0; left -= 500) {
        const drafts = Array.from({ length: Math.min(left, 500) }, () => {
          written += 1
          const key = `n${(written * 7919) % 97}`
          return written % 11 === 0 ? Removed({ key }, { time }) : Written({ key, value: written }, { time })
        })
        await record(drafts)
      }
    },
    prune: ({ before = {}, isRepeating = false, run = `run-${runs++}` } = {}) =>
      pruneLog(
        { realm, env, record: (...args) => recordAsHub(ports, ...args) },
        contextOf(run, before, isRepeating),
      ),
  }
}

/** Steps as the runs room takes them; one that repeats is one whose result a crash lost. */
function contextOf(
  id: string,
  before: Record<string, () => Promise<unknown>>,
  isRepeating: boolean,
): CommandContext {
  const { signal } = new AbortController()
  return {
    id,
    chain: [{ kind: 'user', id: 'owner', roles: ['owner'] }],
    signal,
    progress: () => undefined,
    step: async (name, body) => {
      await before[name]?.()
      const step = {
        signal,
        attempt: 1,
        record: () => expect.unreachable('a step records nothing by itself'),
        heartbeat: () => undefined,
      }
      if (isRepeating) await body(step)
      return JSON.parse(JSON.stringify((await body(step)) ?? null))
    },
  } as Partial<CommandContext> as CommandContext
}

const readerTiles =
  (reader: Store): ReadTiles =>
  (refs) =>
    Promise.all(refs.map(({ level, index, width }) => reader.tile(level, index, width)))

const snapshotTables = async ({ reader }: Realm): Promise<readonly string[]> => {
  const rows = await reader.rows({ after: { table: SNAPSHOT, key: '' }, limit: 100_000 })
  return [...new Set(rows.flatMap(({ table }) => (table.startsWith(SNAPSHOT) ? [table] : [])))]
}

/** Everything that anybody can check of a log, and that its views are those of the fold. */
async function expectProven({ realm }: Stage, roots: ReadonlyMap<number, Uint8Array>): Promise<void> {
  const { log, reader, folded } = realm
  await log.published(await reader.size())
  const { size, checkpoint } = log.head()
  const minimumIndex = await reader.minimumIndex()
  const source = await storeSource({ ...reader, close: async () => {} }, [{ name: 'head', note: checkpoint }])
  expect(await verifyLog(source, { vkey: log.vkey })).toMatchObject({ size, minimumIndex })
  for (const each of await rebuildViews(reader, folded)) expect(each).toMatchObject({ isEqual: true })
  const read = readerTiles(reader)
  const sizes = [minimumIndex, minimumIndex + 1, size - 1, size].filter((each) => each > 0)
  for (const size1 of sizes) {
    const root1 = await treeRoot(size1, read)
    const known = roots.get(size1)
    if (known) expect(root1).toEqual(known)
    const root2 = await treeRoot(size, read)
    const proof = await consistencyProof(size1, size, read)
    expect(verifyConsistency({ size1, size2: size, root1, root2, proof })).toBe(true)
  }
  for (const seq of [minimumIndex, Math.floor((minimumIndex + size) / 2), size - 1]) {
    const { text } = await log.entry(seq)
    verifyProof(await log.prove(seq), leafHash(Buffer.from(text)), [parseVkey(log.vkey)])
  }
}

describe('pruning', () => {
  it('leaves any log provable, and its views what they were', { timeout: 120_000 }, async () => {
    const rounds = fc.array(
      fc.record({
        old: fc.integer({ min: 0, max: 900 }),
        young: fc.integer({ min: 1, max: 300 }),
        heldAfter: fc.option(fc.integer({ min: 0, max: 900 }), { nil: undefined }),
        isRepeating: fc.boolean(),
      }),
      { minLength: 1, maxLength: 3 },
    )
    let pruned = 0
    await fc.assert(
      fc.asyncProperty(rounds, async (plan) => {
        const each = await stage()
        const { realm, write, record, prune } = each
        const roots = new Map<number, Uint8Array>()
        for (const [round, { old, young, heldAfter, isRepeating }] of plan.entries()) {
          await write(old, 400)
          const size = await realm.reader.size()
          const minimum = await realm.reader.minimumIndex()
          const from = heldAfter === undefined ? undefined : minimum + heldAfter
          if (from !== undefined)
            await record([
              HoldPlaced(
                { name: `h${round}`, reason: 'r', from, to: from },
                { time: '2020-01-01T00:00:00Z' },
              ),
            ])
          await write(young, 1)
          const head = await realm.reader.size()
          roots.set(head, await treeRoot(head, readerTiles(realm.reader)))
          const { minimumIndex } = await prune({ isRepeating })
          expect(await realm.reader.minimumIndex()).toBe(minimumIndex)
          // Young entries of an earlier round stand above everything that went.
          if (from !== undefined) expect(minimumIndex).toBeLessThanOrEqual(from)
          expect(minimumIndex).toBeLessThanOrEqual(size + 1)
          if (minimumIndex > minimum) pruned += 1
          await expectProven(each, roots)
        }
        await realm.close()
      }),
      { numRuns: 12, seed: 20261120 },
    )
    // Some runs had something to remove, or the property proved nothing.
    expect(pruned).toBeGreaterThan(4)
  })

  it('may repeat every step, and keeps one snapshot', async () => {
    const each = await stage()
    await each.write(700, 400)
    await each.write(10, 1)
    expect(await each.prune({ isRepeating: true })).toMatchObject({ minimumIndex: 512, removed: 512 })
    const { reader } = each.realm
    const announced = await reader.entries({ from: 0, to: 10_000, limit: 10, type: 'log.pruned@1' })
    expect(announced).toHaveLength(1)
    for (const table of await snapshotTables(each.realm)) expect(table).toContain(':0000000000000512:')
    await expectProven(each, new Map())
  })

  it.each([
    ['a hold', [HoldPlaced({ name: 'h', reason: 'r', from: 100 })]],
    ['a longer policy', [contract.RetentionSet({ days: 500 })]],
  ])('announces nothing once %s came between plan and announcement', async (_, drafts) => {
    const each = await stage()
    await each.write(700, 400)
    await each.write(10, 1)
    const failed = each.prune({ before: { announce: () => each.record(drafts) } })
    await expect(failed).rejects.toMatchObject({ code: 'retention.changed', status: 409 })
    expect(await each.realm.reader.minimumIndex()).toBe(0)
    expect(await lastPruning(each.realm.reader)).toBeUndefined()
    // The next one plans anew, and takes the place of what the first had built.
    const after = await each.prune()
    expect(after.minimumIndex).toBe(0)
    await expectProven(each, new Map())
  })

  it('yields to the one that began to build last; one of them announces', async () => {
    const each = await stage()
    await each.write(700, 400)
    await each.write(10, 1)
    let rival: Promise<unknown> | undefined
    const first = each.prune({
      run: 'first',
      before: {
        announce: async () => {
          rival = each.prune({ run: 'rival' })
          await rival
        },
      },
    })
    // It finds its own minimum index announced already, and has nothing more to do.
    await first
    await rival
    const announced = await each.realm.reader.entries({
      from: 0,
      to: 10_000,
      limit: 10,
      type: 'log.pruned@1',
    })
    expect(announced).toHaveLength(1)
    expect((await snapshotTables(each.realm)).length).toBeGreaterThan(0)
    await expectProven(each, new Map())
  })

  it('goes on with what an earlier run announced and did not remove', async () => {
    const each = await stage()
    await each.write(700, 400)
    await each.write(10, 1)
    const stopped = each.prune({ before: { remove: () => Promise.reject(new Error('stopped')) } })
    await expect(stopped).rejects.toThrow('stopped')
    expect(await each.realm.reader.minimumIndex()).toBe(0)
    // Announced is not gone: the whole log verifies, and so does what is left after half of it went.
    await expectProven(each, new Map())
    await each.realm.log.append({ entries: [], pruneBelow: 256 })
    await expectProven(each, new Map())
    expect(await each.prune()).toMatchObject({ minimumIndex: 512, removed: 256 })
    await expectProven(each, new Map())
  })

  it('refuses to prune what is no whole tile, or the whole log, and harms no neighbour', async () => {
    const each = await stage()
    await each.write(600, 400)
    const { log, reader } = each.realm
    const row = { table: 'test', key: 'k', value: '1' }
    const outcomes = await Promise.allSettled([
      log.append({ entries: [], pruneBelow: 100 }),
      log.append({ entries: [], rows: [row] }),
      log.append({ entries: [], pruneBelow: 1024 }),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected'])
    expect(outcomes[0]).toMatchObject({ reason: { code: 'store.failed' } })
    expect(await reader.minimumIndex()).toBe(0)
    expect((await reader.load('test', ['k'])).value.get('k')?.value).toBe('1')
    expect((await reader.load(viewTable(retentionState), ['log'])).value.size).toBe(0)
    expect(asPolityError((outcomes[2] as PromiseRejectedResult).reason).message).toContain('1024')
  })
})
