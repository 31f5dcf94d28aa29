// Steps of runs through a whole hub: retries, time, signs of life, and attempts that are counted over crashes.

import { describe, expect, it } from 'vitest'
import type { StepContext } from '../../src/kernel/catalog/context.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { Noted } from './lab/flow.contract.ts'
import { begin, calls, type Flow, flow, journalOf, outcome, untilStopped } from './lab/flow.ts'
import { codeOf, entriesOf, errorOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

const RETRY = { attemptsMax: 3, baseMs: 1, capMs: 2 }
const failing = (code: 'step.failed' | 'input.invalid' = 'step.failed') => {
  throw new PolityError(code, 'it did not work')
}

const played = async (body: Flow, action = 'flow.play') => {
  const hub = await openTestHub('memory', { modules: [flow(body)] })
  return { hub, run: (input = {}) => hub.invoke(owner, action, input) }
}

describe('a step', () => {
  it('is tried again while its policy allows it, and what it recorded counts once', async () => {
    const attempts: number[] = []
    const { hub, run } = await played((ctx) =>
      ctx.step(
        'work',
        ({ attempt, record }) => {
          attempts.push(attempt)
          record(Noted({ run: ctx.id, note: `${attempt}` }))
          return attempt < 3 ? failing() : 'done'
        },
        { retry: RETRY },
      ),
    )
    expect(await run()).toMatchObject({ status: 'done', output: { result: 'done' } })
    expect(attempts).toEqual([1, 2, 3])
    expect((await entriesOf(hub, 'flow.noted@1')).map(({ data }) => data.note)).toEqual(['3'])
  })

  it('fails with its last error when no attempt is left, and a handler may go on without it', async () => {
    let bodies = 0
    const { hub, run } = await played(async (ctx) => {
      const failed = await errorOf(
        ctx.step('work', () => failing(++bodies === 1 ? 'step.failed' : 'step.failed'), { retry: RETRY }),
      )
      return [failed.code, await ctx.step('other', () => 'fine')]
    })
    const answer = await run()
    expect(answer).toMatchObject({ output: { result: ['step.failed', 'fine'] } })
    expect(bodies).toBe(3)
    const { items } = await journalOf(hub, 'run' in answer ? (answer.run ?? '') : '')
    expect(items).toMatchObject([
      { name: 'work', state: 'failed', attempts: 3, code: 'step.failed' },
      { name: 'other', state: 'done', attempts: 1, result: 'fine' },
    ])
  })

  it.each([
    ['without a policy', undefined, 'step.failed'],
    ['for what would fail the same way', RETRY, 'input.invalid'],
  ] as const)('is not tried again %s', async (_, retry, code) => {
    let bodies = 0
    const { run } = await played((ctx) =>
      ctx.step(
        'work',
        () => {
          bodies += 1
          return failing(code)
        },
        retry ? { retry } : {},
      ),
    )
    expect(await codeOf(run())).toBe(code)
    expect(bodies).toBe(1)
  })

  it('is never tried again in a command that must not repeat, whatever its policy', async () => {
    let bodies = 0
    const { run } = await played(
      (ctx) =>
        ctx.step(
          'work',
          () => {
            bodies += 1
            return failing()
          },
          { retry: RETRY },
        ),
      'flow.play-once',
    )
    expect(await codeOf(run())).toBe('step.failed')
    expect(bodies).toBe(1)
  })

  it('is given up when it takes too long, and its signal says so', async () => {
    const reasons: unknown[] = []
    const body = ({ signal }: StepContext) => {
      signal.addEventListener('abort', () => reasons.push((signal.reason as PolityError).code))
      return new Promise<never>(() => undefined)
    }
    const { run } = await played((ctx) =>
      ctx.step('slow', body, { timeoutMs: 5, retry: { ...RETRY, attemptsMax: 2 } }),
    )
    expect(await codeOf(run())).toBe('step.timeout')
    expect(reasons).toEqual(['step.timeout', 'step.timeout'])
  })

  it('is given up when it is silent, and lives as long as it gives signs', async () => {
    const { run } = await played(async (ctx) => {
      const lively = await ctx.step(
        'lively',
        async ({ heartbeat }) => {
          for (let beat = 0; beat < 8; beat++) {
            heartbeat()
            await ctx.sleep(`beat ${beat}`, { forMs: 10 })
          }
          return 'alive'
        },
        { heartbeatMs: 10_000 },
      )
      const silent = await codeOf(
        ctx.step('silent', ({ signal }) => untilStopped(signal), { heartbeatMs: 5 }),
      )
      return [lively, silent]
    })
    expect(await run()).toMatchObject({ output: { result: ['alive', 'step.silent'] } })
  })

  it('tells the next attempt the details of the last sign of life, within their bounds', async () => {
    const told: unknown[] = []
    const { run } = await played(async (ctx) => {
      await ctx.step(
        'work',
        ({ heartbeat, heartbeatDetails, attempt }) => {
          told.push(heartbeatDetails)
          heartbeat({ at: attempt })
          heartbeat({ at: attempt * 10 })
          return attempt < 3 ? failing() : null
        },
        { retry: RETRY },
      )
      for (const details of ['x'.repeat(5000), () => 1])
        expect(await codeOf(ctx.step(`bad ${typeof details}`, ({ heartbeat }) => heartbeat(details)))).toBe(
          'limit',
        )
    })
    await run()
    expect(told).toEqual([undefined, { at: 10 }, { at: 20 }])
  })

  it('that failed fails the same way after a restart, without its body', async () => {
    const folder = tempFolder()
    const bodies: string[] = []
    const reached = calls()
    const body =
      (isStopped: boolean): Flow =>
      async (ctx) => {
        const error = await errorOf(
          ctx.step('fails', () => {
            bodies.push('fails')
            throw new TypeError('not even coded')
          }),
        )
        await ctx.step('then', ({ signal }) => {
          bodies.push('then')
          if (!isStopped) return 'done'
          reached.call()
          return untilStopped(signal)
        })
        return [error.code, error.message]
      }
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(body(true))] })
    const run = await begin(first, owner)
    await reached.reached
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [flow(body(false))] })
    await outcome(second, run)
    expect(await second.run(owner, run)).toMatchObject({
      output: { result: ['step.failed', 'not even coded'] },
    })
    expect(bodies).toEqual(['fails', 'then', 'then'])
  })

  it('counts the attempts that a stop of the hub ended, and knows their last sign of life', async () => {
    const folder = tempFolder()
    const seen: unknown[] = []
    const open = async (isLast: boolean) => {
      const reached = calls()
      const body: Flow = (ctx) =>
        ctx.step('work', async ({ attempt, heartbeat, heartbeatDetails, signal }) => {
          seen.push([attempt, heartbeatDetails])
          if (isLast) return 'done'
          heartbeat({ of: attempt })
          // The details are kept while the body goes on.
          await hub.identity.signOut('nobody')
          reached.call()
          return untilStopped(signal)
        })
      const hub = await openTestHub('sqlite', { ...folder, modules: [flow(body)] })
      return { hub, reached: reached.reached }
    }
    const first = await open(false)
    const run = await begin(first.hub, owner)
    await first.reached
    await first.hub.close()
    const second = await open(false)
    await second.reached
    await second.hub.close()
    const { hub } = await open(true)
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(seen).toEqual([
      [1, undefined],
      [2, { of: 1 }],
      [3, { of: 2 }],
    ])
  })

  it('waits between two attempts, and is running in each', async () => {
    const seen: unknown[] = []
    const { hub, run } = await played((ctx) =>
      ctx.step(
        'work',
        async ({ attempt }) => {
          const [found] = (await journalOf(hub, ctx.id)).items
          seen.push([attempt, found?.state, found?.attempts, Object.keys(found ?? {}).includes('until')])
          return attempt < 2 ? failing() : null
        },
        { retry: RETRY },
      ),
    )
    await run()
    expect(seen).toEqual([
      [1, 'running', 0, false],
      [2, 'running', 1, false],
    ])
  })

  it('passes the breaker of its target', async () => {
    const { hub, run } = await played(async (ctx) => {
      for (let call = 0; call < 5; call++)
        await errorOf(ctx.step(`call ${call}`, () => failing(), { target: 'elsewhere' }))
      return codeOf(ctx.step('one more', () => 'never asked', { target: 'elsewhere' }))
    })
    expect(await run()).toMatchObject({ output: { result: 'target.open' } })
    expect(hub.targets.list()).toMatchObject([{ name: 'elsewhere', breaker: 'open', calls: 5 }])
  })
})

describe('what is done in one commit', () => {
  it.each(['flow.atomically', 'flow.working'])('has nothing of a run (%s)', async (action) => {
    const { run } = await played(async (ctx) => {
      const asked = [
        ctx.step('s', () => 1),
        ctx.sleep('s', { forMs: 1 }),
        ctx.signalled('s'),
        ctx.parallel('s', {}),
        ctx.forEach('s', [1], () => 1),
        ctx.invoke({ name: 'x@1' } as never, {} as never),
        ctx.ask({ name: 'x@1' } as never, {} as never),
      ]
      return Promise.all(asked.map(codeOf))
    }, action)
    expect(await run()).toMatchObject({ output: { result: Array.from({ length: 7 }, () => 'internal') } })
  })
})
