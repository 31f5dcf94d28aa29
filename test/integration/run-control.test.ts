// Steering runs through a whole hub: pause, resume, cancel, deadlines, what is undone, and who may do it.

import { describe, expect, it } from 'vitest'
import type { StepContext } from '../../src/kernel/catalog/context.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { RUNS_CONCURRENT_MAX } from '../../src/kernel/runs/runs.ts'
import { part } from './lab/flow.contract.ts'
import { begin, calls, type Flow, flow, journalOf, outcome, stateOf, told, untilStopped } from './lab/flow.ts'
import { codeOf, entriesOf, openTestHub, owner, settle, somebody, tempFolder } from './lab/hubs.ts'

const stopped = ({ signal }: StepContext) => untilStopped(signal)
const inMs = (ms: number) => new Date(Date.now() + ms).toISOString()

/** Books three things that can be undone, and then does what it is told. */
const booking =
  (undone: string[], then: Flow, undo: (name: string) => unknown = () => undefined): Flow =>
  async (ctx, input) => {
    for (const name of ['flight', 'hotel', 'car'])
      await ctx.step(name, () => ({ booked: name }), {
        undo: async ({ booked }) => {
          undone.push(booked)
          await undo(booked)
        },
        retry: { attemptsMax: 2, baseMs: 1, capMs: 1 },
      })
    return then(ctx, input)
  }

describe('a run that is paused', () => {
  it('finishes the step under way, holds before the next, and goes on when it is resumed', async () => {
    const [reached, hold] = [calls(), calls()]
    const bodies: string[] = []
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          await ctx.step('one', () => {
            bodies.push('one')
            reached.call()
            return hold.reached
          })
          await ctx.step('two', () => bodies.push('two'))
          return 'done'
        }),
      ],
    })
    const run = await begin(hub, owner)
    await reached.reached
    const paused = await hub.invoke(owner, 'runs.pause', { run, reason: 'lunch' })
    expect(paused).toMatchObject({ output: { status: 'paused' } })
    await hub.invoke(owner, 'runs.pause', { run })
    hold.call()
    for (;;) {
      const { items } = await journalOf(hub, run)
      if (items.some(({ name, state }) => name === 'one' && state === 'done')) break
    }
    await settle(hub)
    expect(bodies).toEqual(['one'])
    expect(await stateOf(hub, run)).toMatchObject({ status: 'paused' })
    expect(await hub.invoke(owner, 'runs.resume', { run })).toMatchObject({ output: { status: 'running' } })
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(bodies).toEqual(['one', 'two'])
    const types = (await entriesOf(hub)).map(({ type }) => type).filter((type) => type.startsWith('run.'))
    expect(types).toEqual(['run.paused@1', 'run.resumed@1'])
    for (const action of ['runs.pause', 'runs.resume'])
      expect(await codeOf(hub.invoke(owner, action, { run }))).toBe('run.finished')
  })

  it('stays paused over a restart, and takes no place', async () => {
    const folder = tempFolder()
    const bodies: string[] = []
    const body: Flow = async (ctx, { mark = '' }) => {
      await ctx.signalled('go')
      await ctx.step('work', () => bodies.push(mark))
    }
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(body)] })
    const run = await begin(first, owner, 'flow.play', { mark: 'paused' })
    await first.invoke(owner, 'runs.pause', { run })
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [flow(body)] })
    await second.invoke(owner, 'runs.signal', { run, name: 'go' })
    const other = await begin(second, owner, 'flow.play', { mark: 'other' })
    await second.invoke(owner, 'runs.signal', { run: other, name: 'go' })
    await outcome(second, other)
    expect(bodies).toEqual(['other'])
    await second.invoke(owner, 'runs.resume', { run })
    expect(await outcome(second, run)).toMatchObject({ status: 'done' })
    expect(bodies).toEqual(['other', 'paused'])
  })
})

describe('a pure step of a command that happens once', () => {
  it('leaves no start behind, and what undoes it does', async () => {
    const seen: string[] = []
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          const look = async () => {
            for (const { name, state } of (await journalOf(hub, ctx.id)).items) seen.push(`${name} ${state}`)
          }
          await ctx.step('look', look, { isPure: true, undo: look })
          throw new PolityError('target.busy', 'no room')
        }),
      ],
    })
    await outcome(hub, await begin(hub, owner, 'flow.play-once'))
    expect(seen).toEqual(['look running', 'look done', 'undo/look running'])
  })
})

describe('a run that is cancelled', () => {
  it('has its step stopped, what it did undone in reverse, and says who did it', async () => {
    const undone: string[] = []
    const reached = calls()
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          booking(undone, (ctx) =>
            ctx.step('pay', (step) => {
              reached.call()
              return stopped(step)
            }),
          ),
        ),
      ],
    })
    const asked = hub.invoke(owner, 'flow.play', {})
    const code = codeOf(asked)
    await reached.reached
    const [{ run = '' } = {}] = (await list(hub)) as { run: string }[]
    await hub.invoke(owner, 'runs.cancel', { run, reason: 'changed my mind' })
    expect(await code).toBe('run.cancelled')
    expect(undone).toEqual(['car', 'hotel', 'flight'])
    expect(await outcome(hub, run)).toMatchObject({
      status: 'cancelled',
      message: 'user:owner cancelled the run: changed my mind',
    })
    expect((await journalOf(hub, run)).items.map(({ name, kind }) => `${kind} ${name}`)).toEqual([
      'step flight',
      'step hotel',
      'step car',
      'undo undo/car',
      'undo undo/hotel',
      'undo undo/flight',
    ])
    expect(await codeOf(hub.invoke(owner, 'runs.cancel', { run, reason: 'again' }))).toBe('run.finished')
  })

  it('ends while it waits in line, for time, for a signal or in a pause', async () => {
    const working = calls(RUNS_CONCURRENT_MAX)
    const hold = calls()
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx, { mark }) => {
          if (mark === 'time') await ctx.sleep('long', { forMs: 3_600_000 })
          if (mark === 'signal') await ctx.signalled('never')
          await ctx.step('work', () => {
            working.call()
            return hold.reached
          })
        }),
      ],
    })
    const waiting = []
    for (const mark of ['time', 'signal']) waiting.push(await begin(hub, owner, 'flow.play', { mark }))
    for (let each = 0; each < RUNS_CONCURRENT_MAX; each++) await begin(hub, owner)
    await working.reached
    for (let each = 0; each < 2; each++) waiting.push(await begin(hub, owner, 'flow.play', { mark: 'line' }))
    await hub.invoke(owner, 'runs.pause', { run: waiting.at(-1) ?? '' })
    for (const run of waiting) await hub.invoke(owner, 'runs.cancel', { run, reason: 'no more' })
    for (const run of waiting) expect(await outcome(hub, run)).toMatchObject({ status: 'cancelled' })
    hold.call()
  })

  it('goes on being cancelled after a restart in the middle of undoing', async () => {
    const folder = tempFolder()
    const undone: string[] = []
    const [reached, undoing] = [calls(), calls()]
    const body = (isLast: boolean) =>
      flow(
        booking(
          undone,
          (ctx) =>
            ctx.step('pay', (step) => {
              reached.call()
              return stopped(step)
            }),
          (name) => {
            if (isLast || name !== 'hotel') return
            undoing.call()
            return new Promise(() => undefined)
          },
        ),
      )
    const first = await openTestHub('sqlite', { ...folder, modules: [body(false)] })
    const run = await begin(first, owner)
    await reached.reached
    await first.invoke(owner, 'runs.cancel', { run, reason: 'storm' })
    await undoing.reached
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [body(true)] })
    expect(await outcome(second, run)).toMatchObject({ status: 'cancelled' })
    expect(undone).toEqual(['car', 'hotel', 'hotel', 'flight'])
  })

  it('takes what it has started with it, and waits until that is undone', async () => {
    const undone: string[] = []
    const reached = calls()
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          booking(undone, (ctx) => ctx.invoke(part, { mark: 'child' })),
          async (ctx) => {
            await ctx.step('deep', () => 'done', { undo: () => undone.push('deep') })
            await ctx.step('hold', (step) => {
              reached.call()
              return stopped(step)
            })
          },
        ),
      ],
    })
    const run = await begin(hub, owner)
    await reached.reached
    await hub.invoke(owner, 'runs.cancel', { run, reason: 'all of it' })
    expect(await outcome(hub, run)).toMatchObject({ status: 'cancelled' })
    const runs = (await list(hub)) as { status: string; parent?: string }[]
    expect(runs).toMatchObject([{ status: 'cancelled', parent: run }, { status: 'cancelled' }])
    expect(undone).toEqual(['deep', 'car', 'hotel', 'flight'])
  })
})

describe('a run that fails', () => {
  it('undoes what it did, each with attempts of its own', async () => {
    const undone: string[] = []
    let tries = 0
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          booking(
            undone,
            () => {
              throw new PolityError('target.busy', 'no room')
            },
            (name) => {
              if (name === 'hotel' && ++tries < 2) throw new Error('not now')
            },
          ),
        ),
      ],
    })
    const run = await begin(hub, owner)
    expect(await outcome(hub, run)).toMatchObject({ status: 'failed', code: 'target.busy' })
    expect(undone).toEqual(['car', 'hotel', 'hotel', 'flight'])
  })

  it('says what it could not undo, and undoes the rest', async () => {
    const undone: string[] = []
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          booking(
            undone,
            (ctx) => ctx.step('pay', stopped),
            (name) => {
              if (name === 'hotel') throw new Error('they keep the money')
            },
          ),
        ),
      ],
    })
    const run = await begin(hub, owner, 'flow.play', {}, { deadline: inMs(300) })
    expect(await outcome(hub, run)).toMatchObject({
      status: 'failed',
      code: 'run.deadline',
      notUndone: ['hotel'],
    })
    expect(undone).toEqual(['car', 'hotel', 'hotel', 'flight'])
    expect(await stateOf(hub, run)).toMatchObject({ notUndone: ['hotel'] })
  })

  it('undoes nothing twice, and nothing that was not done', async () => {
    const undone: string[] = []
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          await ctx
            .step('never', () => Promise.reject(new Error('no')), { undo: () => undone.push('never') })
            .catch(() => undefined)
          for (const _ of [1, 2]) await ctx.step('once', () => 1, { undo: () => undone.push('once') })
          throw new Error('end')
        }),
      ],
    })
    await outcome(hub, await begin(hub, owner))
    expect(undone).toEqual(['once'])
  })
})

describe('a deadline', () => {
  it.each(['flow.play', 'flow.play-once'])('ends a run that waits or works (%s)', async (action) => {
    const hub = await openTestHub('memory', {
      modules: [
        flow((ctx, { mark }) => (mark === 'wait' ? ctx.signalled('never') : ctx.step('work', stopped))),
      ],
    })
    for (const mark of ['wait', 'work'])
      expect(await codeOf(hub.invoke(owner, action, { mark }, { deadline: inMs(20) }))).toBe('run.deadline')
  })

  it('that is over already lets nothing begin', async () => {
    const bodies: string[] = []
    const hub = await openTestHub('memory', {
      modules: [flow((ctx) => ctx.step('work', () => bodies.push('x')))],
    })
    expect(await codeOf(hub.invoke(owner, 'flow.play', {}, { deadline: '2020-01-01T00:00:00Z' }))).toBe(
      'run.deadline',
    )
    expect(bodies).toEqual([])
  })

  it.each(['before any step', 'after a step'])('ends a handler that does not heed it (%s)', async (how) => {
    const undone: string[] = []
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          if (how === 'after a step') await ctx.step('one', () => 1, { undo: () => undone.push('one') })
          await new Promise(() => undefined)
        }),
      ],
    })
    expect(await codeOf(hub.invoke(owner, 'flow.play', {}, { deadline: inMs(200) }))).toBe('run.deadline')
    expect(undone).toEqual(how === 'after a step' ? ['one'] : [])
  })

  it.each(['tomorrow', '', '2026-13-01T00:00:00Z', '2026-01-01T00:00:00+01:00', 'x'.repeat(10_000)])(
    'is a time in UTC: %s',
    async (deadline) => {
      const hub = await openTestHub('memory', { modules: [flow(() => 1)] })
      expect(await codeOf(hub.invoke(owner, 'flow.play', {}, { deadline }))).toBe('input.invalid')
      expect(await list(hub)).toEqual([])
    },
  )

  it('is refused for what is done in one commit', async () => {
    const hub = await openTestHub('memory', { modules: [flow(() => 1)] })
    const options = { deadline: inMs(60_000) }
    expect(await codeOf(hub.invoke(owner, 'flow.atomically', {}, options))).toBe('input.invalid')
  })
})

describe('branches of a run', () => {
  it('go on at the same time, each in its own scope, and the answers come in order', async () => {
    let together = 0
    let most = 0
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          const both = await ctx.parallel('both', {
            a: (scope) => scope.step('same', () => 'of a'),
            b: async (scope) => {
              await scope.sleep('same sleep', { forMs: 1 })
              return scope.step('same', () => 'of b')
            },
          })
          const squares = await ctx.forEach(
            'items',
            Array.from({ length: 20 }, (_, index) => index),
            (scope, item) =>
              scope.step('square', async () => {
                together += 1
                most = Math.max(most, together)
                await settle(hub)
                together -= 1
                return item * item
              }),
            { concurrencyMax: 3 },
          )
          return [both, squares.at(-1), squares.length, await ctx.forEach('none', [], () => 1)]
        }),
      ],
    })
    expect(await hub.invoke(owner, 'flow.play', {})).toMatchObject({
      output: { result: [{ a: 'of a', b: 'of b' }, 361, 20, []] },
    })
    expect(most).toBe(3)
  })

  it('are stopped by the first one that fails, and what they did is undone', async () => {
    const undone: string[] = []
    const stops: string[] = []
    const reached = calls()
    const hub = await openTestHub('memory', {
      modules: [
        flow((ctx) =>
          ctx.parallel('group', {
            bad: async (scope) => {
              await reached.reached
              await scope.step('bad', () => Promise.reject(new PolityError('target.busy', 'no')))
            },
            good: async (scope) => {
              await scope.step('good', () => 1, { undo: () => undone.push('good') })
              await scope.step('long', ({ signal }) => {
                reached.call()
                signal.addEventListener('abort', () => stops.push('long'))
                return untilStopped(signal)
              })
            },
          }),
        ),
      ],
    })
    expect(await codeOf(hub.invoke(owner, 'flow.play', {}))).toBe('target.busy')
    expect(stops).toEqual(['long'])
    expect(undone).toEqual(['good'])
  })

  it('have bounds, and names that cannot be mistaken for others', async () => {
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => [
          await codeOf(ctx.forEach('many', Array.from({ length: 10_001 }), () => 1)),
          await codeOf(ctx.parallel('a/b', { c: () => 1 })),
          await codeOf(ctx.parallel('a', { 'b/c': () => 1 })),
          await codeOf(ctx.parallel('a', { '': () => 1 })),
          await ctx.parallel(
            'odd',
            JSON.parse('{"__proto__x": 1}') && { constructor: () => 1, toString: () => 2 },
          ),
        ]),
      ],
    })
    expect(await hub.invoke(owner, 'flow.play', {})).toMatchObject({
      output: { result: ['limit', 'limit', 'limit', 'limit', { constructor: 1, toString: 2 }] },
    })
  })
})

describe('runs that start runs', () => {
  it('hold no place while they wait: as many parents as may work all end', async () => {
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          async (ctx, { mark = '' }) => {
            const outside = await ctx.invoke(part, { mark })
            const inside = await ctx.step('inside', () => ctx.invoke(part, { mark: `${mark} again` }))
            return [outside.result, inside.result]
          },
          (ctx, { mark }) => ctx.step('work', () => `part of ${mark}`),
        ),
      ],
    })
    const answers = await Promise.all(
      Array.from({ length: RUNS_CONCURRENT_MAX + 6 }, (_, index) =>
        hub.invoke(owner, 'flow.play', { mark: `m${index}` }),
      ),
    )
    for (const [index, answer] of answers.entries())
      expect(answer).toMatchObject({
        output: { result: [`part of m${index}`, `part of m${index} again`] },
      })
  })

  it('hear with what their runs failed', async () => {
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          (ctx) => codeOf(ctx.invoke(part, {})),
          () => {
            throw new PolityError('target.busy', 'no room')
          },
        ),
      ],
    })
    expect(await hub.invoke(owner, 'flow.play', {})).toMatchObject({ output: { result: 'target.busy' } })
  })
})

describe('who may steer a run', () => {
  it('is whoever started it, an owner and the hub; to others it does not exist', async () => {
    const stranger = { chain: [{ kind: 'user', id: 'else', roles: [] }] } as const
    const hub = await openTestHub('memory', { modules: [flow((ctx) => ctx.signalled('go'))] })
    const run = await begin(hub, somebody, 'flow.play', { secret: 'hush' })
    for (const [action, input] of [
      ['runs.pause', { run }],
      ['runs.resume', { run }],
      ['runs.cancel', { run, reason: 'x' }],
      ['runs.signal', { run, name: 'go' }],
      ['runs.resolve', { run, step: 's', failed: 'x' }],
    ] as const)
      expect(await codeOf(hub.invoke(stranger, action, input)), action).toBe('run.not-found')
    for (const query of ['runs.get', 'runs.journal', 'runs.replay'])
      expect(await codeOf(hub.ask(stranger, query, { run })), query).toBe('run.not-found')
    expect((await hub.ask(stranger, 'runs.list', {})).output).toEqual({ items: [] })
    expect((await hub.ask(somebody, 'runs.list', {})).output).toMatchObject({ items: [{ run }] })
    const byScope = { ...somebody, scopes: ['flow'] }
    expect(await hub.invoke(byScope, 'runs.cancel', { run, reason: 'x' })).toMatchObject({ status: 'denied' })
    await hub.invoke(somebody, 'runs.signal', { run, name: 'go', payload: 1 })
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
  })
})

describe('the list of runs', () => {
  it('is newest first, in pages, by status, action and principal', async () => {
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          (ctx, { mark }) => {
            if (mark === 'bad') throw new Error('bad')
            return mark === 'wait' ? ctx.signalled('go') : 1
          },
          () => 2,
        ),
      ],
    })
    const runs: string[] = []
    for (const mark of ['ok', 'bad', 'wait']) runs.unshift(await begin(hub, owner, 'flow.play', { mark }))
    for (const mark of ['ok', 'wait']) runs.unshift(await begin(hub, somebody, 'flow.play', { mark }))
    runs.unshift(await begin(hub, owner, 'flow.part'))
    for (const run of [runs[0], runs[2], runs[4], runs[5]]) await outcome(hub, run ?? '')
    await hub.invoke(owner, 'runs.pause', { run: runs[1] ?? '' })
    const idsOf = async (input: object) =>
      ((await list(hub, input)) as { run: string }[]).map(({ run }) => run)
    expect(await idsOf({})).toEqual(runs)
    expect(await idsOf({ status: 'done' })).toEqual([runs[0], runs[2], runs[5]])
    expect(await idsOf({ status: 'paused' })).toEqual([runs[1]])
    expect(await idsOf({ status: 'running' })).toEqual([runs[3]])
    expect(await idsOf({ action: 'flow.part' })).toEqual([runs[0]])
    expect(await idsOf({ action: 'flow.part@1', principal: 'user:somebody' })).toEqual([])
    expect(await idsOf({ principal: 'user:somebody' })).toEqual([runs[1], runs[2]])
    const paged: string[] = []
    for (let after: string | undefined; ; ) {
      const page = (await hub.ask(owner, 'runs.list', { limit: 2, ...(after ? { after } : {}) })).output as {
        items: { run: string }[]
        after?: string
      }
      paged.push(...page.items.map(({ run }) => run))
      after = page.after
      if (after === undefined) break
    }
    expect(paged).toEqual(runs)
  })
})

async function list(
  hub: Awaited<ReturnType<typeof openTestHub>>,
  input: object = {},
): Promise<readonly object[]> {
  return ((await hub.ask(owner, 'runs.list', input)).output as { items: object[] }).items
}

describe('what was told of runs', () => {
  it('is in the log in words that name them', async () => {
    const hub = await openTestHub('memory', { modules: [flow((ctx) => ctx.signalled('go'))] })
    const run = await begin(hub, owner)
    await hub.invoke(owner, 'runs.cancel', { run, reason: 'enough' })
    expect(await told(hub, 'run.cancelled@1', run)).toEqual({ run, action: 'flow.play@1', reason: 'enough' })
  })
})
