// The journal of a run: what is recorded once, what may have happened, and a digest that outlives a crash.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { WorkingWrite } from '../log/proposal.ts'
import { seededChance } from '../simulator/chance.ts'
import { memoryStore } from '../store/memory/memory-store.ts'
import type { Store } from '../store/store.ts'
import {
  Journal,
  RUN_STEPS,
  STEP_NAME_MAX,
  STEP_RESULT_MAX_BYTES,
  STEPS_PER_RUN_MAX,
  type StepWrite,
} from './journal.ts'
import { stepCipher } from './step-cipher.ts'

const RUN = '0190-run'
const KEY = new Uint8Array(32)
const chance = seededChance(1)
const cipher = stepCipher(chance.bytes(32), { random: chance.bytes })

async function commit(store: Store, writes: readonly WorkingWrite[]): Promise<void> {
  const rows = await Promise.all(
    writes.map(async ({ table, key, value }) => {
      const version = ((await store.load(table, [key])).value.get(key)?.version ?? 0) + 1
      return { table, key, version, value: value === null ? null : JSON.stringify(JSON.parse(value)) }
    }),
  )
  await store.commit({ entries: [], nodes: [], rows })
}

const done = (journal: Journal, name: string, result: unknown): StepWrite =>
  journal.write(name, { kind: 'step', state: 'done', atMs: 1, result })
const begun = (journal: Journal, name: string): StepWrite =>
  journal.write(name, { kind: 'step', state: 'started', atMs: 1 })

const coded = (code: string) => expect.objectContaining({ code })

describe('a journal', () => {
  it('gives back what was recorded, in the form in which a resumed run reads it', async () => {
    const store = memoryStore()
    const journal = Journal.empty(RUN, cipher)
    expect(journal.visit('a', 'step')).toBeUndefined()
    const { write } = done(journal, 'a', { list: [undefined, new Date(0)], none: undefined, zero: -0 })
    const result = { list: [null, '1970-01-01T00:00:00.000Z'], zero: 0 }
    expect(journal.visit('a', 'step')).toMatchObject({ result })
    await commit(store, [write])
    const loaded = await Journal.load(RUN, cipher, store)
    expect(loaded.visit('a', 'step')).toMatchObject({ result })
    expect(loaded.digest(KEY)).toBe(journal.digest(KEY))
    done(journal, 'b', undefined)
    expect(journal.row('b')?.result).toBeNull()
  })

  it('says that a step which was begun and has no result may have happened', async () => {
    const store = memoryStore()
    const journal = Journal.empty(RUN, cipher)
    await commit(store, [begun(journal, 'a').write])
    for (const each of [journal, await Journal.load(RUN, cipher, store)])
      expect(each.visit('a', 'step')).toMatchObject({ state: 'started' })
    const { expect: expectation } = done(journal, 'a', 1)
    expect(journal.visit('a', 'step')).toMatchObject({ state: 'done', result: 1 })
    expect(expectation).toEqual({ table: RUN_STEPS, key: `${RUN}/a`, version: 1 })
  })

  it('keeps results sealed: they open in their place, with their key, and nowhere else', async () => {
    const store = memoryStore()
    const writes = ['a', 'b'].map(
      (name) => done(Journal.empty(RUN, cipher), name, { of: `private ${name}` }).write,
    )
    expect(JSON.stringify(writes)).not.toContain('private')
    await commit(store, writes)
    const corrupt = { code: 'log.corrupt' }
    const stranger = stepCipher(chance.bytes(32), { random: chance.bytes })
    await expect(Journal.load(RUN, stranger, store)).rejects.toMatchObject(corrupt)
    const [a, b] = writes
    await commit(store, [{ table: RUN_STEPS, key: `${RUN}/a`, value: b?.value ?? null }])
    await expect(Journal.load(RUN, cipher, store)).rejects.toMatchObject(corrupt)
    await commit(store, [{ table: RUN_STEPS, key: `${RUN}/a`, value: a?.value ?? null }])
    expect((await Journal.load(RUN, cipher, store)).visit('b', 'step')).toMatchObject({
      result: { of: 'private b' },
    })
    for (const sealed of ['', 'AAAA', '!'])
      expect(() => cipher.open(sealed, 'a')).toThrow(expect.objectContaining(corrupt))
  })

  it('forgets a refused write and nothing more', () => {
    const journal = Journal.empty(RUN, cipher)
    done(journal, 'kept', 1)
    const before = journal.digest(KEY)
    done(journal, 'refused', 2)
    journal.forget('refused')
    expect(journal.visit('refused', 'step')).toBeUndefined()
    expect(journal.digest(KEY)).toBe(before)
    begun(journal, 'once')
    done(journal, 'once', 3)
    journal.forget('once')
    // Its body has run: that the result is gone does not make it undone.
    expect(journal.visit('once', 'step')).toMatchObject({ state: 'started' })
  })

  it('has a digest of names, results and order', () => {
    const digestOf = (...steps: readonly (readonly [string, unknown])[]) => {
      const journal = Journal.empty(RUN, cipher)
      for (const [name, result] of steps) done(journal, name, result)
      return journal.digest(KEY)
    }
    const digests = [
      digestOf(),
      digestOf(['a', 1], ['b', 2]),
      digestOf(['b', 2], ['a', 1]),
      digestOf(['a', 2], ['b', 1]),
      digestOf(['a', 1]),
      digestOf(['a', '1']),
      digestOf(['ab', 1]),
    ]
    expect(new Set(digests).size).toBe(digests.length)
    const journal = Journal.empty(RUN, cipher)
    done(journal, 'a', 'a result that can be guessed')
    expect(journal.digest(KEY)).not.toBe(journal.digest(new Uint8Array(32).fill(1)))
    for (const digest of digests) expect(digest).toMatch(/^hmac-sha256:[0-9a-f]{64}$/)
  })

  it('has the same digest after any crash', async () => {
    const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<unknown>
    // No slash at the start of a key, no lone surrogates: what a step may be called.
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter((text) => text.isWellFormed() && !text.includes('\0'))
    const steps = fc.uniqueArray(fc.tuple(name, json), { selector: ([key]) => key, maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(12), async (all, crashAt) => {
        const store = memoryStore()
        const whole = Journal.empty(RUN, cipher)
        for (const [step, result] of all) done(whole, step, result)
        let journal = Journal.empty(RUN, cipher)
        for (const [position, [step, result]] of all.entries()) {
          if (position === crashAt) journal = await Journal.load(RUN, cipher, store)
          await commit(store, [done(journal, step, result).write])
        }
        expect(journal.digest(KEY)).toBe(whole.digest(KEY))
        expect((await Journal.load(RUN, cipher, store)).digest(KEY)).toBe(whole.digest(KEY))
      }),
      { numRuns: 50 },
    )
  })

  it('reads the steps of its own run only, however many there are', async () => {
    const store = memoryStore()
    const mine = Journal.empty(RUN, cipher)
    const other = Journal.empty(`${RUN}2`, cipher)
    const writes = Array.from({ length: 2500 }, (_, index) => done(mine, `s${index}`, index).write)
    await commit(store, [...writes, done(other, 'other', 1).write])
    const loaded = await Journal.load(RUN, cipher, store)
    expect(loaded.digest(KEY)).toBe(mine.digest(KEY))
    expect(loaded.visit('other', 'step')).toBeUndefined()
  })

  it.each(['', 'x'.repeat(STEP_NAME_MAX + 1), 'nul\0', 'half \ud800', '€'.repeat(400)])(
    'refuses a step called %j',
    (name) => {
      expect(() => Journal.empty(RUN, cipher).visit(name, 'step')).toThrow(coded('limit'))
      expect(() => done(Journal.empty(RUN, cipher), name, 1)).toThrow(coded('limit'))
    },
  )

  it('is bounded in steps and in the size of a result', () => {
    const journal = Journal.empty(RUN, cipher)
    for (let step = 0; step < STEPS_PER_RUN_MAX; step++) done(journal, `${step}`, null)
    expect(() => journal.visit('one more', 'step')).toThrow(coded('limit'))
    expect(journal.visit('1', 'step')).toMatchObject({ result: null })
    expect(() => done(Journal.empty(RUN, cipher), 'a', '€'.repeat(STEP_RESULT_MAX_BYTES / 2))).toThrow(
      coded('payload.too-large'),
    )
    expect(() => done(Journal.empty(RUN, cipher), 'a', 'x'.repeat(STEP_RESULT_MAX_BYTES))).toThrow(
      coded('payload.too-large'),
    )
  })

  it('parks a name that was recorded as something else', () => {
    const journal = Journal.empty(RUN, cipher)
    done(journal, 'a', 1)
    expect(() => journal.visit('a', 'sleep')).toThrow(coded('run.parked'))
    expect(journal.visit('a', 'step')).toMatchObject({ result: 1 })
  })

  it('knows by which steps of earlier lives nobody has come', async () => {
    const store = memoryStore()
    const first = Journal.empty(RUN, cipher)
    const loose = first.write('loose', { kind: 'step', state: 'done', atMs: 1, isLoose: true })
    const undo = first.write('undo/a', { kind: 'undo', state: 'done', atMs: 1 })
    await commit(
      store,
      [done(first, 'a', 1), done(first, 'b', 2), loose, undo].map(({ write }) => write),
    )
    expect(first.missed()).toBeUndefined()
    const second = await Journal.load(RUN, cipher, store)
    expect(second.missed()).toBe('a')
    second.visit('a', 'step')
    expect(second.missed()).toBe('b')
    second.visit('b', 'step')
    expect(second.missed()).toBeUndefined()
    done(second, 'c', 3)
    expect(second.missed()).toBeUndefined()
    expect([second.hasInherited('un'), second.hasInherited('c')]).toEqual([true, false])
  })

  it('reads the journals of the first release', async () => {
    const store = memoryStore()
    const key = `${RUN}/a`
    const value = JSON.stringify({ order: 0, state: 'done', sealed: cipher.seal('7', key) })
    await commit(store, [{ table: RUN_STEPS, key, value }])
    const loaded = await Journal.load(RUN, cipher, store)
    expect(loaded.visit('a', 'step')).toMatchObject({ state: 'done', attempts: 0, result: 7 })
    expect(loaded.settledCount()).toBe(1)
  })
})
