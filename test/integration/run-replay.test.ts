// Replays of runs that did not end well: code that does the same is never said to depart, and code that does not always is.

import { describe, expect, it } from 'vitest'
import type { StepContext } from '../../src/kernel/catalog/context.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import { begin, calls, type Flow, flow, outcome, replayOf, stateOf, untilStopped } from './lab/flow.ts'
import { codeOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

const fails = () => Promise.reject(new PolityError('target.busy', 'no room'))
const stopped = ({ signal }: StepContext) => untilStopped(signal)

/** How it ended, and what its replay says; `changed` is the code by then. */
async function playedAgain(body: Flow, { action = 'flow.play', changed = body } = {}) {
  let code = body
  const hub = await openTestHub('memory', { modules: [flow((ctx, input) => code(ctx, input))] })
  const run = await begin(hub, owner, action)
  const { status } = await outcome(hub, run)
  code = changed
  return { status, ...(await replayOf(hub, run)) }
}

describe('a replay of a run that failed in a group', () => {
  it('knows the items that the failure kept from beginning', async () => {
    const body: Flow = (ctx) =>
      ctx.forEach(
        'items',
        Array.from({ length: 10 }, (_, place) => place),
        (scope, item) => scope.step('work', () => (item === 3 ? fails() : item)),
        { concurrencyMax: 1 },
      )
    expect(await playedAgain(body)).toMatchObject({ status: 'failed', isSame: true, steps: 4 })
  })

  it('knows the branches that the failure stopped, through groups within groups', async () => {
    const body: Flow = (ctx) => {
      const reached = calls()
      return ctx.parallel('outer', {
        patient: (scope) =>
          scope.parallel('inner', {
            never: (deeper) =>
              deeper.step('never', (step) => {
                reached.call()
                return stopped(step)
              }),
          }),
        hasty: async (scope) => {
          if (ctx.signal.aborted) return
          await scope.step('fails', () => reached.reached.then(fails))
        },
      })
    }
    expect(await playedAgain(body)).toMatchObject({ status: 'failed', isSame: true, steps: 1 })
  })

  it('knows it where the handler went on without the group', async () => {
    const body: Flow = async (ctx) => {
      const group = ctx.parallel('group', {
        bad: (scope) => scope.step('bad', fails),
        stopped: (scope) => scope.step('stopped', stopped),
      })
      return [await codeOf(group), await ctx.step('then', () => 'fine')]
    }
    expect(await playedAgain(body)).toMatchObject({ status: 'done', isSame: true, steps: 2 })
  })

  it('does not excuse a branch that does more now, where none has failed', async () => {
    const branches =
      (more: boolean): Flow =>
      (ctx) =>
        ctx.forEach('items', [1, 2], async (scope, item) => {
          await scope.step('work', () => item)
          if (more && item === 2) await scope.step('more', () => item).catch(() => undefined)
        })
    expect(await playedAgain(branches(false), { changed: branches(true) })).toMatchObject({
      isSame: false,
      departure: { step: 'items/1/more' },
    })
  })
})

describe('a replay of a run that ended at a step without an end of it', () => {
  it('comes as far as that step, where nobody knows what became of it', async () => {
    const folder = tempFolder()
    const reached = calls()
    const body =
      (isFirst: boolean): Flow =>
      async (ctx) => {
        await ctx.step('before', () => 1)
        await ctx.step('pay', () => {
          reached.call()
          return isFirst ? new Promise(() => undefined) : 'paid'
        })
      }
    const first = await openTestHub('sqlite', { ...folder, modules: [flow(body(true))] })
    const run = await begin(first, owner, 'flow.play-once')
    await reached.reached
    await first.close()
    const second = await openTestHub('sqlite', { ...folder, modules: [flow(body(false))] })
    expect(await outcome(second, run)).toMatchObject({ status: 'unknown' })
    expect(await stateOf(second, run)).toMatchObject({ status: 'unknown', step: 'pay' })
    expect(await replayOf(second, run)).toMatchObject({ isSame: true, steps: 1 })
  })

  it('says the same of a name that no step may have', async () => {
    expect(await playedAgain((ctx) => ctx.step('x'.repeat(1000), () => 1))).toMatchObject({
      status: 'failed',
      isSame: true,
    })
  })

  it('still says of other code that it is other code', async () => {
    const body: Flow = async (ctx) => {
      await ctx.step('one', () => 1)
      await ctx.step('fails', fails)
    }
    const changed: Flow = async (ctx) => {
      await ctx.step('one', () => 1)
      await ctx.step('instead', fails)
    }
    expect(await playedAgain(body, { changed })).toMatchObject({
      isSame: false,
      departure: { step: 'instead' },
    })
  })
})

describe('a replay of steps that were under way at the same time in one scope', () => {
  it('takes the order in which they ended for chance', async () => {
    const body: Flow = async (ctx) => {
      const first = calls()
      await Promise.all([
        ctx.step('slow', () => first.reached.then(() => 1)),
        ctx.step('quick', () => first.call()),
      ])
    }
    expect(await playedAgain(body)).toMatchObject({ status: 'done', isSame: true })
  })
})
