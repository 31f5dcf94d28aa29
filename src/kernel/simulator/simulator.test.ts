// The realm's promises, kept under seeded faults, latency and kills.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCheckpoint } from '../../kit/checkpoint.ts'
import { leafHash, verifyConsistency } from '../../kit/merkle.ts'
import { parseNote } from '../../kit/signed-note.ts'
import { consistencyProof, type ReadTiles, TreeEdge, treeRoot } from '../../kit/tile-tree.ts'
import { type Entry, parseEntry } from '../log/entry.ts'
import { viewsOf, viewTable } from '../log/view.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import { NO_FAULTS } from './faults.ts'
import { type Simulation, simulation } from './realm.ts'
import { type Attempt, counters, steps, type Record as Told, workload } from './workload.fixture.ts'

const RUNS = 150
const views = viewsOf({ counters, steps })

const share = fc.double({ min: 0, max: 0.25, noNaN: true })
const plans = fc.record({
  commitBefore: share,
  commitAfter: share,
  full: fc.double({ min: 0, max: 0.1, noNaN: true }),
  fullMaxMs: fc.integer({ min: 1, max: 200 }),
  read: fc.double({ min: 0, max: 0.05, noNaN: true }),
  anchorBefore: share,
  anchorAfter: share,
  sign: share,
  latencyMaxMs: fc.integer({ min: 0, max: 8 }),
})

describe('a realm under faults and crashes', () => {
  it('keeps every promise it made, whatever fails and whenever it is killed', async () => {
    const seeds = fc.record({
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      faults: plans,
      load: fc.record({
        proposers: fc.integer({ min: 1, max: 8 }),
        turns: fc.integer({ min: 1, max: 12 }),
        crashes: fc.integer({ min: 0, max: 4 }),
      }),
    })
    await fc.assert(
      fc.asyncProperty(seeds, async ({ seed, faults, load }) => {
        const sim = simulation({ seed, views, faults })
        const told = await sim.run(workload(sim, load))
        await sim.run(settle(sim))
        await expectPromisesKept(sim, told)
      }),
      { numRuns: RUNS },
    )
  })

  it('does the same again from the same seed', async () => {
    const outcome = async () => {
      const faults = { ...NO_FAULTS, commitBefore: 0.1, commitAfter: 0.1, latencyMaxMs: 5 }
      const sim = simulation({ seed: 7, views, faults })
      await sim.run(workload(sim, { proposers: 5, turns: 10, crashes: 2 }))
      return {
        log: sim.data.entries.map(({ bytes }) => Buffer.from(bytes).toString()),
        anchor: sim.anchor.note,
      }
    }
    expect(await outcome()).toEqual(await outcome())
  })

  it('is no idle run: load, faults and crashes all happen', async () => {
    const faults = {
      ...NO_FAULTS,
      commitBefore: 0.05,
      commitAfter: 0.05,
      anchorBefore: 0.1,
      sign: 0.1,
      latencyMaxMs: 4,
    }
    const sim = simulation({ seed: 11, views, faults })
    const told = await sim.run(workload(sim, { proposers: 8, turns: 40, crashes: 12 }))
    const kinds = new Set(told.attempts.map(({ outcome }) => outcome.kind))
    expect([...kinds].sort()).toEqual(['acknowledged', 'refused', 'unanswered'])
    const codes = new Set(
      told.attempts.flatMap(({ outcome }) => (outcome.kind === 'refused' ? [outcome.error.code] : [])),
    )
    expect(codes).toContain('expectation.failed')
    expect(codes).toContain('entry.duplicate')
    expect(codes).toContain('store.failed')
    expect(new Set(sim.failures.map(({ code }) => code))).toEqual(
      new Set(['anchor.unwritable', 'signer.failed']),
    )
    expect(sim.weather.appliedUnheard).toBeGreaterThan(0)
    expect(sim.announcements.length).toBeGreaterThan(20)
  })
})

/** Calm weather, one more life, and everything committed gets published. */
async function settle(sim: Simulation): Promise<void> {
  sim.weather.plan = NO_FAULTS
  sim.weather.fullUntilMs = 0
  sim.crash()
  const { sequencer, log } = await sim.open()
  await log.published(sim.data.entries.length)
  await sequencer.close()
}

async function expectPromisesKept(sim: Simulation, told: Told): Promise<void> {
  const entries = sim.data.entries.map(({ seq, bytes }) => parseEntry(seq, bytes))
  expectDenseAndDistinct(sim)
  expectAnswersTrue(sim, told)
  expectNoLostUpdate(entries)
  expectRowsAreTheFold(sim, entries)
  await expectCheckpointsConsistent(sim)
  expectNothingSeenAboveTheAnchor(told, entries)
}

function expectDenseAndDistinct({ data }: Simulation): void {
  expect(data.entries.map(({ seq }) => seq)).toEqual(data.entries.map((_, place) => place))
  expect(new Set(data.entries.map(({ id }) => id)).size).toBe(data.entries.length)
}

/** Acknowledged: there, once, where the receipt says. Refused: nowhere, unless the store failed after it had acted. */
function expectAnswersTrue(sim: Simulation, { attempts }: Told): void {
  const texts = sim.data.entries.map(({ bytes }) => Buffer.from(bytes).toString())
  const present = new Set(texts)
  const landed: string[] = []
  const unheard: string[] = []
  for (const { proposal, outcome } of attempts) {
    const own = proposal.entries
    const count = own.filter((text) => present.has(text)).length
    expect([0, own.length]).toContain(count)
    if (outcome.kind === 'acknowledged') {
      const { first, size } = outcome.receipt
      expect(texts.slice(first, first + own.length)).toEqual(own)
      expect(size).toBeGreaterThanOrEqual(first + own.length)
      landed.push(...own)
    } else if (mayHaveLanded(sim, outcome)) {
      unheard.push(...own)
    } else if (outcome.kind === 'refused' && outcome.error.code === 'entry.duplicate') {
      expect(count).toBe(own.length)
    }
  }
  // The same text can be taken once only, and nothing is there that was plainly refused.
  expect(new Set(landed).size).toBe(landed.length)
  expect(new Set([...landed, ...unheard, ...texts])).toEqual(new Set([...landed, ...unheard]))
}

const mayHaveLanded = ({ weather }: Simulation, outcome: Attempt['outcome']): boolean =>
  outcome.kind === 'unanswered' ||
  (outcome.kind === 'refused' && outcome.error.code.startsWith('store.') && weather.appliedUnheard > 0)

/** Whoever expected a count of n found n: no two proposers moved a counter from the same place. */
function expectNoLostUpdate(entries: readonly Entry[]): void {
  const counts = new Map<string, number>()
  for (const { data } of entries) {
    const { counter, seen, isBlind } = data as { counter: string; seen: number; isBlind: number }
    const count = counts.get(counter) ?? 0
    if (isBlind === 0) expect(seen).toBe(count)
    counts.set(counter, count + 1)
  }
}

function expectRowsAreTheFold({ data }: Simulation, entries: readonly Entry[]): void {
  for (const each of [counters, steps]) {
    const fresh = new Map<string, { version: number; value: unknown }>()
    for (const entry of entries as Parameters<typeof each.fold>[1][])
      for (const key of each.keys(entry)) {
        const row = fresh.get(key) as { version: number; value: never } | undefined
        fresh.set(key, { version: (row?.version ?? 0) + 1, value: each.fold(row, entry, key) })
      }
    const stored = [...(data.tables.get(viewTable(each)) ?? [])]
    expect(
      new Map(
        stored.map(([key, { version, value }]) => [key, { version, value: JSON.parse(value ?? 'null') }]),
      ),
    ).toEqual(fresh)
  }
}

async function expectCheckpointsConsistent({ announcements, anchor, data }: Simulation): Promise<void> {
  const store = memoryStore(data)
  const read: ReadTiles = (refs) =>
    Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width)))
  const edge = await TreeEdge.open(0, read)
  const roots = [edge.root()]
  for (const { bytes } of data.entries) {
    edge.append(leafHash(bytes))
    roots.push(edge.root())
  }
  expect(hex(await treeRoot(data.entries.length, read))).toBe(hex(edge.root()))

  let before = { size: 0, root: roots[0] as Uint8Array }
  for (const { size, checkpoint, durable, anchored } of announcements) {
    const now = parseCheckpoint(parseNote(checkpoint).text)
    expect(now.size).toBe(size)
    expect(size).toBeGreaterThanOrEqual(before.size)
    expect(size).toBeLessThanOrEqual(durable)
    expect(anchored).toBe(checkpoint)
    expect(hex(now.root)).toBe(hex(roots[size] as Uint8Array))
    if (before.size > 0) {
      const proof = await consistencyProof(before.size, size, read)
      expect(
        verifyConsistency({ size1: before.size, size2: size, root1: before.root, root2: now.root, proof }),
      ).toBe(true)
    }
    before = now
  }
  expect(sizeOf(anchor.note)).toBe(data.entries.length)
}

function expectNothingSeenAboveTheAnchor({ sightings }: Told, entries: readonly Entry[]): void {
  for (const { anchored, entries: page, counts } of sightings) {
    const size = sizeOf(anchored)
    for (const entry of page) {
      expect(entry.seq).toBeLessThan(size)
      expect(entry).toEqual(entries[entry.seq])
    }
    for (const [counter, count] of counts) {
      const published = entries.slice(0, size).filter(({ data }) => data.counter === counter)
      expect(count).toBeLessThanOrEqual(published.length)
    }
  }
}

const sizeOf = (note: string | undefined): number => (note ? parseCheckpoint(parseNote(note).text).size : 0)

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
