// What a log must keep on every engine: one suite over the sequencer, run with each Store and its anchor.

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Env, systemEnv } from '../../../src/kernel/env.ts'
import type { PolityError } from '../../../src/kernel/errors.ts'
import type { Anchor } from '../../../src/kernel/log/anchor.ts'
import { entryType, sealEntry } from '../../../src/kernel/log/entry.ts'
import { type Log, openLog } from '../../../src/kernel/log/log.ts'
import type { Published } from '../../../src/kernel/log/proposal.ts'
import { type OpenedSequencer, openSequencer } from '../../../src/kernel/log/sequencer.ts'
import { keySigner } from '../../../src/kernel/log/signer.ts'
import { view, viewsOf, viewTable } from '../../../src/kernel/log/view.ts'
import { Integer, Name } from '../../../src/kernel/schema/schema.ts'
import { type Chance, seededChance } from '../../../src/kernel/simulator/chance.ts'
import { simulatedEnv } from '../../../src/kernel/simulator/env.ts'
import { type FaultPlan, faultyStore, NO_FAULTS } from '../../../src/kernel/simulator/faults.ts'
import { emptyMemoryData, memoryStore } from '../../../src/kernel/store/memory/memory-store.ts'
import type { Store } from '../../../src/kernel/store/store.ts'
import { parseCheckpoint } from '../../../src/kit/checkpoint.ts'
import { codeOf } from '../../../src/kit/codes.fixture.ts'
import { leafHash } from '../../../src/kit/merkle.ts'
import { openNote, parseNote } from '../../../src/kit/signed-note.ts'
import { TreeEdge, treeRoot } from '../../../src/kit/tile-tree.ts'
import { memoryPlace } from './memory-place.ts'
import type { LogPlace } from './place.ts'

const ORIGIN = 'conformance.example/log'
const SOURCE = 'polity://conformance'
const Counted = entryType('conformance.counted@1', { counter: Name, number: Integer })
const counters = view<{ readonly count: number }, typeof Counted>('conformance.counters', 1, {
  from: [Counted],
  keys: ({ data }) => [data.counter],
  fold: (row) => ({ count: (row?.value.count ?? 0) + 1 }),
})
const views = viewsOf({ counters })
const signer = keySigner(ORIGIN)
const PROPOSERS = 10

/** One life of a hub: until it is closed, or killed and never heard of again. */
interface Life {
  readonly sequencer: OpenedSequencer
  readonly log: Log
  readonly published: Published[]
  readonly lost: PolityError[]
  /** SIGKILL: nothing is written from here on, and nobody is answered. */
  kill(): void
}

export function logConformance(name: string, open: () => Promise<LogPlace>): void {
  describe(`a log on ${name}`, () => {
    let place: LogPlace
    beforeEach(async () => {
      place = await open()
    })
    afterEach(() => place.close())
    const there = () => place

    describe('under load', () => loadTests(there))
    describe('across crashes', () => crashTests(there))
    describe('with two writers', () => fenceTests(there))
    describe('carried over from another engine', () => carryTests(there))
  })
}

type Place = () => LogPlace

function loadTests(place: Place): void {
  it('shows a live reader everything that is committed, once, in order, while ten write with delays', async () => {
    const chance = seededChance(1)
    const life = await boot(place(), { chance, plan: { ...NO_FAULTS, latencyMaxMs: 4 } })
    const done = new AbortController()
    const seen: string[] = []
    const following = (async () => {
      for await (const page of life.log.follow(undefined, done.signal))
        for (const { seq, id } of page) {
          expect(seq).toBe(seen.length)
          seen.push(id)
        }
    })()
    const texts = await Promise.all(
      Array.from({ length: PROPOSERS }, async (_, proposer) => {
        const own: string[] = []
        for (let turn = 0; turn < 20; turn++) {
          const entries = facts(`p${proposer}`, 1 + chance.below(4))
          await life.log.append({ entries })
          own.push(...entries)
          await pause(chance)
        }
        return own
      }),
    )
    const committed = texts.flat().map(idOf)
    await life.log.published(committed.length)
    await life.sequencer.close()
    done.abort()
    await following
    expect(seen.toSorted()).toEqual(committed.toSorted())
    expect(await expectWhole(place(), [life])).toBe(committed.length)
  })

  it('is indifferent to what the clock says', async () => {
    const chance = seededChance(2)
    const clock = simulatedEnv(chance)
    let offMs = 0
    const env: Env = { ...clock, now: () => clock.now() + offMs }
    const life = await boot(place(), { chance, env })
    let isOver = false
    const running = Promise.all(
      Array.from({ length: PROPOSERS }, async (_, proposer) => {
        for (let turn = 0; turn < 10; turn++) {
          await life.log.append({ entries: facts(`p${proposer}`, 2, env) }, { wait: 'signed' })
          // Up to a year forwards or back, at every turn.
          offMs = (chance.below(2) === 0 ? -1 : 1) * chance.below(365 * 86_400_000)
        }
      }),
    ).then(() => life.sequencer.close())
    const settled = running.finally(() => {
      isOver = true
    })
    while (!isOver) {
      clock.advance()
      await new Promise(setImmediate)
    }
    await settled
    expect(await expectWhole(place(), [life])).toBe(PROPOSERS * 20)
  })
}

function crashTests(place: Place): void {
  it('takes no entry twice, also when the first time was never answered', async () => {
    const chance = seededChance(3)
    const first = await boot(place(), { chance })
    const known = facts('a', 2)
    await first.log.append({ entries: known })
    expect(await codeOf(first.log.append({ entries: [known[1] ?? '', ...facts('a', 1)] }))).toBe(
      'entry.duplicate',
    )
    await first.sequencer.close()
    // The commit is applied, and its process is gone before it can say so.
    const unheard = await boot(place(), { chance, plan: { ...NO_FAULTS, commitAfter: 1 } })
    const entries = facts('a', 3)
    expect(await codeOf(unheard.log.append({ entries }))).toBe('store.failed')
    unheard.kill()
    const next = await boot(place(), { chance })
    expect(await codeOf(next.log.append({ entries }))).toBe('entry.duplicate')
    await next.sequencer.close()
    expect(await expectWhole(place(), [first, unheard, next])).toBe(5)
  })

  it('loses nothing that was acknowledged in fifteen lives that end in the middle', {
    timeout: 120_000,
  }, async () => {
    const chance = seededChance(4)
    const acknowledged: string[] = []
    const lives: Life[] = []
    for (let turn = 0; turn < 15; turn++) {
      const life = await boot(place(), { chance, plan: { ...NO_FAULTS, latencyMaxMs: 2 } })
      lives.push(life)
      const enough = Promise.withResolvers<void>()
      let left = 1 + chance.below(40)
      for (let proposer = 0; proposer < PROPOSERS; proposer++)
        void (async () => {
          for (;;) {
            const entries = facts(`p${proposer}`, 1 + chance.below(3))
            await life.log.append({ entries })
            acknowledged.push(...entries)
            left -= 1
            if (left === 0) enough.resolve()
          }
        })()
      await enough.promise
      life.kill()
    }
    const last = await boot(place(), { chance })
    await last.sequencer.close()
    const size = await expectWhole(place(), [...lives, last])
    const ids = new Set((await texts(await place().reader())).map(idOf))
    expect(ids.size).toBe(size)
    for (const text of acknowledged) expect(ids).toContain(idOf(text))
  })

  it('finishes all work, each piece once, while it is stopped and started again and again', async () => {
    const chance = seededChance(5)
    let life = await boot(place(), { chance })
    const lives = [life]
    let isOver = false
    const restarting = (async () => {
      while (!isOver) {
        await pause(chance, 40)
        await life.sequencer.close()
        await pause(chance, 40)
        life = await boot(place(), { chance })
        lives.push(life)
      }
    })()
    const work = Array.from({ length: PROPOSERS * 20 }, () => facts('work', 1))
    const rest = work.values()
    await Promise.all(
      Array.from({ length: PROPOSERS }, async () => {
        for (const entries of rest) {
          await untilWritten(() => life, entries, chance)
          await pause(chance, 8)
        }
      }),
    )
    isOver = true
    await restarting
    await life.sequencer.close()
    expect(lives.length).toBeGreaterThan(2)
    expect(await expectWhole(place(), lives)).toBe(work.length)
  })
}

function fenceTests(place: Place): void {
  it('lets the first never publish again once the second has begun, and keeps one history', async () => {
    const chance = seededChance(6)
    const first = await boot(place(), { chance })
    await first.log.append({ entries: facts('first', 3) }, { wait: 'signed' })
    const second = await boot(place(), { chance })
    await second.log.append({ entries: facts('second', 3) }, { wait: 'signed' })
    const shown = first.published.length
    for (let turn = 0; turn < 5; turn++) await first.log.append({ entries: facts('late', 1) }).catch(noted)
    await first.sequencer.close().catch(noted)
    expect(first.published.length).toBe(shown)
    await untilWritten(() => second, facts('second', 1), chance)
    await second.log.published(7)
    await second.sequencer.close()
    await expectWhole(place(), [first, second])
  })
}

function carryTests(place: Place): void {
  it('keeps every seq, hash and row, verifies under the old checkpoint, and goes on', async () => {
    const chance = seededChance(7)
    const data = emptyMemoryData()
    const before = await boot(memoryPlace(data), { chance })
    for (let turn = 0; turn < 10; turn++)
      await before.log.append({ entries: facts(`c${turn % 3}`, 60) }, { wait: 'signed' })
    const { checkpoint } = before.log.head()
    await before.sequencer.close()
    const from = memoryStore(data)
    const { store } = await place().boot()
    for (let seq = 0; seq < 600; seq += 200)
      await store.commit({
        entries: await from.entries({ from: seq, to: seq + 200, limit: 200 }),
        nodes: [],
        rows: [],
      })
    const tile = await from.tile(1, 0, 2)
    const nodes = [0, 1].map((index) => ({
      level: 1,
      index,
      hash: tile.subarray(index * 32, index * 32 + 32),
    }))
    await store.commit({ entries: [], nodes, rows: await from.rows({ limit: 1000 }) })
    await store.close()
    const after = await boot(place(), { chance, shown: checkpoint })
    await after.log.append({ entries: facts('c0', 1) }, { wait: 'signed' })
    await after.sequencer.close()
    expect(await expectWhole(place(), [before, after])).toBe(601)
  })
}

interface BootOptions {
  readonly chance: Chance
  readonly plan?: FaultPlan
  readonly env?: Env
  readonly shown?: string
}

/** Faults begin once the log is open. */
async function boot(
  place: LogPlace,
  { chance, plan = NO_FAULTS, env = systemEnv(), shown }: BootOptions,
): Promise<Life> {
  const { store, anchor } = await place.boot()
  let isAlive = true
  const weather = { plan: NO_FAULTS, fullUntilMs: 0, appliedUnheard: 0 }
  const published: Published[] = []
  const lost: PolityError[] = []
  let announce = (_published: Published): void => {}
  let lose = (_error: PolityError): void => {}
  const gated: Anchor = {
    load: () => anchor.load(),
    swap: (next) => (isAlive ? anchor.swap(next) : new Promise(() => undefined)),
    close: () => anchor.close(),
  }
  const sequencer = await openSequencer({
    origin: ORIGIN,
    store: faultyStore(store, { chance, env, weather, isAlive: () => isAlive }),
    anchor: gated,
    views,
    signer,
    vaultKey: new Uint8Array(32),
    env,
    ...(shown === undefined ? {} : { shown }),
    onPublished(each) {
      if (!isAlive) return
      published.push(each)
      announce(each)
    },
    onFailure: noted,
    onLost(error) {
      lost.push(error)
      lose(error)
    },
  })
  weather.plan = plan
  const reader = await place.reader()
  const opened = openLog(
    { origin: ORIGIN, vkey: sequencer.vkey, sequencer, reader },
    published.at(-1) ?? { size: 0, checkpoint: '' },
  )
  announce = opened.announce
  lose = opened.lose
  return {
    sequencer,
    log: opened.log,
    published,
    lost,
    kill() {
      isAlive = false
    },
  }
}

/** What was refused shows in what is there afterwards. */
const noted = (_error: unknown): void => {}

const facts = (counter: string, count: number, env: Env = systemEnv()): string[] =>
  Array.from(
    { length: count },
    (_, number) => sealEntry(Counted({ counter, number }), { source: SOURCE }, env).text,
  )

const idOf = (text: string): string => (JSON.parse(text) as { id: string }).id

const pause = (chance: Chance, maxMs = 4): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, chance.below(maxMs)))

/** Asks again, with the same entries, until they stand in the log. */
async function untilWritten(life: () => Life, entries: readonly string[], chance: Chance): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const code = await codeOf(life().log.append({ entries }))
    if (code === 'none' || code === 'entry.duplicate') return
    expect(['log.closed', 'store.failed', 'store.unreachable', 'store.fenced']).toContain(code)
    await pause(chance, 20)
  }
  throw new Error('the log took no entry in 500 tries')
}

/**
 * Derives everything from bytes alone: dense seqs, no identity twice, the tree, every checkpoint that any life
 * announced, the anchor, and the rows of the view. Answers the size.
 */
async function expectWhole(place: LogPlace, lives: readonly Life[]): Promise<number> {
  const store = await place.reader()
  const all = await texts(store)
  expect(new Set(all.map(idOf)).size).toBe(all.length)
  const edge = await TreeEdge.open(0, async () => [])
  const roots = [hex(edge.root())]
  for (const text of all) {
    edge.append(leafHash(Buffer.from(text)))
    roots.push(hex(edge.root()))
  }
  const stored = await treeRoot(all.length, (refs) =>
    Promise.all(refs.map(({ level, index, width }) => store.tile(level, index, width))),
  )
  expect(hex(stored)).toBe(roots[all.length])
  const anchored = await place.anchored()
  const notes = lives.flatMap(({ published }) => published.map(({ checkpoint }) => checkpoint))
  for (const note of anchored === undefined ? notes : [...notes, anchored]) {
    const { size, root } = parseCheckpoint(openNote(note, [signer.key]).text)
    expect(hex(root)).toBe(roots[size])
  }
  expect(parseCheckpoint(parseNote(anchored ?? '').text).size).toBe(all.length)
  const counts = Map.groupBy(all, (text) => (JSON.parse(text) as { data: { counter: string } }).data.counter)
  const { value: rows } = await store.scan(viewTable(counters), { limit: 1000 })
  expect(new Map(rows.map(({ key, value }) => [key, JSON.parse(value)]))).toEqual(
    new Map([...counts].map(([counter, { length: count }]) => [counter, { count }])),
  )
  return all.length
}

async function texts(store: Store): Promise<string[]> {
  const all: string[] = []
  for (;;) {
    const page = await store.entries({ from: all.length, to: Number.MAX_SAFE_INTEGER, limit: 1000 })
    for (const { seq, bytes } of page) {
      expect(seq).toBe(all.length)
      all.push(Buffer.from(bytes).toString())
    }
    if (page.length < 1000) return all
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
