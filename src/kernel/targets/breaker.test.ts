// Breakers: alone, against a model, and under many callers who come, wait and give up.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { PolityError } from '../errors.ts'
import { broken, fails, lab, settled, times, works } from './lab.fixture.ts'

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
    expect(await codeOf(targets.call('a', works))).toBe('none')
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

  it('takes each success for one failure less, so that whoever fails more often than not is not asked for long', async () => {
    const { targets } = lab()
    for (let turn = 0; turn < 50; turn++) {
      await codeOf(targets.call('well', fails))
      await times(2, () => targets.call('well', works))
    }
    expect(targets.state('well')).toMatchObject({ breaker: 'closed', failures: 0 })
    await times(4, () => targets.call('ill', fails))
    await targets.call('ill', works)
    expect(targets.state('ill')).toMatchObject({ breaker: 'closed', failures: 3 })
    await times(2, () => targets.call('ill', fails))
    expect(targets.state('ill').breaker).toBe('open')
  })

  it('does not count it against a target that its caller had left no time', async () => {
    const { targets } = lab()
    for (let turn = 0; turn < 9; turn++) {
      const run = new AbortController()
      const slow = codeOf(targets.call('a', fails, { signal: run.signal }))
      run.abort(new PolityError('run.deadline', 'the run was to end by then'))
      await slow
    }
    expect(targets.state('a')).toMatchObject({ breaker: 'closed', failures: 0, calls: 9 })
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
    expect(await codeOf(targets.call('a', works))).toBe('none')
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
        const isProbe = openUntil !== undefined
        const recent = failed.filter((time) => time > at - windowMs)
        failed = kind === 'fails' ? [...recent, at] : isProbe ? [] : recent.slice(1)
        const isOpening = kind === 'fails' && (isProbe || failed.length >= failuresMax)
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
          ).catch(String)
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
          'none',
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
