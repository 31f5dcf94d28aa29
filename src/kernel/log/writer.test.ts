// The writer: places, expectations, bounds, and what happens to neighbours when something fails.

import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { leafHash } from '../../kit/merkle.ts'
import { TreeEdge } from '../../kit/tile-tree.ts'
import { systemEnv } from '../env.ts'
import { PolityError } from '../errors.ts'
import { Integer, Name } from '../schema/schema.ts'
import { emptyMemoryData, memoryStore } from '../store/memory/memory-store.ts'
import type { Batch, Store } from '../store/store.ts'
import { entryType, sealEntry } from './entry.ts'
import { LIMITS } from './proposal.ts'
import { view, viewsOf, viewTable } from './view.ts'
import { openWriter, type Writer } from './writer.ts'

const Put = entryType('box.put@1', { box: Name, number: Integer })
const boxes = view<{ readonly sum: number }, typeof Put>('boxes', 1, {
  from: [Put],
  keys: ({ data }) => [data.box],
  fold: (row, { data }) => {
    if (data.number === 666) throw new Error('this view cannot fold 666')
    return { sum: (row?.value.sum ?? 0) + data.number }
  },
})
const BOXES = viewTable(boxes)

const env = systemEnv()
const put = (box: string, number: number, id = env.id()): string =>
  sealEntry(Put({ box, number }, { id }), { source: 'polity://box' }, env).text

/** A writer over memory whose commits and look-ups a test may fail at will. */
async function writing() {
  const data = emptyMemoryData()
  const store = memoryStore(data)
  const commits: Batch[] = []
  const committed: number[] = []
  const faults: { before?: string; after?: string; known?: string; size?: string } = {}
  const fail = (message: string | undefined) => {
    if (message !== undefined) throw new PolityError('store.failed', message)
  }
  const faulty: Store = {
    ...store,
    async commit(batch) {
      fail(faults.before)
      await store.commit(batch)
      commits.push(batch)
      fail(faults.after)
    },
    async known(pairs) {
      fail(faults.known)
      return store.known(pairs)
    },
    async size() {
      fail(faults.size)
      return store.size()
    },
  }
  const writer = await openWriter({
    store: faulty,
    views: viewsOf({ boxes }),
    vaultKey: new Uint8Array(32),
    env,
    onCommitted: (size) => committed.push(size),
  })
  return { data, store, writer, faults, commits, committed }
}

/** The root of the stored bytes, derived afresh, is the one that the writer would sign. */
async function expectRoot(writer: Writer, data: ReturnType<typeof emptyMemoryData>): Promise<void> {
  const edge = await TreeEdge.open(0, async () => [])
  for (const { bytes } of data.entries) edge.append(leafHash(bytes))
  expect(writer.size).toBe(data.entries.length)
  expect(Buffer.from(writer.root()).toString('hex')).toBe(Buffer.from(edge.root()).toString('hex'))
}

describe('the writer', () => {
  it('gives out dense places, folds, and answers with them', async () => {
    const { writer, store, data } = await writing()
    const receipts = await Promise.all([
      writer.propose({ entries: [put('a', 1), put('a', 2)] }),
      writer.propose({ entries: [] }),
      writer.propose({ entries: [put('b', 5)] }),
    ])
    expect(receipts).toEqual([
      { first: 0, count: 2, size: 3 },
      { first: 2, count: 0, size: 3 },
      { first: 2, count: 1, size: 3 },
    ])
    expect((await store.load(BOXES, ['a', 'b'])).value).toEqual(
      new Map([
        ['a', { version: 2, value: '{"sum":3}' }],
        ['b', { version: 1, value: '{"sum":5}' }],
      ]),
    )
    await expectRoot(writer, data)
  })

  it('takes what waits in one transaction, up to its bounds', async () => {
    const { writer, commits } = await writing()
    const proposals = LIMITS.batchProposals + 10
    await Promise.all(Array.from({ length: proposals }, (_, n) => writer.propose({ entries: [put('a', n)] })))
    expect(commits.map(({ entries }) => entries.length)).toEqual([LIMITS.batchProposals, 10])
  })

  it('ends a batch at its size, whatever the bytes are', async () => {
    const { writer, commits } = await writing()
    const value = JSON.stringify('x'.repeat(LIMITS.batchSizeBytes / 3))
    const opening = { commitment: 'c', salt: new Uint8Array(16), canonical: value }
    await Promise.all([
      ...[1, 2, 3, 4].map((n) =>
        writer.propose({ entries: [put('a', n)], rows: [{ table: 't', key: `${n}`, value }] }),
      ),
      ...[5, 6, 7, 8].map((n) =>
        writer.propose({ entries: [put('a', n)], seals: [{ subject: `${n}`, openings: [opening] }] }),
      ),
    ])
    expect(commits.map(({ entries }) => entries.length)).toEqual([2, 2, 2, 2])
  })

  it('checks expectations inside the batch, each against what came before it', async () => {
    const { writer } = await writing()
    const once = (version: number) =>
      writer.propose({ entries: [put('a', 1)], expect: [{ table: BOXES, key: 'a', version }] })
    const outcomes = await Promise.all([once(0), once(0), once(1), once(7), once(2)].map(codeOf))
    expect(outcomes).toEqual(['none', 'expectation.failed', 'none', 'expectation.failed', 'none'])
  })

  it.each([
    ['an entry too large', { entries: ['x'.repeat(65_536)] }, 'entry.too-large'],
    ['an entry that is no event', { entries: ['[]'] }, 'log.corrupt'],
    [
      'too many entries',
      { entries: Array.from({ length: LIMITS.entriesPerProposal + 1 }, () => '{}') },
      'limit',
    ],
    [
      'a failed expectation',
      { entries: [put('a', 1)], expect: [{ table: BOXES, key: 'a', version: 3 }] },
      'expectation.failed',
    ],
    ['a fold that throws', { entries: [put('a', 1), put('a', 666)] }, 'internal'],
    [
      'working state that is no JSON',
      { entries: [put('a', 1)], rows: [{ table: 'w', key: 'k', value: '{' }] },
      'internal',
    ],
    [
      'a key that cannot be stored',
      { entries: [put('a', 1)], rows: [{ table: 'w', key: 'a\0', value: '1' }] },
      'input.invalid',
    ],
    [
      'a key too long',
      { entries: [put('a', 1)], rows: [{ table: 'w', key: 'k'.repeat(1025), value: '1' }] },
      'input.invalid',
    ],
    ['the same entry twice', { entries: [put('a', 1, 'twin'), put('a', 1, 'twin')] }, 'entry.duplicate'],
  ])('refuses %s alone, without a trace and without harm to its neighbours', async (_what, bad, code) => {
    const { writer, store, data } = await writing()
    const before = writer.propose({ entries: [put('a', 1)] })
    const refused = codeOf(writer.propose(bad))
    const after = writer.propose({ entries: [put('a', 1)] })
    expect(await before).toMatchObject({ first: 0 })
    expect(await refused).toBe(code)
    expect(await after).toMatchObject({ first: 1 })
    expect((await store.load(BOXES, ['a'])).value.get('a')).toEqual({ version: 2, value: '{"sum":2}' })
    expect((await store.scan('w', { limit: 10 })).value).toEqual([])
    await expectRoot(writer, data)
  })

  it('refuses an entry that the log or the batch already holds', async () => {
    const { writer, data } = await writing()
    await writer.propose({ entries: [put('a', 1, 'one')] })
    const outcomes = await Promise.all(
      [
        writer.propose({ entries: [put('a', 1, 'one')] }),
        writer.propose({ entries: [put('a', 1, 'two')] }),
        writer.propose({ entries: [put('b', 1, 'three'), put('b', 1, 'two')] }),
        writer.propose({ entries: [put('a', 1, 'four')] }),
      ].map(codeOf),
    )
    expect(outcomes).toEqual(['entry.duplicate', 'none', 'entry.duplicate', 'none'])
    expect(data.entries.map(({ id }) => id)).toEqual(['one', 'two', 'four'])
    await expectRoot(writer, data)
  })

  it('takes two sources with the same id, and pairs whose texts run together', async () => {
    const { writer } = await writing()
    const from = (source: string, id: string) =>
      writer.propose({
        entries: [sealEntry(Put({ box: 'a', number: 1 }, { source, id }), { source }, env).text],
      })
    expect(
      await Promise.all([from('s', 'i'), from('t', 'i'), from('b c', 'a'), from('c', 'a b')].map(codeOf)),
    ).toEqual(Array.from({ length: 4 }, () => 'none'))
  })

  it('judges the rest of a batch afresh when a duplicate falls out of it', async () => {
    const { writer, store } = await writing()
    await writer.propose({ entries: [put('a', 1, 'one')] })
    const known = writer.propose({ entries: [put('a', 1, 'one')] })
    // It expects what it finds, and would not if the duplicate before it had been folded.
    const honest = writer.propose({
      entries: [put('a', 1)],
      expect: [{ table: BOXES, key: 'a', version: 1 }],
    })
    // This one expects what only the duplicate would have made true.
    const fooled = writer.propose({
      entries: [put('a', 1)],
      expect: [{ table: BOXES, key: 'a', version: 3 }],
    })
    expect(await Promise.all([known, honest, fooled].map(codeOf))).toEqual([
      'entry.duplicate',
      'none',
      'expectation.failed',
    ])
    expect((await store.load(BOXES, ['a'])).value.get('a')?.version).toBe(2)
  })

  it('goes on after a commit that failed and left nothing', async () => {
    const { writer, data, faults } = await writing()
    await writer.propose({ entries: [put('a', 1)] })
    faults.before = 'no room'
    const lost = [writer.propose({ entries: [put('a', 1)] }), writer.propose({ entries: [put('b', 1)] })]
    expect(await Promise.all(lost.map(codeOf))).toEqual(['store.failed', 'store.failed'])
    delete faults.before
    expect(await writer.propose({ entries: [put('a', 1)] })).toMatchObject({ first: 1 })
    await expectRoot(writer, data)
  })

  it('finds out, unasked, what a commit left that failed after it was applied', async () => {
    const { writer, data, faults, committed } = await writing()
    await writer.propose({ entries: [put('a', 1)] })
    faults.after = 'the connection broke'
    const text = put('a', 1, 'unheard')
    expect(await codeOf(writer.propose({ entries: [text] }))).toBe('store.failed')
    delete faults.after
    await expect.poll(() => committed).toEqual([1, 2])
    await expectRoot(writer, data)
    expect(await codeOf(writer.propose({ entries: [text] }))).toBe('entry.duplicate')
    expect(await writer.propose({ entries: [put('a', 1)] })).toMatchObject({ first: 2 })
    await expectRoot(writer, data)
  })

  it('stays alive when the store cannot even say what it holds', async () => {
    const { writer, data, faults } = await writing()
    await writer.propose({ entries: [put('a', 1, 'one')] })
    faults.known = 'gone'
    expect(await codeOf(writer.propose({ entries: [put('a', 1, 'one')] }))).toBe('store.failed')
    faults.after = 'gone'
    faults.size = 'gone'
    expect(await codeOf(writer.propose({ entries: [put('a', 1)] }))).toBe('store.failed')
    expect(await codeOf(writer.propose({ entries: [put('a', 1)] }))).toBe('store.failed')
    for (const fault of ['known', 'after', 'size'] as const) delete faults[fault]
    expect(await writer.propose({ entries: [put('a', 1)] })).toMatchObject({ first: 2 })
    await expectRoot(writer, data)
  })

  it('never writes a second history over a store that lost the first', async () => {
    const { writer, data, faults } = await writing()
    await writer.propose({ entries: [put('a', 1), put('a', 2)] })
    faults.before = 'replaced'
    await codeOf(writer.propose({ entries: [put('a', 1)] }))
    delete faults.before
    data.entries.length = 1
    faults.before = 'replaced again'
    await codeOf(writer.propose({ entries: [put('a', 1)] }))
    delete faults.before
    expect(await codeOf(writer.propose({ entries: [put('a', 1)] }))).toBe('log.rollback')
    expect(data.entries.length).toBe(1)
    await writer.close()
  })

  it('refuses what waits and what comes once it is stopped, and writes nothing more', async () => {
    const { writer, data } = await writing()
    await writer.propose({ entries: [put('a', 1)] })
    const waiting = Array.from({ length: 3 }, (_, n) => codeOf(writer.propose({ entries: [put('a', n)] })))
    writer.stop(new PolityError('anchor.conflict', 'another hub has moved the anchor'))
    expect(await Promise.all(waiting)).toEqual(['log.closed', 'log.closed', 'log.closed'])
    expect(await codeOf(writer.propose({ entries: [] }))).toBe('log.closed')
    await writer.close()
    expect(data.entries.length).toBe(1)
  })

  it('drains when it is closed, and takes no more', async () => {
    const { writer, data } = await writing()
    const under = Array.from({ length: 300 }, (_, n) => writer.propose({ entries: [put('a', n)] }))
    await writer.close()
    await Promise.all(under)
    expect(data.entries.length).toBe(300)
    expect(await codeOf(writer.propose({ entries: [put('a', 1)] }))).toBe('log.closed')
  })

  it('opens on a stored log of any size with the right root', async () => {
    const { writer, store, data } = await writing()
    for (const count of [1, 254, 1, 1, 300]) {
      await Promise.all(Array.from({ length: count }, (_, n) => writer.propose({ entries: [put('a', n)] })))
      const again = await openWriter({
        store,
        views: [],
        vaultKey: new Uint8Array(32),
        env,
        onCommitted: () => undefined,
      })
      await expectRoot(again, data)
    }
  })

  it('keeps working state with the entries, fenced by expectations', async () => {
    const { writer, store } = await writing()
    const claim = (owner: string) =>
      codeOf(
        writer.propose({
          entries: [],
          rows: [{ table: 'lease', key: 'k', value: JSON.stringify({ owner }) }],
          expect: [{ table: 'lease', key: 'k', version: 0 }],
        }),
      )
    expect(await Promise.all([claim('one'), claim('two')])).toEqual(['none', 'expectation.failed'])
    expect((await store.load('lease', ['k'])).value.get('k')).toEqual({
      version: 1,
      value: '{"owner":"one"}',
    })
    await writer.propose({ entries: [], rows: [{ table: 'lease', key: 'k', value: null }] })
    expect((await store.load('lease', ['k'])).value.get('k')).toEqual({ version: 2, value: null })
  })
})
