// Runs that nobody should guess about: code that changed, hubs that die of them, steps that may have happened; and what a replay says.

import { setImmediate } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { TAKE_OVERS_MAX } from '../../src/kernel/runs/life.ts'
import { counted, Noted, part, playOnce } from './lab/flow.contract.ts'
import {
  begin,
  calls,
  type Flow,
  flow,
  journalOf,
  outcome,
  replayOf,
  stateOf,
  told,
  untilStopped,
} from './lab/flow.ts'
import { codeOf, entriesOf, openTestHub, owner, somebody, tempFolder } from './lab/hubs.ts'

/** Runs `before` until it says so, stops the hub, and goes on with the code of `after`. */
async function changed(before: Flow, action = 'flow.play') {
  const folder = tempFolder()
  const reached = calls()
  const held: Flow = async (ctx, input) => {
    await before(ctx, input)
    return ctx.step('hold', ({ signal }) => {
      reached.call()
      return untilStopped(signal)
    })
  }
  const first = await openTestHub('sqlite', { ...folder, modules: [flow(held)] })
  const run = await begin(first, owner, action)
  await reached.reached
  await first.close()
  return { run, open: (after: Flow) => openTestHub('sqlite', { ...folder, modules: [flow(after)] }) }
}

const two: Flow = async (ctx) => {
  await ctx.step('a', () => 1)
  await ctx.step('b', () => 2)
}

describe('a run whose code changed', () => {
  it.each([
    ['comes by less', 'b', (ctx) => ctx.step('a', () => 1)],
    ['fails before it comes by', 'a', () => Promise.reject(new Error('new code fails'))],
    ['takes a step for a sleep', 'a', (ctx) => ctx.sleep('a', { forMs: 1 })],
    ['sleeps instead', 'a', (ctx) => ctx.sleep('nap', { forMs: 1 })],
    ['moves a step into a branch', 'a', (ctx) => ctx.parallel('x', { y: (s) => s.step('a', () => 1) })],
  ] as [string, string, Flow][])(
    'is parked when it %s, and goes on once the code is back',
    async (_, step, after) => {
      const { run, open } = await changed(two)
      const second = await open(after)
      expect(await told(second, 'run.parked@1', run)).toMatchObject({ step, action: 'flow.play@1' })
      expect(await stateOf(second, run)).toMatchObject({ status: 'parked', step, reason: expect.any(String) })
      expect(await second.run(owner, run)).toMatchObject({ status: 'running', parked: expect.any(String) })
      expect(await codeOf(second.invoke(owner, 'runs.pause', { run }))).toBe('run.parked')
      await second.close()
      const third = await open(async (ctx, input) => {
        await two(ctx, input)
        return ctx.step('hold', () => 'held')
      })
      expect(await stateOf(third, run)).toMatchObject({ status: 'parked' })
      await third.invoke(owner, 'runs.resume', { run })
      expect(await outcome(third, run)).toMatchObject({ status: 'done' })
      expect(await entriesOf(third, 'run.resumed@1')).toHaveLength(1)
    },
  )

  it('may come by more, and by nothing that stood inside of a step', async () => {
    const { run, open } = await changed(async (ctx) => {
      await ctx.step('outer', async () => {
        await ctx.step('inner', () => 1)
        await ctx.sleep('nap', { forMs: 1 })
        await ctx.invoke(counted, { by: 3 })
      })
    })
    const second = await open(async (ctx) => {
      await ctx.step('outer', () => expect.unreachable())
      return ctx.step('new', () => 'more')
    })
    expect(await outcome(second, run)).toMatchObject({ status: 'done' })
  })

  it('of another journal version is parked', async () => {
    const { run, open } = await changed(two, 'flow.versioned')
    const hub = await open(two)
    // The same version goes on.
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
  })

  it('that is cancelled while it is parked ends without undoing, and says so', async () => {
    const undone: string[] = []
    const { run, open } = await changed(async (ctx) => {
      await ctx.step('a', () => 1, { undo: () => undone.push('a') })
    })
    const hub = await open(() => 'other code')
    await told(hub, 'run.parked@1', run)
    await hub.invoke(owner, 'runs.cancel', { run, reason: 'give it up' })
    const ended = await outcome(hub, run)
    expect(ended).toMatchObject({ status: 'cancelled', code: 'run.cancelled' })
    expect(ended.message).toMatch(/parked.*nothing.*undone: give it up/)
    expect(undone).toEqual([])
  })
})

describe('a run that asks to be parked', () => {
  it('is, and tells whoever waits', async () => {
    let isReady = false
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          await ctx.step('a', () => 1)
          if (!isReady) throw new PolityError('run.parked', 'the form is not signed yet', { step: 'a' })
          return 'signed'
        }),
      ],
    })
    const answer = await hub.invoke(owner, 'flow.play', {})
    expect(answer).toMatchObject({ status: 'running', parked: 'the form is not signed yet' })
    const run = 'run' in answer ? (answer.run ?? '') : ''
    isReady = true
    await hub.invoke(owner, 'runs.resume', { run })
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
  })

  it('keeps its parent waiting', async () => {
    let isReady = false
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          async (ctx) => (await ctx.invoke(part, {})).result,
          () => {
            if (!isReady) throw new PolityError('run.parked', 'not yet')
            return 'now'
          },
        ),
      ],
    })
    const run = await begin(hub, owner)
    const child = (await entriesOf(hub, 'run.parked@1'))[0]?.data.run as string | undefined
    const parked = child ?? (await parkedOf(hub))
    isReady = true
    await hub.invoke(owner, 'runs.resume', { run: parked })
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(await hub.run(owner, run)).toMatchObject({ output: { result: 'now' } })
  })
})

async function parkedOf(hub: Hub): Promise<string> {
  for await (const page of hub.log.follow(undefined, AbortSignal.timeout(30_000)))
    for (const { type, data } of page) if (type === 'run.parked@1') return data.run as string
  throw new Error('nothing was parked')
}

describe('a run whose hub ends in the same step again and again', () => {
  it(`is parked after ${TAKE_OVERS_MAX} take-overs, and begins to count anew when it is resumed`, {
    timeout: 180_000,
  }, async () => {
    const folder = tempFolder()
    const attempts: number[] = []
    const life = async (isLast = false) => {
      const reached = calls()
      const hub = await openTestHub('sqlite', {
        ...folder,
        modules: [
          flow(async (ctx) => {
            await ctx.step('fine', () => 1)
            return ctx.step('deadly', ({ attempt, signal }) => {
              attempts.push(attempt)
              if (isLast) return 'lived'
              reached.call()
              return untilStopped(signal)
            })
          }),
        ],
      })
      return { hub, reached: reached.reached }
    }
    let { hub, reached } = await life()
    const run = await begin(hub, owner)
    for (let time = 0; time < TAKE_OVERS_MAX; time++) {
      await reached
      await hub.close()
      ;({ hub, reached } = await life())
    }
    await reached
    await hub.close()
    ;({ hub, reached } = await life())
    await told(hub, 'run.parked@1', run)
    expect(attempts).toEqual(Array.from({ length: TAKE_OVERS_MAX + 1 }, (_, index) => index + 1))
    await hub.close()
    ;({ hub } = await life(true))
    await hub.invoke(owner, 'runs.resume', { run })
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
  })

  it('is alone to blame for it: whatever was under way beside it finishes', {
    timeout: 180_000,
  }, async () => {
    const folder = tempFolder()
    const finished = new Set<string>()
    let deadly = ''
    const life = async () => {
      const reached = calls()
      const hub = await openTestHub('sqlite', {
        ...folder,
        modules: [
          flow(async (ctx) =>
            ctx.step('work', async ({ signal }) => {
              if (deadly === '' || ctx.id === deadly) {
                reached.call()
                return untilStopped(signal)
              }
              // Far slower than the hub ends.
              for (let turn = 0; turn < 200; turn++) {
                await setImmediate()
                signal.throwIfAborted()
              }
              return finished.add(ctx.id)
            }),
          ),
        ],
      })
      return { hub, reached: reached.reached }
    }
    let { hub, reached } = await life()
    const innocent = new Set<string>()
    for (let run = 0; run < 5; run++) innocent.add(await begin(hub, owner))
    deadly = await begin(hub, owner)
    for (let time = 0; time <= TAKE_OVERS_MAX; time++) {
      await reached
      await hub.close()
      ;({ hub, reached } = await life())
    }
    await told(hub, 'run.parked@1', deadly)
    for (const run of innocent) expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(await entriesOf(hub, 'run.parked@1')).toHaveLength(1)
    expect(finished).toEqual(innocent)
  })

  it('is not while it only waits', { timeout: 180_000 }, async () => {
    const folder = tempFolder()
    const open = () =>
      openTestHub('sqlite', {
        ...folder,
        modules: [
          flow(
            (ctx) => ctx.signalled('go'),
            () => null,
          ),
        ],
      })
    let hub = await open()
    const run = await begin(hub, owner)
    while ((await journalOf(hub, run)).items.length === 0) await hub.identity.signOut('nobody')
    for (let time = 0; time <= TAKE_OVERS_MAX + 1; time++) {
      await hub.close()
      hub = await open()
    }
    await hub.invoke(owner, 'runs.signal', { run, name: 'go' })
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
  })
})

describe('a step that may have happened', () => {
  const interrupted = async (told: object, starter = owner) => {
    const folder = tempFolder()
    const bodies: string[] = []
    const reached = calls()
    const body =
      (isLast: boolean): Flow =>
      async (ctx) => {
        const paid = await ctx
          .step('pay', ({ signal }) => {
            bodies.push('pay')
            reached.call()
            return isLast ? 'paid twice' : untilStopped(signal)
          })
          .catch((error: PolityError) => {
            if (error.code === 'run.unknown') throw error
            return error.message
          })
        return [paid, await ctx.step('thank', () => 'thanks')]
      }
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(body(false))] })
    const run = await begin(first, starter, 'flow.play-once')
    await reached.reached
    await first.close()
    const hub = await openTestHub('sqlite', { ...folder, modules: [flow(body(true))] })
    expect(await outcome(hub, run)).toMatchObject({ status: 'unknown', code: 'run.unknown' })
    return {
      hub,
      run,
      bodies,
      resolve: () => hub.invoke(owner, 'runs.resolve', { run, step: 'pay', ...told }),
    }
  }

  it.each([
    [{ result: { receipt: 7 } }, { receipt: 7 }],
    [{ failed: 'the bank says no' }, 'the bank says no'],
  ])('is what a person says of it: %j', async (said, seen) => {
    const { hub, run, bodies, resolve } = await interrupted(said)
    await resolve()
    expect(await outcome(hub, run, 2)).toMatchObject({ status: 'done' })
    expect(await hub.run(owner, run)).toMatchObject({ output: { result: [seen, 'thanks'] } })
    expect(bodies).toEqual(['pay'])
    expect(await entriesOf(hub, 'run.resolved@1')).toMatchObject([
      { data: { run, step: 'pay', outcome: 'failed' in said ? 'failed' : 'done' } },
    ])
    expect(await codeOf(resolve())).toBe('run.finished')
  })

  it.each([
    ['before whoever asked for it asks again', true],
    ['while whoever asked for it waits', false],
  ])('parks the run that asked for it, where it is found %s', async (_, isFirst) => {
    const folder = tempFolder()
    const reached = calls()
    const mayAsk = Promise.withResolvers<void>()
    const body =
      (begins: Promise<void>): Flow =>
      (ctx, { mark }) =>
        mark === 'child'
          ? ctx.step('pay', ({ signal }) => {
              reached.call()
              return untilStopped(signal)
            })
          : ctx.step('ask', async () => {
              await begins
              return ctx.invoke(playOnce, { mark: 'child' })
            })
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(body(Promise.resolve()))] })
    const parent = await begin(first, owner)
    await reached.reached
    const [child = ''] = (await entriesOf(first, 'action.decided@1')).flatMap(({ data }) =>
      data.action === 'flow.play-once@1' ? [String(data.decision)] : [],
    )
    await first.close()
    const hub = await openTestHub('sqlite', { ...folder, modules: [flow(body(mayAsk.promise))] })
    if (!isFirst) mayAsk.resolve()
    expect(await outcome(hub, child)).toMatchObject({ status: 'unknown' })
    mayAsk.resolve()
    const { reason } = await told(hub, 'run.parked@1', parent)
    expect(reason).toContain(child)
    await hub.invoke(owner, 'runs.resolve', { run: child, step: 'pay', result: 'paid' })
    await outcome(hub, child, 2)
    await hub.invoke(owner, 'runs.resume', { run: parent })
    expect(await outcome(hub, parent)).toMatchObject({ status: 'done' })
    expect(await hub.run(owner, parent)).toMatchObject({ output: { result: { result: 'paid' } } })
  })

  it('is resolved by somebody else than the starter, or by an owner', async () => {
    const { hub, run, resolve } = await interrupted({ result: 'paid' }, somebody)
    const said = { run, step: 'pay', result: 'paid' }
    expect(await codeOf(hub.invoke(somebody, 'runs.resolve', said))).toBe('run.own')
    const agent = { kind: 'agent', id: 'helper', roles: ['owner'] } as const
    const hisAgent = { chain: [...somebody.chain, agent] }
    expect(await codeOf(hub.invoke(hisAgent, 'runs.resolve', said))).toBe('run.not-found')
    expect(await stateOf(hub, run)).toMatchObject({ status: 'unknown' })
    expect(await entriesOf(hub, 'run.resolved@1')).toEqual([])
    // He may still see it, and an owner says what became of it.
    expect(await stateOf(hub, run, somebody)).toMatchObject({ status: 'unknown' })
    await resolve()
    expect(await outcome(hub, run, 2)).toMatchObject({ status: 'done' })
  })

  it('is resolved by its name, with one of two answers, and nothing else', async () => {
    const { hub, run } = await interrupted({})
    for (const said of [{}, { result: 1, failed: 'both' }])
      expect(await codeOf(hub.invoke(owner, 'runs.resolve', { run, step: 'pay', ...said }))).toBe(
        'input.invalid',
      )
    for (const step of ['thank', 'nothing', '__proto__'])
      expect(await codeOf(hub.invoke(owner, 'runs.resolve', { run, step, failed: 'x' }))).toBe(
        'input.invalid',
      )
    for (const action of ['runs.pause', 'runs.resume'])
      expect(await codeOf(hub.invoke(owner, action, { run }))).toBe('run.finished')
  })
})

describe('a replay', () => {
  it('knows what branches asked for, whichever of them was answered first', async () => {
    const hub = await openTestHub('memory', {
      modules: [
        flow(
          async (ctx) => {
            const asked = await ctx.forEach('each', [3, 2, 1], (scope, mark) =>
              scope.invoke(part, { mark: `${mark}` }),
            )
            return asked.length
          },
          // The first to be asked is the last to answer.
          async (ctx, { mark }) => {
            for (let step = 0; step < Number(mark); step++) await ctx.step(`${step}`, () => step)
            return mark
          },
        ),
      ],
    })
    const run = await begin(hub, owner)
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(await replayOf(hub, run)).toMatchObject({ isSame: true, steps: 3 })
  })

  const rich: Flow = async (ctx, { mark }) => {
    const first = await ctx.step('first', ({ record }) => {
      record(Noted({ run: ctx.id, note: 'first' }))
      return { of: mark }
    })
    const failed = await codeOf(ctx.step('fails', () => Promise.reject(new PolityError('target.busy', 'no'))))
    const { sum } = await ctx.invoke(counted, { by: 4 })
    await ctx.sleep('nap', { forMs: 1 })
    const both = await ctx.parallel('both', {
      a: (scope) => scope.step('x', () => 1),
      b: (scope) => scope.forEach('each', [1, 2, 3], (s, item) => s.step('y', () => item * 2)),
    })
    return [first, failed, sum, both]
  }

  it('finds the same in what did not change, and executes nothing', async () => {
    let bodies = 0
    const hub = await openTestHub('memory', {
      modules: [
        flow((ctx, input) => {
          const step: typeof ctx.step = (name, body, options) => {
            const counted: typeof body = (within) => {
              bodies += 1
              return body(within)
            }
            return ctx.step(name, counted, options)
          }
          const counting = { ...ctx, step }
          return rich(counting, input)
        }),
      ],
    })
    const run = await begin(hub, owner, 'flow.play', { mark: 'me' })
    await outcome(hub, run)
    const [before, entries] = [bodies, (await entriesOf(hub)).length]
    expect(await replayOf(hub, run)).toEqual({ run, isSame: true, steps: 8 })
    expect(bodies).toBe(before)
    expect(await entriesOf(hub)).toHaveLength(entries)
    const { digest, isAsRecorded, items } = await journalOf(hub, run)
    expect(isAsRecorded).toBe(true)
    expect(items).toHaveLength(8)
    expect(await outcome(hub, run)).toMatchObject({ journal: digest })
  })

  it.each([
    ['another step', (ctx) => ctx.step('other', () => 1), { step: 'other' }],
    ['another kind', (ctx) => ctx.sleep('a', { forMs: 1 }), { step: 'a' }],
    ['fewer steps', async (ctx) => [await ctx.step('a', () => 1), 2], { step: 'b' }],
    [
      'another order',
      async (ctx) => {
        const b = await ctx.step('b', () => 2)
        return [await ctx.step('a', () => 1), b]
      },
      { step: 'a' },
    ],
    [
      'another output',
      async (ctx) => [await ctx.step('a', () => 1), await ctx.step('b', () => 2), 3],
      { sentence: 'its output is another one now' },
    ],
    [
      'an error',
      async (ctx) => {
        await ctx.step('a', () => 1)
        await ctx.step('b', () => 2)
        throw new PolityError('target.busy', 'new')
      },
      { sentence: expect.stringContaining('target.busy') },
    ],
    [
      'a departure that the code swallows',
      async (ctx) => {
        await ctx.step('other', () => 1).catch(() => undefined)
        return [await ctx.step('a', () => 1), await ctx.step('b', () => 2)]
      },
      { step: 'other' },
    ],
  ] as [string, Flow, object][])('says where the code departs: %s', async (_, after, departure) => {
    const folder = tempFolder()
    const before: Flow = async (ctx) => [await ctx.step('a', () => 1), await ctx.step('b', () => 2)]
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(before)] })
    const run = await begin(first, owner)
    await outcome(first, run)
    expect(await replayOf(first, run)).toMatchObject({ isSame: true })
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [flow(after)] })
    expect(await replayOf(second, run)).toMatchObject({ isSame: false, departure })
  })

  it('is of a run that has ended, and of what was not erased', async () => {
    const hub = await openTestHub('memory', {
      modules: [
        flow((ctx, { mark, secret }) =>
          mark === 'wait' ? ctx.signalled('go') : ctx.step('keep', () => secret),
        ),
      ],
    })
    const waiting = await begin(hub, owner, 'flow.play', { mark: 'wait' })
    expect(await codeOf(replayOf(hub, waiting))).toBe('run.paused')
    const run = await begin(hub, owner, 'flow.play', { secret: 'hush' })
    await outcome(hub, run)
    expect(await replayOf(hub, run)).toMatchObject({ isSame: true })
    await hub.invoke(owner, 'vault.erase', { subject: `run/${run}` })
    expect(await codeOf(replayOf(hub, run))).toBe('erased')
    // What its steps had answered was as private, and went with it.
    expect((await journalOf(hub, run)).items).toEqual([])
  })

  it('knows the end of a run that failed', async () => {
    const hub = await openTestHub('memory', {
      modules: [flow((ctx) => ctx.step('bad', () => Promise.reject(new PolityError('target.busy', 'no'))))],
    })
    const run = await begin(hub, owner)
    await outcome(hub, run)
    expect(await replayOf(hub, run)).toMatchObject({ isSame: true, steps: 1 })
  })
})

describe('a journal', () => {
  it('comes in pages, with what is under way at its end', async () => {
    const reached = calls()
    const hub = await openTestHub('memory', {
      modules: [
        flow(async (ctx) => {
          for (let step = 0; step < 5; step++) await ctx.step(`${step}`, () => step)
          await ctx.step('last', ({ signal }) => {
            reached.call()
            return untilStopped(signal)
          })
        }),
      ],
    })
    const run = await begin(hub, owner)
    await reached.reached
    const names: string[] = []
    for (let after: number | undefined; ; ) {
      const page = (
        await hub.ask(owner, 'runs.journal', { run, limit: 2, ...(after === undefined ? {} : { after }) })
      ).output as { items: { name: string; state: string }[]; after?: number }
      names.push(...page.items.map(({ name, state }) => `${name} ${state}`))
      after = page.after
      if (after === undefined) break
    }
    expect(names).toEqual(['0 done', '1 done', '2 done', '3 done', '4 done', 'last running'])
    await hub.invoke(owner, 'runs.cancel', { run, reason: 'enough' })
  })
})
