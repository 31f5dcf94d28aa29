import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { seededChance } from '../simulator/chance.ts'
import { simulatedEnv } from '../simulator/env.ts'
import { FLOOR, REPETITIONS_PER_CALL, SAVED_MAX } from './budget.ts'
import { delayBefore, random01 } from './retry.ts'
import { openTargets, TARGETS_MAX, type Targets } from './targets.ts'

const broken = () => new PolityError('egress.unreachable', 'nobody there')
const fails = () => Promise.reject(broken())
const works = async () => 'ok'

function lab(seed = 1) {
  const env = simulatedEnv(seededChance(seed))
  const targets = openTargets(env)
  /** Moves the clock on, waking nobody but this. */
  const later = async (forMs: number) => {
    const slept = env.sleepUntil(env.monotonic() + forMs)
    env.advance()
    await slept
  }
  return { env, targets, later }
}

async function codeOf(called: Promise<unknown>): Promise<string> {
  return called.then(
    () => 'ok',
    (error: unknown) => (error instanceof PolityError ? error.code : String(error)),
  )
}

const times = async (count: number, act: () => Promise<unknown>) => {
  for (let turn = 0; turn < count; turn++) await codeOf(act())
}

/** Lets everything that is due in this turn happen. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('a breaker', () => {
  it('opens after five failures in a minute, and then asks nobody for a minute', async () => {
    const { env, targets, later } = lab()
    await times(4, () => targets.call('a', fails))
    expect(targets.state('a').breaker).toBe('closed')
    await codeOf(targets.call('a', fails))
    expect(targets.state('a')).toMatchObject({ breaker: 'open', retryAtMs: env.now() + 60_000, failed: 5 })
    let asked = 0
    const refused = targets.call('a', async () => {
      asked += 1
    })
    await expect(refused).rejects.toMatchObject({
      code: 'target.open',
      facts: { retryAtMs: env.now() + 60_000 },
    })
    await later(59_999)
    expect(await codeOf(targets.call('a', works))).toBe('target.open')
    expect(asked).toBe(0)
    await later(1)
    expect(await codeOf(targets.call('a', works))).toBe('ok')
    expect(targets.state('a')).toMatchObject({ breaker: 'closed', failures: 0, refused: 2 })
  })

  it('forgets what is older than its window', async () => {
    const { targets, later } = lab()
    for (let turn = 0; turn < 20; turn++) {
      await codeOf(targets.call('a', fails))
      await later(15_000)
    }
    expect(targets.state('a').breaker).toBe('closed')
    expect(targets.state('a').failures).toBe(3)
  })

  it('is set back by a success', async () => {
    const { targets } = lab()
    for (let turn = 0; turn < 5; turn++) {
      await times(4, () => targets.call('a', fails))
      await targets.call('a', works)
    }
    expect(targets.state('a').breaker).toBe('closed')
  })

  it('lets exactly one probe through, whatever the crowd, and opens again when it fails', async () => {
    const { targets, later } = lab()
    targets.declare('a', { concurrentMax: 100 })
    await times(5, () => targets.call('a', fails))
    await later(60_000)
    let asked = 0
    const probe = Promise.withResolvers<void>()
    const body = () => {
      asked += 1
      return probe.promise
    }
    const crowd = Array.from({ length: 50 }, () => codeOf(targets.call('a', body)))
    await settled()
    expect(asked).toBe(1)
    expect(targets.state('a').breaker).toBe('half-open')
    probe.reject(broken())
    const codes = await Promise.all(crowd)
    expect(codes.filter((code) => code === 'target.open')).toHaveLength(49)
    expect(targets.state('a').breaker).toBe('open')
    await later(59_999)
    expect(await codeOf(targets.call('a', works))).toBe('target.open')
  })

  it('lets another one probe when the probe was cancelled', async () => {
    const { targets, later } = lab()
    await times(5, () => targets.call('a', fails))
    await later(60_000)
    const cancelled = () => Promise.reject(new PolityError('cancelled', 'no longer wanted'))
    expect(await codeOf(targets.call('a', cancelled))).toBe('cancelled')
    expect(targets.state('a').breaker).toBe('open')
    expect(await codeOf(targets.call('a', works))).toBe('ok')
    expect(targets.state('a').breaker).toBe('closed')
  })

  it('does not believe what was asked before it opened', async () => {
    const { targets } = lab()
    const slow = Promise.withResolvers<string>()
    const late = targets.call('a', () => slow.promise)
    await times(5, () => targets.call('a', fails))
    slow.resolve('late')
    expect(await late).toBe('late')
    expect(targets.state('a').breaker).toBe('open')
  })

  it('is not kept open by what was asked before it opened', async () => {
    const { env, targets, later } = lab()
    targets.declare('a', { failuresMax: 2 })
    const slow = Array.from({ length: 4 }, () => Promise.withResolvers<string>())
    const calls = slow.map(({ promise }) => codeOf(targets.call('a', () => promise)))
    slow[0]?.reject(broken())
    slow[1]?.reject(broken())
    await settled()
    const opensAtMs = env.now() + 60_000
    expect(targets.state('a').retryAtMs).toBe(opensAtMs)
    await later(30_000)
    slow[2]?.reject(broken())
    slow[3]?.reject(broken())
    await Promise.all(calls)
    expect(targets.state('a').retryAtMs).toBe(opensAtMs)
  })

  it('counts timeouts, and neither cancellations nor refusals of our own', async () => {
    const { targets } = lab()
    const throwing = (error: unknown) => () => Promise.reject(error)
    for (const code of ['cancelled', 'egress.invalid', 'egress.refused', 'secret.missing', 'limit'] as const)
      await times(10, () => targets.call('a', throwing(new PolityError(code, 'no'))))
    const aborted = AbortSignal.abort(new DOMException('gone', 'AbortError'))
    await times(10, () => targets.call('a', fails, { signal: aborted }))
    expect(targets.state('a')).toMatchObject({ breaker: 'closed', failures: 0 })
    await times(3, () => targets.call('a', throwing(new PolityError('timeout', 'too late'))))
    const giving = new AbortController()
    const patient = targets.call('a', fails, { signal: giving.signal })
    giving.abort(new DOMException('too late', 'TimeoutError'))
    await codeOf(patient)
    await times(1, () => targets.call('a', throwing(new TypeError('broken pipe'))))
    expect(targets.state('a').breaker).toBe('open')
  })

  it('asks its caller what a failure is, where the caller knows better', async () => {
    const { targets } = lab()
    const isFailure = (error: unknown) => !(error instanceof RangeError)
    await times(9, () => targets.call('a', () => Promise.reject(new RangeError('404')), { isFailure }))
    expect(targets.state('a').breaker).toBe('closed')
  })

  it('survives a body that throws at once', async () => {
    const { targets } = lab()
    const throws = () => {
      throw broken()
    }
    await times(5, () => targets.call('a', throws))
    expect(targets.state('a')).toMatchObject({ breaker: 'open', underWay: 0 })
  })
})

describe('a breaker, against a model', () => {
  type Step =
    | { readonly kind: 'works' | 'fails' | 'cancels' }
    | { readonly kind: 'waits'; readonly forMs: number }
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 2, arbitrary: fc.constant({ kind: 'works' as const }) },
    { weight: 8, arbitrary: fc.constant({ kind: 'fails' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'cancels' as const }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('waits' as const), forMs: fc.integer({ min: 1, max: 90 }) }),
    },
  )
  const policy = fc.record({
    failuresMax: fc.integer({ min: 1, max: 6 }),
    windowMs: fc.integer({ min: 1, max: 200 }),
    openMs: fc.integer({ min: 1, max: 100 }),
  })

  interface Limits {
    readonly failuresMax: number
    readonly windowMs: number
    readonly openMs: number
  }
  const model = ({ failuresMax, windowMs, openMs }: Limits) => {
    let failed: number[] = []
    let openUntil: number | undefined
    return {
      refuses: (at: number) => openUntil !== undefined && at < openUntil,
      saw(kind: 'works' | 'fails' | 'cancels', at: number) {
        if (kind === 'cancels') return
        failed = kind === 'works' ? [] : [...failed.filter((time) => time > at - windowMs), at]
        const isOpening = kind === 'fails' && (openUntil !== undefined || failed.length >= failuresMax)
        openUntil = isOpening ? at + openMs : undefined
        if (isOpening) failed = []
      },
      state: () => ({ breaker: openUntil === undefined ? 'closed' : 'open', failures: failed.length }),
    }
  }
  const bodies = { works, fails, cancels: () => Promise.reject(new PolityError('cancelled', 'no')) }

  it('does as it should, one call after the other', async () => {
    await fc.assert(
      fc.asyncProperty(policy, fc.array(step, { maxLength: 60 }), async (limits, steps) => {
        const { env, targets, later } = lab()
        targets.declare('a', limits)
        const expected = model(limits)
        for (const each of steps) {
          if (each.kind === 'waits') {
            await later(each.forMs)
            continue
          }
          const at = env.monotonic()
          const isRefused = expected.refuses(at)
          const code = await codeOf(targets.call<unknown>('a', bodies[each.kind]))
          expect(code === 'target.open').toBe(isRefused)
          if (!isRefused) expected.saw(each.kind, at)
          if (each.kind !== 'cancels') expect(targets.state('a')).toMatchObject(expected.state())
        }
      }),
    )
  })

  it('keeps its promises when many call at once, and some give up', async () => {
    const call = fc.record({
      startMs: fc.integer({ min: 0, max: 300 }),
      takesMs: fc.integer({ min: 1, max: 80 }),
      isFailing: fc.boolean(),
      givesUpMs: fc.option(fc.integer({ min: 1, max: 60 }), { nil: undefined }),
    })
    const limits = fc.record({
      failuresMax: fc.integer({ min: 1, max: 3 }),
      windowMs: fc.integer({ min: 10, max: 200 }),
      openMs: fc.integer({ min: 10, max: 100 }),
      concurrentMax: fc.integer({ min: 1, max: 4 }),
      waitingMax: fc.integer({ min: 0, max: 6 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.nat(), limits, fc.array(call, { maxLength: 40 }), async (seed, bounds, calls) => {
        const { env, targets } = lab(seed)
        targets.declare('a', bounds)
        let inside = 0
        let probes = 0
        const made = calls.map(async ({ startMs, takesMs, isFailing, givesUpMs }) => {
          await env.sleepUntil(startMs)
          const giving = new AbortController()
          if (givesUpMs !== undefined)
            void env.sleepUntil(startMs + givesUpMs).then(
              () => giving.abort(),
              () => undefined,
            )
          return codeOf(
            targets.call(
              'a',
              async () => {
                inside += 1
                expect(inside).toBeLessThanOrEqual(bounds.concurrentMax)
                const isProbe = targets.state('a').breaker === 'half-open'
                if (isProbe) probes += 1
                expect(probes).toBeLessThanOrEqual(1)
                try {
                  await env.sleepUntil(env.monotonic() + takesMs, giving.signal)
                  if (isFailing) throw broken()
                } finally {
                  inside -= 1
                  if (isProbe) probes -= 1
                }
              },
              { signal: giving.signal },
            ),
          )
        })
        const watcher = { isOver: false }
        const all = Promise.all(made).finally(() => {
          watcher.isOver = true
        })
        while (!watcher.isOver) {
          await settled()
          expect(targets.state('a').waiting).toBeLessThanOrEqual(bounds.waitingMax)
          expect(targets.state('a').underWay).toBeLessThanOrEqual(bounds.concurrentMax)
          env.advance()
        }
        const codes = await all
        const known = [
          'ok',
          'egress.unreachable',
          'target.open',
          'target.busy',
          'cancelled',
          'AbortError: This operation was aborted',
        ]
        for (const code of codes) expect(known).toContain(code)
        // Nobody is left inside or in the queue, and every call was counted once.
        const { underWay, waiting, calls: admitted, refused } = targets.state('a')
        expect([underWay, waiting]).toEqual([0, 0])
        expect(admitted + refused).toBeLessThanOrEqual(calls.length)
      }),
      { numRuns: 60 },
    )
  })
})

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
    expect(await codeOf(busy.call('one more', works))).toBe('ok')
  })

  it('have names that are no trap, and none that has no end', async () => {
    const { targets } = lab()
    for (const name of ['__proto__', 'constructor', 'toString', ' ', 'a/b'])
      expect(await codeOf(targets.call(name, works))).toBe('ok')
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
  })
})
