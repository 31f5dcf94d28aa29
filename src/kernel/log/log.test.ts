// The Log room: reading, following and proving what is published.

import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { leafHash } from '../../kit/merkle.ts'
import { parseVkey } from '../../kit/signed-note.ts'
import { verifyProof } from '../../kit/tlog-proof.ts'
import { coded } from '../coded.fixture.ts'
import { systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import { Integer } from '../schema/schema.ts'
import { simulation } from '../simulator/realm.ts'
import { emptyMemoryData, memoryStore } from '../store/memory/memory-store.ts'
import { type Draft, entryType, sealEntry } from './entry.ts'
import { type Log, openLog } from './log.ts'
import { LIMITS } from './proposal.ts'
import { READ_LIMIT_MAX, type ReadOptions } from './reading.ts'
import type { Sequencer } from './sequencer.ts'

const Even = entryType('number.even@1', { number: Integer })
const Odd = entryType('number.odd@1', { number: Integer })
const env = systemEnv()
const number = (n: number): string => sealed((n % 2 === 0 ? Even : Odd)({ number: n }))
const sealed = (draft: Draft): string => sealEntry(draft, { source: 'polity://numbers' }, env).text

/** A simulated realm with `count` numbers, all published. */
async function numbers(count: number) {
  const sim = simulation({ seed: 1, views: [] })
  const life = await sim.run(sim.open())
  for (let n = 0; n < count; n += LIMITS.entriesPerProposal) {
    const entries = Array.from({ length: Math.min(LIMITS.entriesPerProposal, count - n) }, (_, i) =>
      number(n + i),
    )
    await sim.run(life.log.append({ entries }, { wait: 'signed' }))
  }
  return { sim, ...life }
}

/** What a reader sees who follows the cursors until there is nothing more. */
async function allSeqs(log: Log, options: ReadOptions): Promise<number[]> {
  const { entries, cursor } = await log.read(options)
  expect(entries.length).toBeLessThanOrEqual(READ_LIMIT_MAX)
  const seqs = entries.map(({ seq }) => seq)
  return seqs.length === 0 || cursor === undefined
    ? seqs
    : [...seqs, ...(await allSeqs(log, { ...options, after: cursor }))]
}

describe('reading', () => {
  it('pages through everything once, oldest or newest first, whatever the limit asked for', async () => {
    const { log } = await numbers(2500)
    const oldestFirst = Array.from({ length: 2500 }, (_, seq) => seq)
    for (const limit of [1000, 999, READ_LIMIT_MAX * 5, Number.POSITIVE_INFINITY]) {
      expect(await allSeqs(log, { limit })).toEqual(oldestFirst)
      expect(await allSeqs(log, { limit, isNewestFirst: true })).toEqual(oldestFirst.toReversed())
    }
  })

  it('always moves on: a limit of nothing skips nothing', async () => {
    const { log } = await numbers(3)
    for (const limit of [0, -5]) {
      const { entries, cursor } = await log.read({ limit })
      expect(entries.map(({ seq }) => seq)).toEqual([0])
      expect(log.positionOf(cursor as string)).toBe(1)
    }
  })

  it('filters by type and its cursor stands behind what it looked at', async () => {
    const { log } = await numbers(10)
    const page = await log.read({ limit: 3, type: 'number.odd@1' })
    expect(page.entries.map(({ seq }) => seq)).toEqual([1, 3, 5])
    const rest = await log.read({ limit: 3, type: 'number.odd@1', after: page.cursor as string })
    expect(rest.entries.map(({ seq }) => seq)).toEqual([7, 9])
    expect(log.positionOf(rest.cursor as string)).toBe(10)
    expect((await log.read({ limit: 3, type: 'number.even@2' })).entries).toEqual([])
  })

  it('refuses cursors of other logs and of the future', async () => {
    const { log } = await numbers(2)
    await expect(log.read({ limit: 1, after: 'nonsense' })).rejects.toEqual(coded('cursor.invalid'))
    await expect(log.read({ limit: 1, after: log.cursorAt(3) })).rejects.toEqual(coded('cursor.ahead'))
    expect((await log.read({ limit: 1, after: log.cursorAt(2) })).entries).toEqual([])
  })
})

describe('what is committed but not published', () => {
  it('is invisible to every way of reading', async () => {
    const data = emptyMemoryData()
    const sim = simulation({ seed: 1, views: [] })
    const { log: source } = await sim.run(sim.open())
    await sim.run(source.append({ entries: [number(0), number(1), number(2)] }, { wait: 'signed' }))
    data.entries.push(...sim.data.entries)
    const { checkpoint } = source.head()
    const { log, announce } = openLog(
      { origin: source.origin, vkey: source.vkey, sequencer: {} as Sequencer, reader: memoryStore(data) },
      { size: 1, checkpoint },
    )
    expect((await log.read({ limit: 10 })).entries.map(({ seq }) => seq)).toEqual([0])
    expect((await log.read({ limit: 10, isNewestFirst: true })).entries.map(({ seq }) => seq)).toEqual([0])
    expect(await log.bytes(0, 10)).toHaveLength(1)
    await expect(log.prove(1)).rejects.toEqual(coded('not-found'))
    await expect(log.entry(1)).rejects.toEqual(coded('not-found'))
    await expect(log.tile(0, 0, 2)).rejects.toEqual(coded('not-found'))
    expect(await log.tile(0, 0, 1)).toHaveLength(32)
    announce({ size: 3, checkpoint })
    expect((await log.read({ limit: 10 })).entries).toHaveLength(3)
    expect(await log.tile(0, 0, 3)).toHaveLength(96)
  })
})

describe('proving', () => {
  it('gives every entry a proof that its reader can check alone', async () => {
    const { log } = await numbers(300)
    const key = parseVkey(log.vkey)
    for (const seq of [0, 1, 255, 256, 299]) {
      const { text } = await log.entry(seq)
      const verified = verifyProof(await log.prove(seq), leafHash(Buffer.from(text)), [key])
      expect(verified).toMatchObject({ index: seq, size: 300, origin: log.origin })
    }
    for (const seq of [-1, 300, 1.5, Number.NaN])
      await expect(log.prove(seq)).rejects.toEqual(coded('not-found'))
  })
})

describe('following', () => {
  it('yields every entry once, as it is published, until it is told to stop', async () => {
    const { sim, log } = await numbers(5)
    const stop = new AbortController()
    const seen: number[] = []
    const following = (async () => {
      for await (const page of log.follow(log.cursorAt(3), stop.signal))
        seen.push(...page.map(({ seq }) => seq))
    })()
    const more = async () => {
      for (let n = 5; n < 30; n++) await log.append({ entries: [number(n)] }, { wait: 'signed' })
    }
    await sim.run(more())
    await expect.poll(() => seen.length).toBe(27)
    stop.abort()
    await following
    expect(seen).toEqual(Array.from({ length: 27 }, (_, n) => n + 3))
  })
})

describe('a log that is lost', () => {
  const loss = new PolityError('anchor.conflict', 'another hub has moved the anchor')
  const losable = async () => {
    const { log: source, sim } = await numbers(2)
    const opened = openLog(
      { origin: source.origin, vkey: source.vkey, sequencer: {} as Sequencer, reader: memoryStore(sim.data) },
      source.head(),
    )
    return opened
  }

  it('says why, refuses what would be written, and can still be read', async () => {
    const { log, lose } = await losable()
    expect(log.lost.aborted).toBe(false)
    lose(loss)
    lose(new PolityError('log.closed', 'the writer thread has ended'))
    expect(log.lost.reason).toBe(loss)
    await expect(log.append({ entries: [] })).rejects.toEqual(coded('log.closed'))
    expect((await log.read({ limit: 10 })).entries).toHaveLength(2)
    await log.published(2)
    await expect(log.published(3)).rejects.toEqual(coded('log.closed'))
  })

  it('lets nobody wait for what will never be published', async () => {
    const { log, lose } = await losable()
    const endless = new AbortController().signal
    const following = async () => {
      for await (const page of log.follow(undefined, endless)) expect(page).toHaveLength(2)
    }
    const waiting = [log.published(3), log.published(9, endless), following()]
    const outcomes = Promise.allSettled(waiting)
    await new Promise(setImmediate)
    lose(loss)
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'log.closed' } })
  })
})

describe('a queue that is full', () => {
  it('refuses new proposals while it still takes reserved ones, and has room again later', async () => {
    const data = emptyMemoryData()
    const answers: (() => void)[] = []
    const receipt = { first: 0, count: 0, size: 0 }
    const sequencer: Sequencer = {
      propose: () => new Promise((resolve) => answers.push(() => resolve(receipt))),
      sweep: async () => 0,
      close: async () => undefined,
    }
    const { log } = openLog(
      { origin: 'a', vkey: '', sequencer, reader: memoryStore(data) },
      { size: 0, checkpoint: '' },
    )
    const common = LIMITS.queueProposals - LIMITS.queueReservedProposals
    const taken = Array.from({ length: common }, () => log.append({ entries: [] }))
    expect(await codeOf(log.append({ entries: [] }))).toBe('log.saturated')
    taken.push(
      ...Array.from({ length: LIMITS.queueReservedProposals }, () =>
        log.append({ entries: [] }, { isReserved: true }),
      ),
    )
    expect(await codeOf(log.append({ entries: [] }, { isReserved: true }))).toBe('log.saturated')
    for (const answer of answers) answer()
    await Promise.all(taken)
    const again = log.append({ entries: [] })
    answers.at(-1)?.()
    expect(await again).toEqual(receipt)
  })

  const large = 'x'.repeat(LIMITS.queueReservedSizeBytes - 100)
  const opening = { commitment: 'c', salt: new Uint8Array(16), canonical: large }
  it.each([
    ['entries', { entries: [large] }],
    ['rows', { entries: [], rows: [{ table: 't', key: 'k', value: large }] }],
    ['seals', { entries: [], seals: [{ subject: 's', openings: [opening] }] }],
  ] as const)('is as full by the bytes of %s', async (_what, proposal) => {
    const answers: (() => void)[] = []
    const sequencer: Sequencer = {
      propose: () => new Promise((resolve) => answers.push(() => resolve({ first: 0, count: 0, size: 0 }))),
      sweep: async () => 0,
      close: async () => undefined,
    }
    const { log } = openLog(
      { origin: 'a', vkey: '', sequencer, reader: memoryStore(emptyMemoryData()) },
      { size: 0, checkpoint: '' },
    )
    const first = log.append(proposal)
    await expect(log.append(proposal)).rejects.toEqual(coded('log.saturated'))
    const small = log.append({ entries: ['{}'] })
    const reserved = log.append({ ...proposal }, { isReserved: true })
    await expect(log.append(proposal, { isReserved: true })).rejects.toEqual(coded('log.saturated'))
    for (const answer of answers) answer()
    await Promise.all([first, small, reserved])
    // Alone, even one that is larger than the queue has a turn.
    const huge = log.append({ ...proposal, shred: [large, large, large] })
    answers.at(-1)?.()
    await huge
  })
})
