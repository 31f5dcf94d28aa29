// Whatever a decision depends on breaks, in turn: nothing runs, nothing is written by half, and after the repair it goes on.

import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { StandingQuestion, StandingReads, StandingSource } from '../../src/kernel/catalog/standing.ts'
import { asPolityError, PolityError } from '../../src/kernel/errors.ts'
import type { Mode, Standing } from '../../src/kernel/gate/types.ts'
import { movableClock } from './lab/clock.ts'
import { knobs } from './lab/frail.contract.ts'
import { frail } from './lab/frail.ts'
import { codeOf, entriesOf, errorOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

const PART_MS = 500
const ACTS = ['frail.act', 'frail.walk', 'frail.look'] as const

/** A source that does as it is told, and nothing for the actions that a test works with beside. */
function puppet() {
  let read: (question: StandingQuestion, reads: StandingReads) => unknown = () => ({})
  let claim: () => unknown = () => ({})
  const source: StandingSource = {
    name: 'puppet',
    read: (question, reads) =>
      (question.action.startsWith('frail.turn') ? {} : read(question, reads)) as Partial<Standing>,
    claim: () => claim() as object,
  }
  return {
    source,
    reads: (how: typeof read) => {
      read = how
    },
    claims: (how: typeof claim) => {
      claim = how
    },
  }
}

/** What came of it: `done`, another status, or the code of an error. */
async function outcome(hub: Hub, name: (typeof ACTS)[number]): Promise<string> {
  try {
    if (name === 'frail.look') {
      await hub.ask(owner, name, {})
      return 'done'
    }
    return (await hub.invoke(owner, name, {})).status
  } catch (error) {
    return asPolityError(error).code
  }
}

const acted = async (hub: Hub) => (await entriesOf(hub, 'frail.acted@1')).length
const errorsTold = async (hub: Hub) =>
  (await entriesOf(hub, 'action.decided@1')).flatMap(({ data }) => data.errors as string[])

const never = (): Promise<never> => new Promise(() => undefined)
const BROKEN: readonly (readonly [string, () => unknown])[] = [
  [
    'throws',
    () => {
      throw new Error('the sky fell')
    },
  ],
  ['rejects', () => Promise.reject(new PolityError('store.failed', 'the disk is gone'))],
  [
    'throws what is no error',
    () => {
      throw undefined
    },
  ],
  ['answers nonsense', () => ({ trust: Number.NaN, halted: null })],
  ['says that its subject is stopped', () => ({ halted: ['kill'] })],
]

describe.each<Mode>(['enforce', 'enforce-critical', 'log-only'])('in a gate set to %s', (mode) => {
  it.each(BROKEN)(
    'a source that %s lets nothing happen, and everything once it is well',
    async (_, break_) => {
      const { source, reads } = puppet()
      const hub = await openTestHub('memory', { modules: [frail(source)], rollout: { mode } })
      reads(break_)
      for (const name of ACTS)
        expect(await outcome(hub, name)).not.toMatch(/^(done|running|suspended|internal)$/)
      expect(await acted(hub)).toBe(0)
      expect(await entriesOf(hub, 'action.finished@1')).toEqual([])
      reads(() => ({}))
      for (const name of ACTS) expect(await outcome(hub, name)).toBe('done')
      expect(await acted(hub)).toBe(2)
    },
  )

  it('a source that never answers holds nobody for ever', async () => {
    const { source, reads } = puppet()
    const clock = movableClock()
    const hub = await openTestHub('memory', { modules: [frail(source)], rollout: { mode }, env: clock.env })
    reads(never)
    const waiting = Promise.all(ACTS.map((name) => outcome(hub, name)))
    const answered = waiting.then(() => true)
    for (let isOver = false; !isOver; isOver = await Promise.race([answered, setTimeout(5, false)]))
      clock.pass(PART_MS)
    expect(await waiting).toEqual(ACTS.map(() => 'gate.unavailable'))
    expect(await acted(hub)).toBe(0)
    expect((await errorsTold(hub)).join()).toContain('puppet could not be asked')
    reads(() => ({}))
    for (const name of ACTS) expect(await outcome(hub, name)).toBe('done')
  })
})

it('a source that answers after the clock has jumped was not too late', async () => {
  const { source, reads } = puppet()
  const clock = movableClock()
  const hub = await openTestHub('memory', { modules: [frail(source)], env: clock.env })
  reads(async () => {
    clock.pass(3_600_000)
    await setImmediate()
    return {}
  })
  for (const name of ACTS) expect(await outcome(hub, name)).toBe('done')
})

describe('a claim that cannot be made', () => {
  it.each(BROKEN.slice(0, 3))('because its source %s leaves nothing done', async (_, break_) => {
    const { source, claims } = puppet()
    const hub = await openTestHub('memory', { modules: [frail(source)] })
    claims(break_)
    for (const name of ['frail.act', 'frail.walk'] as const)
      expect(await errorOf(hub.invoke(owner, name, {}))).toMatchObject({
        code: 'gate.unavailable',
        facts: { sources: ['puppet'] },
      })
    expect(await acted(hub)).toBe(0)
    expect(await entriesOf(hub, 'action.decided@1')).toEqual([])
    claims(() => ({}))
    expect(await outcome(hub, 'frail.act')).toBe('done')
  })

  it.each([undefined, null, 'reserved', 7, [], { rows: 'all' }, { expect: {} }, { drafts: 1 }])(
    'because %j is none leaves nothing done',
    async (answer) => {
      const { source, claims } = puppet()
      const hub = await openTestHub('memory', { modules: [frail(source)] })
      claims(() => answer)
      const { code, facts } = await errorOf(hub.invoke(owner, 'frail.act', {}))
      expect([code, facts.sources]).toEqual(['gate.unavailable', ['puppet']])
      expect(await acted(hub)).toBe(0)
    },
  )

  it('because it is refused is told as its source says it', async () => {
    const { source, claims } = puppet()
    const hub = await openTestHub('memory', { modules: [frail(source)] })
    claims(() => {
      throw new PolityError('limit', 'that is too much')
    })
    expect(await outcome(hub, 'frail.act')).toBe('limit')
    expect(await acted(hub)).toBe(0)
  })

  it('because nobody answers it in time leaves nothing done', async () => {
    const { source, claims } = puppet()
    const clock = movableClock()
    const hub = await openTestHub('memory', { modules: [frail(source)], env: clock.env })
    claims(() => new Promise(() => undefined))
    const asking = errorOf(hub.invoke(owner, 'frail.act', {}))
    const answered = asking.then(() => true)
    for (let isOver = false; !isOver; isOver = await Promise.race([answered, setTimeout(5, false)]))
      clock.pass(PART_MS)
    expect(await asking).toMatchObject({ code: 'gate.unavailable', facts: { sources: ['puppet'] } })
    expect(await acted(hub)).toBe(0)
  })
})

describe('what a decision has read', () => {
  const counting = () => {
    const { source, reads } = puppet()
    let asked = 0
    return {
      source,
      asked: () => asked,
      /** Somebody turns the knob after each look at it, so many times. */
      turned(hub: Hub, times: number, then: Partial<Standing> = {}) {
        reads(async (_, { expecting }) => {
          const row = await expecting.get(knobs, 'k')
          asked += 1
          if (asked <= times) await hub.invoke(owner, 'frail.turn', { knob: 'k' })
          return (row?.value.turns ?? 0) >= times ? then : {}
        })
      },
    }
  }

  it.each(['frail.act', 'frail.walk'] as const)(
    'has changed before %s is committed: it is decided again, until nothing changes',
    async (name) => {
      const { source, asked, turned } = counting()
      const hub = await openTestHub('memory', { modules: [frail(source)] })
      turned(hub, 3)
      expect(await outcome(hub, name)).toBe('done')
      expect(asked()).toBe(4)
      expect(await acted(hub)).toBe(1)
      const decisions = await entriesOf(hub, 'action.decided@1')
      expect(decisions.filter(({ data }) => data.action === `${name}@1`)).toHaveLength(1)
    },
  )

  it.each(['frail.act', 'frail.walk'] as const)(
    'forbids %s by the time it is committed: denied, and not done',
    async (name) => {
      const { source, turned } = counting()
      const hub = await openTestHub('memory', { modules: [frail(source)] })
      turned(hub, 1, { halted: ['kill'] })
      expect(await outcome(hub, name)).toBe('denied')
      expect(await acted(hub)).toBe(0)
    },
  )

  it.each(['frail.act', 'frail.walk'] as const)(
    'never stays the same: %s is given up, undone',
    async (name) => {
      const { source, asked, turned } = counting()
      const hub = await openTestHub('memory', { modules: [frail(source)] })
      turned(hub, Infinity)
      expect((await errorOf(hub.invoke(owner, name, {}, { key: 'once' }))).code).toBe('expectation.failed')
      expect(asked()).toBe(32)
      expect(await acted(hub)).toBe(0)
      turned(hub, 0)
      expect(await hub.invoke(owner, name, {}, { key: 'once' })).toMatchObject({ status: 'done' })
      expect(await acted(hub)).toBe(1)
    },
  )
})

describe('a store that cannot be read', () => {
  it('denies everybody everything, also whoever was permitted a moment ago; repaired, it needs no restart', async () => {
    const place = tempFolder()
    const hub = await openTestHub('sqlite', { ...place, modules: [frail()] })
    for (const name of ACTS) expect(await outcome(hub, name)).toBe('done')
    const before = (await entriesOf(hub)).length
    const db = new DatabaseSync(join(place.dir, 'log.db'), { timeout: 10_000 })
    onTestFinished(() => db.close())
    db.exec('ALTER TABLE row RENAME TO row_elsewhere')
    for (const name of ACTS) expect(await outcome(hub, name)).toBe('gate.unavailable')
    expect(await codeOf(hub.identity.byToken(hub.ownerToken))).toBe('store.failed')
    db.exec('ALTER TABLE row_elsewhere RENAME TO row')
    expect(await acted(hub)).toBe(2)
    const after = await entriesOf(hub)
    expect(after.slice(before).filter(({ type }) => type !== 'action.decided@1')).toEqual([])
    for (const name of ACTS) expect(await outcome(hub, name)).toBe('done')
    expect(await acted(hub)).toBe(4)
  })
})
