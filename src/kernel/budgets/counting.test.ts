// Which budgets an action draws on, by how much, and what a window lets through under any clock.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Fact, Principal } from '../gate/types.ts'
import { type CountRow, counted } from '../log/count.ts'
import type { BudgetInForce, Window } from './contract.ts'
import { dueOf, useOf } from './counting.ts'

const budget = (more: Partial<BudgetInForce> = {}): BudgetInForce => ({
  id: 'b',
  who: 'anyone',
  measure: 'count',
  limit: 10,
  window: 'minute',
  isShared: false,
  keepsFailed: false,
  epoch: 3,
  ...more,
})
const ann: Principal = { kind: 'user', id: 'ann', roles: ['auditor'] }
const bot: Principal = { kind: 'agent', id: 'bot', roles: [] }
const asked = (
  chain: readonly Principal[] = [bot],
  more: { action?: string; facts?: Record<string, Fact>; conduct?: Record<string, Fact> } = {},
) => ({ caller: { chain }, action: 'mail.send@1', facts: {}, conduct: {}, ...more })

describe('whom a budget is about', () => {
  it.each([
    ['anyone', [ann], ['b/3/user:ann']],
    ['anyone', [ann, bot], ['b/3/user:ann', 'b/3/agent:bot']],
    ['kind:agent', [ann, bot], ['b/3/agent:bot']],
    ['kind:user', [bot], []],
    ['role:auditor', [ann, bot], ['b/3/user:ann']],
    ['agent:bot', [bot, bot], ['b/3/agent:bot']],
    ['agent:bot', [{ ...bot, id: 'bot2' }], []],
    ['user:bot', [bot], []],
    ['anyone', [{ kind: 'hub', id: 'polity', roles: [] }], []],
  ] as const)('%s of %j: %j', (who, chain, keys) => {
    expect(dueOf([budget({ who })], asked(chain)).map(({ key }) => key)).toEqual(keys)
  })

  it('is one count for all of them where it is shared', () => {
    expect(dueOf([budget({ isShared: true })], asked([ann, bot])).map(({ key }) => key)).toEqual([
      'b/3/everybody',
    ])
  })

  it('covers actions as a scope does, and never what lifts a budget or stops somebody', () => {
    const covers = (actions: string | undefined, action: string) =>
      dueOf([budget(actions === undefined ? {} : { actions })], asked([bot], { action })).length > 0
    expect(covers('mail', 'mail.send@1')).toBe(true)
    expect(covers('mail.sen', 'mail.send@1')).toBe(false)
    expect(covers('mail', 'mailer.send@1')).toBe(false)
    for (const action of ['budgets.remove@1', 'halts.kill@1', 'approvals.approve@1'])
      expect(covers(undefined, action)).toBe(false)
  })

  it('keeps a principal with a hostile id apart from every other', () => {
    const long = (end: string) => ({ kind: 'agent' as const, id: `${'x'.repeat(2000)}${end}`, roles: [] })
    const nul = { kind: 'agent' as const, id: 'a\0b', roles: [] }
    const keys = dueOf([budget()], asked([long('a'), long('b'), nul, bot])).map(({ key }) => key)
    expect(new Set(keys).size).toBe(4)
    for (const key of keys) expect(key.length).toBeLessThan(300)
  })
})

describe('what an action takes', () => {
  it.each([
    ['count', {}, {}, 1],
    ['cost', {}, { cost: 250 }, 250],
    ['cost', {}, {}, 0],
    ['cost', {}, { cost: -1 }, undefined],
    ['fact:rows', { rows: 12 }, {}, 12],
    ['fact:rows', {}, {}, undefined],
    ['fact:rows', { rows: -5 }, {}, undefined],
    ['fact:rows', { rows: 'many' }, {}, undefined],
    ['fact:constructor', {}, {}, undefined],
  ] as const)('by %s of %j and %j: %s', (measure, facts, conduct, amount) => {
    const [due] = dueOf([budget({ measure })], asked([bot], { facts, conduct }))
    expect(due?.amount).toBe(amount)
    if (due && amount === undefined) expect(useOf(due, undefined, 0).isExceeded).toBe(true)
  })

  it('never exceeds what is left by nothing at all', () => {
    const [due] = dueOf([budget({ measure: 'cost', limit: 0 })], asked())
    expect(due && useOf(due, undefined, 0).isExceeded).toBe(false)
  })
})

const WINDOW_MS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const

/** Asks at each time; answers the times at which something was let through. */
function letThrough(window: Window, limit: number, timesMs: readonly number[]): number[] {
  let row: CountRow | undefined
  return timesMs.filter((nowMs) => {
    const [due] = dueOf([budget({ window, limit })], asked())
    if (due === undefined) return false
    const { isExceeded, atMs, fromMs, key } = useOf(due, row, nowMs)
    if (isExceeded) return false
    const change = { atMs, used: 1, reserved: 0, claim: { fromMs, max: limit } }
    row = counted(row, change, { table: 'budgets.counts', key })
    return true
  })
}

describe('a window', () => {
  const windows = fc.constantFrom('minute' as const, 'hour' as const, 'day' as const)

  it('lets through no more than its limit in any stretch of its length, wherever that begins', () => {
    fc.assert(
      fc.property(
        windows,
        fc.integer({ min: 0, max: 5 }),
        fc.array(fc.double({ min: 0, max: 0.4, noNaN: true }), { maxLength: 60 }),
        fc.nat(1e9),
        (window, limit, gaps, startMs) => {
          let nowMs = startMs
          const times = gaps.map((gap) => (nowMs += Math.floor(gap * WINDOW_MS[window])))
          const passed = letThrough(window, limit, times)
          for (const from of passed) {
            const within = passed.filter((at) => at >= from && at < from + WINDOW_MS[window])
            expect(within.length).toBeLessThanOrEqual(limit)
          }
        },
      ),
    )
  })

  it('lets through again what has grown too old, and no later than a slice after that', () => {
    const [first, ...later] = letThrough('minute', 1, [5_000, 59_000, 64_999, 80_000])
    expect([first, ...later]).toEqual([5_000, 80_000])
  })

  it('refills nothing while the clock is behind where it was', () => {
    fc.assert(
      fc.property(
        windows,
        fc.array(fc.nat(2 * 86_400_000), { minLength: 1, maxLength: 40 }),
        (window, times) => {
          const highestMs = Math.max(...times)
          // Up to the highest time at once, then wherever the clock is set back to.
          const passed = letThrough(window, 3, [highestMs, highestMs, highestMs, ...times])
          expect(passed).toEqual([highestMs, highestMs, highestMs])
        },
      ),
    )
  })

  it('lets through what is left while the clock is behind, and counts it where it had come to', () => {
    expect(letThrough('minute', 2, [600_000, 5_000, 5_001, 659_000])).toEqual([600_000, 5_000])
  })

  it('of everything there ever was never ends', () => {
    expect(letThrough('total', 2, [0, 1e12, 2e12])).toEqual([0, 1e12])
  })
})
