// The writer in its thread over SQLite: bundled proposals, coded errors, and what callers hear when the thread is gone.

import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemEnv } from '../../src/kernel/env.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { readAnchor } from '../../src/kernel/log/anchor.ts'
import { type Draft, sealEntry } from '../../src/kernel/log/entry.ts'
import { LIMITS, type Published } from '../../src/kernel/log/proposal.ts'
import type { OpenedSequencer } from '../../src/kernel/log/sequencer.ts'
import { openThreadedSequencer } from '../../src/kernel/log/thread/threaded-sequencer.ts'
import { viewTable } from '../../src/kernel/log/view.ts'
import { sqliteStore } from '../../src/kernel/store/sqlite/sqlite-store.ts'
import { Counted, counts, Fatal } from './writer-thread.contract.ts'

const env = systemEnv()
const textOf = (draft: Draft): string => sealEntry(draft, { source: 'polity://thread' }, env).text

describe('a writer in a thread', () => {
  let folder: string
  let published: Published[]
  let lost: PolityError[]
  let opened: OpenedSequencer[]
  let whenLost: () => void
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-thread-'))
    writeFileSync(join(folder, 'vault.key'), Buffer.alloc(32, 1))
    published = []
    lost = []
    opened = []
    whenLost = () => undefined
  })
  afterEach(async () => {
    for (const each of opened) await each.close()
    rmSync(folder, { recursive: true })
  })

  const open = async (over: { contracts?: string[] } = {}): Promise<OpenedSequencer> => {
    const sequencer = await openThreadedSequencer(
      {
        place: {
          kind: 'sqlite',
          databasePath: join(folder, 'realm.db'),
          anchorPath: join(folder, 'anchor'),
        },
        origin: 'thread.example/log',
        keyPath: join(folder, 'log.key'),
        vaultKeyPath: join(folder, 'vault.key'),
        contracts: [new URL('./writer-thread.contract.ts', import.meta.url).href],
        ...over,
      },
      {
        onPublished: (each) => published.push(each),
        onFailure: () => undefined,
        onLost: (error) => {
          lost.push(error)
          whenLost()
        },
      },
    )
    opened.push(sequencer)
    return sequencer
  }

  it('answers a thousand callers at once, each with a place of its own', async () => {
    const sequencer = await open()
    const receipts = await Promise.all(
      Array.from({ length: 1000 }, (_, number) =>
        sequencer.propose({ entries: [textOf(Counted({ counter: `c${number % 7}`, number }))] }),
      ),
    )
    expect(receipts.map(({ first }) => first).sort((a, b) => a - b)).toEqual(
      receipts.map((_, place) => place),
    )
    const reader = sqliteStore(join(folder, 'realm.db'), 'read')
    const { value: rows } = await reader.scan(viewTable(counts), { limit: 10 })
    expect(rows.map(({ version }) => version).reduce((a, b) => a + b)).toBe(1000)
    await reader.close()
  })

  it('gives errors back as what they were, and harms no neighbour of the same bundle', async () => {
    const sequencer = await open()
    const twice = textOf(Counted({ counter: 'a', number: 1 }))
    const expected = { table: viewTable(counts), key: 'a', version: 9 }
    const outcomes = await Promise.allSettled([
      sequencer.propose({ entries: [twice] }),
      sequencer.propose({ entries: [twice] }),
      sequencer.propose({ entries: [textOf(Counted({ counter: 'a', number: 2 }))], expect: [expected] }),
      sequencer.propose({ entries: ['{"no":"event"}'] }),
      sequencer.propose({ entries: [textOf(Counted({ counter: 'b', number: 3 }))] }),
    ])
    expect(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.first : outcome.reason.code)),
    ).toEqual([0, 'entry.duplicate', 'expectation.failed', 'log.corrupt', 1])
    expect((outcomes[2] as PromiseRejectedResult).reason).toMatchObject({
      name: 'PolityError',
      facts: { key: 'a', expected: 9, actual: 1 },
    })
  })

  it('sweeps expired rows', async () => {
    const sequencer = await open()
    await sequencer.propose({ entries: [], rows: [{ table: 'w', key: 'k', value: '1', expiresAtMs: 10 }] })
    expect(await sequencer.sweep('w', 9)).toBe(0)
    expect(await sequencer.sweep('w', 10)).toBe(1)
  })

  it('drains, publishes and anchors what it took when it is closed, and then takes no more', async () => {
    const sequencer = await open()
    const under = Array.from({ length: 50 }, (_, number) =>
      sequencer.propose({ entries: [textOf(Counted({ counter: 'a', number }))] }),
    )
    await sequencer.close()
    expect((await Promise.all(under)).length).toBe(50)
    expect(readAnchor(join(folder, 'anchor'))).toBe(published.at(-1)?.checkpoint)
    expect(published.at(-1)?.size).toBe(50)
    await expect(sequencer.propose({ entries: [] })).rejects.toMatchObject({ code: 'log.closed' })
    await expect(sequencer.sweep('w', 1)).rejects.toMatchObject({ code: 'log.closed' })
    await sequencer.close()
    expect(lost).toEqual([])
  })

  it('opens again where it stopped, with the same key', async () => {
    const first = await open()
    await first.propose({ entries: [textOf(Counted({ counter: 'a', number: 1 }))] })
    await first.close()
    const second = await open()
    expect(second.vkey).toBe(first.vkey)
    expect(second.isAnchorAdopted).toBe(false)
    expect(await second.propose({ entries: [textOf(Counted({ counter: 'a', number: 2 }))] })).toMatchObject({
      first: 1,
    })
    expect(statSync(join(folder, 'log.key')).mode & 0o077).toBe(0)
  })

  it('folds what was written while it did not know the views', async () => {
    const first = await open({ contracts: [] })
    await first.propose({ entries: [textOf(Counted({ counter: 'a', number: 1 }))] })
    await first.close()
    await open()
    const store = sqliteStore(join(folder, 'realm.db'), 'read')
    expect((await store.load(viewTable(counts), ['a'])).value.get('a')?.value).toBe('{"count":1}')
    await store.close()
  })

  it('refuses to open without the key that signed the log, and makes no new one', async () => {
    const first = await open()
    await first.propose({ entries: [textOf(Counted({ counter: 'a', number: 1 }))] })
    await first.close()
    renameSync(join(folder, 'log.key'), join(folder, 'elsewhere'))
    await expect(open()).rejects.toMatchObject({ code: 'signer.failed' })
    expect(() => readFileSync(join(folder, 'log.key'))).toThrow('ENOENT')
    renameSync(join(folder, 'elsewhere'), join(folder, 'log.key'))
    await open()
    expect(lost).toEqual([])
  })

  it('refuses to open when a contract cannot be read', async () => {
    await expect(open({ contracts: ['file:///no/such/contract.ts'] })).rejects.toMatchObject({
      name: 'PolityError',
    })
    expect(lost).toEqual([])
  })

  it('tells every caller, waiting or to come, that the thread is gone', async () => {
    const sequencer = await open()
    await sequencer.propose({ entries: [textOf(Counted({ counter: 'a', number: 1 }))] })
    const waiting = [
      sequencer.propose({ entries: [textOf(Fatal({ counter: 'a' }))] }),
      sequencer.propose({ entries: [textOf(Counted({ counter: 'a', number: 2 }))] }),
      sequencer.sweep('w', 1),
    ]
    // The sweep may be answered before the thread dies; the proposals of the fatal batch never are.
    const outcomes = await Promise.allSettled(waiting)
    for (const outcome of outcomes.slice(0, 2))
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'log.closed' } })
    await expect(sequencer.propose({ entries: [] })).rejects.toMatchObject({ code: 'log.closed' })
    expect(lost.map(({ code }) => code)).toEqual(['log.closed'])
    await sequencer.close()
    // And the data is whole: the next thread goes on behind the last acknowledged entry.
    const next = await open()
    expect(await next.propose({ entries: [textOf(Counted({ counter: 'a', number: 3 }))] })).toMatchObject({
      first: 1,
    })
  })

  it('that dies while its answers are handed on takes back none of them', async () => {
    const sequencer = await open()
    let fatal: Promise<unknown> | undefined
    let handedOn = 0
    let handedOnAtLoss = 0
    whenLost = () => {
      handedOnAtLoss = handedOn
    }
    const proposed = Array.from({ length: ANSWERS }, (_, number) =>
      sequencer.propose({ entries: [textOf(Counted({ counter: 'a', number }))] }).finally(() => {
        // The thread has written everything: while its callers think, the next thing ends it.
        if (handedOn === 0)
          fatal = sequencer.propose({ entries: [textOf(Fatal({ counter: 'a' }))] }).catch((error) => error)
        else if (lost.length === 0 && handedOn % THINKERS === 0) think()
        handedOn += 1
      }),
    )
    const receipts = await Promise.all(proposed)
    expect(await fatal).toMatchObject({ code: 'log.closed' })
    expect(handedOnAtLoss).toBeGreaterThan(0)
    expect(handedOnAtLoss).toBeLessThan(ANSWERS)
    expect([handedOn, lost.length]).toEqual([ANSWERS, 1])
    expect(receipts.map(({ first }) => first)).toEqual(receipts.map((_, place) => place))
    await expect(sequencer.propose({ entries: [] })).rejects.toMatchObject({ code: 'log.closed' })
    const next = await open()
    expect(await next.propose({ entries: [textOf(Counted({ counter: 'a', number: 0 }))] })).toMatchObject({
      first: ANSWERS,
    })
  })
})

/** The writer takes them as one batch, so that none is written together with what ends it. */
const ANSWERS = LIMITS.batchProposals
/** One among so many stops the thread of the hub, long enough for what happens elsewhere to be heard of next. */
const THINKERS = 8
const THINKING_MS = 200
const think = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, THINKING_MS)
