// Bulkheads, repetitions and many targets at a time, on a simulated clock.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { PolityError } from '../errors.ts'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import { FLOOR, REPETITIONS_PER_CALL, SAVED_MAX } from './budget.ts'
import { broken, fails, lab, settled, times, works } from './lab.fixture.ts'
import { delayBefore, random01 } from './retry.ts'
import { TARGETS_MAX, type Targets } from './targets.ts'

describe('a bulkhead', () => {
  it('is first come, first served, and refuses whoever finds the queue full', async () => {
    const { targets } = lab()
    targets.declare('a', { concurrentMax: 1, waitingMax: 3 })
    const order: number[] = []
    const first = Promise.withResolvers<void>()
    const calls = [0, 1, 2, 3].map((place) =>
      targets.call('a', async () => {
        order.push(place)
        if (place === 0) await first.promise
      }),
    )
    await settled()
    expect(targets.state('a')).toMatchObject({ underWay: 1, waiting: 3 })
    await expect(targets.call('a', works)).rejects.toMatchObject({ code: 'target.busy' })
    first.resolve()
    await Promise.all(calls)
    expect(order).toEqual([0, 1, 2, 3])
  })

  it('lets those who waited go first when there are more places', async () => {
    const { targets } = lab()
    targets.declare('a', { concurrentMax: 1 })
    const first = Promise.withResolvers<void>()
    const order: number[] = []
    const calls = [0, 1, 2].map((place) =>
      targets.call('a', async () => {
        order.push(place)
        await first.promise
      }),
    )
    await settled()
    targets.declare('a', { concurrentMax: 3 })
    const late = targets.call('a', async () => void order.push(9))
    await settled()
    expect(order).toEqual([0, 1, 2])
    first.resolve()
    await Promise.all([...calls, late])
    expect(order).toEqual([0, 1, 2, 9])
  })

  it('lets go whoever gives up while waiting', async () => {
    const { targets } = lab()
    targets.declare('a', { concurrentMax: 1, waitingMax: 2 })
    const first = Promise.withResolvers<void>()
    const holding = targets.call('a', () => first.promise)
    const giving = new AbortController()
    const waiting = codeOf(targets.call('a', works, { signal: giving.signal }))
    const next = targets.call('a', works)
    await settled()
    giving.abort()
    expect(await waiting).toBe('cancelled')
    expect(targets.state('a')).toMatchObject({ underWay: 1, waiting: 1, failures: 0 })
    first.resolve()
    await holding
    expect(await next).toBe('ok')
  })

  it('does not send those who waited to a target that has failed meanwhile', async () => {
    const { targets } = lab()
    targets.declare('a', { concurrentMax: 1, failuresMax: 1 })
    const first = Promise.withResolvers<void>()
    const calls = [() => first.promise, works, works].map((body) => codeOf(targets.call<unknown>('a', body)))
    await settled()
    first.reject(broken())
    expect(await Promise.all(calls)).toEqual(['egress.unreachable', 'target.open', 'target.open'])
    expect(targets.state('a')).toMatchObject({ underWay: 0, waiting: 0 })
  })
})

describe('repetitions', () => {
  const retry = { attemptsMax: 4, baseMs: 100, capMs: 1000 }
  const driven = async <T>(env: { advance(): boolean }, work: Promise<T>): Promise<T> => {
    const state = { isOver: false }
    const done = work.finally(() => {
      state.isOver = true
    })
    done.catch(() => undefined)
    while (!state.isOver) {
      await settled()
      env.advance()
    }
    return done
  }

  it('go on until one works', async () => {
    const { env, targets } = lab()
    let attempts = 0
    const body = async () => {
      attempts += 1
      if (attempts < 3) throw broken()
      return attempts
    }
    expect(await driven(env, targets.retrying('a', body, retry))).toBe(3)
  })

  it('end with the last error, after the last attempt', async () => {
    const { env, targets } = lab()
    expect(await codeOf(driven(env, targets.retrying('a', fails, retry)))).toBe('egress.unreachable')
    expect(targets.state('a').calls).toBe(4)
  })

  it('are not made for refusals, nor for what is no failure', async () => {
    const { env, targets } = lab()
    const refused = () => Promise.reject(new PolityError('egress.refused', 'inside'))
    expect(await codeOf(driven(env, targets.retrying('a', refused, retry)))).toBe('egress.refused')
    expect(targets.state('a').calls).toBe(1)
    await times(5, () => targets.call('b', fails))
    expect(await codeOf(driven(env, targets.retrying('b', works, retry)))).toBe('target.open')
    expect(targets.state('b').calls).toBe(5)
  })

  it('end while waiting when the caller gives up', async () => {
    const { targets } = lab()
    const giving = new AbortController()
    const tried = codeOf(
      targets.retrying('a', fails, { ...retry, baseMs: 1e9, capMs: 1e9 }, { signal: giving.signal }),
    )
    await settled()
    giving.abort()
    expect(await tried).toBe('cancelled')
    expect(targets.state('a').calls).toBe(1)
  })

  it('stay a fifth of the calls, beside a floor', async () => {
    const { env, targets } = lab()
    targets.declare('a', { failuresMax: 1_000_000 })
    const rounds = 500
    for (let round = 0; round < rounds; round++)
      await codeOf(driven(env, targets.retrying('a', fails, { attemptsMax: 10, baseMs: 0, capMs: 0 })))
    const repetitions = targets.state('a').calls - rounds
    expect(repetitions).toBeLessThanOrEqual(rounds * REPETITIONS_PER_CALL + FLOOR)
    expect(repetitions).toBeGreaterThanOrEqual(rounds * REPETITIONS_PER_CALL - 1)
  })

  it('that good calls have saved up are bounded, and rest brings back the floor only', async () => {
    const { env, targets, later } = lab()
    targets.declare('a', { failuresMax: 1_000_000 })
    await times(5000, () => targets.call('a', works))
    const repeated = async () => {
      const before = targets.state('a').calls
      await codeOf(driven(env, targets.retrying('a', fails, { attemptsMax: 1000, baseMs: 0, capMs: 0 })))
      return targets.state('a').calls - before - 1
    }
    expect(await repeated()).toBe(SAVED_MAX)
    expect(await repeated()).toBe(0)
    await later(3_600_000)
    expect(await repeated()).toBe(FLOOR)
  })
})

describe('the delay before an attempt', () => {
  it('is a chance below an exponential ceiling, and never above the cap', () => {
    const any = fc.record({
      baseMs: fc.integer({ min: 0, max: 1e6 }),
      capMs: fc.integer({ min: 0, max: 1e7 }),
      attempt: fc.integer({ min: 0, max: 1e6 }),
      chance: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    })
    fc.assert(
      fc.property(any, ({ baseMs, capMs, attempt, chance }) => {
        const delayMs = delayBefore({ baseMs, capMs }, attempt, chance)
        expect(Number.isSafeInteger(delayMs) && delayMs >= 0 && delayMs <= capMs).toBe(true)
        if (attempt <= 1) expect(delayMs).toBe(0)
        if (attempt === 2) expect(delayMs).toBeLessThanOrEqual(baseMs)
      }),
    )
    expect(
      [2, 3, 4, 5, 9].map((attempt) => delayBefore({ baseMs: 100, capMs: 1000 }, attempt, 0.999_999)),
    ).toEqual([99, 199, 399, 799, 999])
  })

  it('is spread over the whole interval', () => {
    const env = simulatedEnv(seededChance(3))
    const chances = Array.from({ length: 2000 }, () => random01(env))
    expect(chances.every((chance) => chance >= 0 && chance < 1)).toBe(true)
    expect(chances.filter((chance) => chance < 0.1).length).toBeGreaterThan(100)
    expect(chances.filter((chance) => chance > 0.9).length).toBeGreaterThan(100)
  })
})

describe('many targets', () => {
  const fill = async (targets: Targets, from: number, to: number) => {
    for (let at = from; at < to; at++) await targets.call(`t${at}`, works)
  }

  it('are bounded: the idle one that was used longest ago is forgotten first', async () => {
    const { targets } = lab()
    await fill(targets, 0, TARGETS_MAX)
    await targets.call('t0', works)
    await targets.call('new', works)
    const names = targets.list().map(({ name }) => name)
    expect(names).toHaveLength(TARGETS_MAX)
    expect(names).toContain('t0')
    expect(names).not.toContain('t1')
  })

  it('keep those that are declared, open or busy; when all are busy there is no room', async () => {
    const { targets } = lab()
    targets.declare('declared', {})
    await times(5, () => targets.call('open', fails))
    await fill(targets, 0, TARGETS_MAX * 2)
    expect(targets.state('open').breaker).toBe('open')
    expect(targets.list().map(({ name }) => name)).toContain('declared')

    const busy = lab().targets
    const end = Promise.withResolvers<void>()
    const holding = Array.from({ length: TARGETS_MAX }, (_, at) => busy.call(`t${at}`, () => end.promise))
    expect(await codeOf(busy.call('one more', works))).toBe('limit')
    end.resolve()
    await Promise.all(holding)
    expect(await codeOf(busy.call('one more', works))).toBe('none')
  })

  it('have names that are no trap, and none that has no end', async () => {
    const { targets } = lab()
    for (const name of ['__proto__', 'constructor', 'toString', ' ', 'a/b'])
      expect(await codeOf(targets.call(name, works))).toBe('none')
    for (const name of ['', 'x'.repeat(1024 * 1024), '\ud800'])
      expect(await codeOf(targets.call(name, works))).toBe('input.invalid')
    expect(targets.list()).toHaveLength(5)
    expect(targets.state('never asked')).toMatchObject({ breaker: 'closed', calls: 0 })
    expect(targets.list()).toHaveLength(5)
  })

  it('show the last error on one bounded line', async () => {
    const { targets } = lab()
    const shouting = () =>
      Promise.reject(new PolityError('step.failed', `a\n\u001b[31m${'x'.repeat(1_000_000)}`))
    await codeOf(targets.call('a', shouting))
    const { lastError = '' } = targets.state('a')
    expect(lastError.length).toBeLessThanOrEqual(256)
    expect(lastError).toMatch(/^step\.failed: a {2}\[31mx+…$/)
  })

  it('take only policies that make sense', () => {
    const { targets } = lab()
    for (const policy of [
      { failuresMax: 0 },
      { windowMs: -1 },
      { openMs: Number.NaN },
      { concurrentMax: 0.5 },
    ])
      expect(() => targets.declare('a', policy)).toThrow(/must be/)
    targets.declare('a', { waitingMax: 0 })
    expect(() => targets.declare('a', { waitingMax: -1 })).toThrow(/must be a whole number from 0 on/)
  })
})
