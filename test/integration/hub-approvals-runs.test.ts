// What a run asks for and people have to agree to first: it waits for them without a place, and goes on with what they said.

import { describe, expect, it } from 'vitest'
import type { Hub, HubOptions } from '../../src/hub.ts'
import { WAITING_PER_RUN_MAX } from '../../src/kernel/approvals/waiting-shares.ts'
import type { CommandContext } from '../../src/kernel/catalog/context.ts'
import type { PolityError } from '../../src/kernel/errors.ts'
import { RUNS_CONCURRENT_MAX } from '../../src/kernel/runs/runs.ts'
import { proceduresModule } from '../../src/modules/procedures/module.ts'
import {
  approvalRules,
  bob,
  bot,
  count,
  modules,
  opened,
  outputOf,
  person,
  reached,
  shown,
  vote,
} from './lab/approvals.ts'
import { movableClock } from './lab/clock.ts'
import { atomically, counted, Noted, part, play } from './lab/flow.contract.ts'
import { begin, calls, type Flow, flow, journalOf, outcome, replayOf, stateOf, told } from './lab/flow.ts'
import { codeOf, entriesOf, openTestHub, owner, tempFolder } from './lab/hubs.ts'

/** What counts needs an owner; what is a run of its own needs security. */
const RULE = `
@id("counting-parts-need-owner")
@obligation("owner:1")
forbid (principal, action in [Polity::Action::"flow.counted", Polity::Action::"flow.atomically"], resource)
unless { context.approvals.contains("owner:1") };

@id("runs-of-runs-need-security")
@obligation("security:1")
forbid (principal, action in Polity::Action::"flow.part", resource)
unless { context.approvals.contains("security:1") };
`

const eve = person('eve', 'owner')

const openedFlow = (body: Flow, more: Partial<HubOptions> = {}, partBody: Flow = () => 'part') =>
  opened('memory', {
    modules: [...modules, flow(body, partBody)],
    policyDir: approvalRules(tempFolder().root, RULE),
    ...more,
  })

/** The approvals for which a run waits, once there are so many. */
async function awaited(hub: Hub, run: string, times = 1): Promise<readonly string[]> {
  const seen = async () =>
    (
      (await stateOf(hub, run)) as { waitsFor?: readonly { action: string; approval: string }[] }
    ).waitsFor?.map(({ approval }) => approval) ?? []
  await expect.poll(async () => (await seen()).length, { timeout: 20_000, interval: 10 }).toBe(times)
  return seen()
}

/** How often the counting part happened. */
const times = async (hub: Hub): Promise<number> => (await entriesOf(hub, 'flow.noted@1')).length

const counting: Flow = (ctx) => ctx.invoke(counted, { by: 2 })

describe('a part that people have to agree to', () => {
  it('happens once when they do, and the run has what it answered', async () => {
    const hub = await openedFlow(async (ctx) => {
      const { sum } = await ctx.invoke(counted, { by: 2 })
      return ctx.step('after', () => sum + 1)
    })
    const run = await begin(hub, bot)
    const [approval = ''] = await awaited(hub, run)
    expect(await stateOf(hub, run)).toMatchObject({
      status: 'running',
      waitsFor: [{ action: 'flow.counted@1', approval }],
    })
    expect((await journalOf(hub, run)).items).toMatchObject([{ kind: 'invoke', state: 'waiting', approval }])
    expect(await shown(hub, approval)).toMatchObject({
      status: 'pending',
      run,
      requester: ['agent:bot'],
      input: { by: 2 },
    })
    expect(await times(hub)).toBe(0)
    await vote(hub, eve, approval)
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(await hub.run(bot, run)).toMatchObject({ output: { result: 3 } })
    expect(await times(hub)).toBe(1)
    expect(await count(hub, 'approval.consumed@1', approval)).toBe(1)
    expect((await journalOf(hub, run)).items).toMatchObject([
      { kind: 'invoke', state: 'done', result: { sum: 2 } },
      { name: 'after', state: 'done' },
    ])
    expect(await replayOf(hub, run)).toMatchObject({ isSame: true })
    expect(await stateOf(hub, run)).not.toHaveProperty('waitsFor')
  })

  it('may be a run of its own', async () => {
    const hub = await openedFlow(
      (ctx) => ctx.invoke(part, {}),
      {},
      (ctx) => ctx.step('in', () => 'within'),
    )
    const run = await begin(hub, bot)
    const [approval = ''] = await awaited(hub, run)
    await vote(hub, bob, approval)
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(await hub.run(bot, run)).toMatchObject({ output: { result: { result: 'within' } } })
    const { carriedOut } = await shown(hub, approval)
    expect(await stateOf(hub, carriedOut?.run ?? '')).toMatchObject({ status: 'done', parent: run })
  })

  it('is waited for inside of a step, too, whose time may be over first: then nobody is asked any more', async () => {
    const hub = await openedFlow(async (ctx, { mark }) => {
      if (mark === 'patient') return ctx.step('ask', () => ctx.invoke(counted, { by: 1 }))
      const ask = () => ctx.invoke(counted, { by: 1 })
      await ctx.step('ask', ask, { timeoutMs: 50 }).catch(() => undefined)
      return ctx.signalled('go')
    })
    const patient = await begin(hub, bot, 'flow.play', { mark: 'patient' })
    const [asked = ''] = await awaited(hub, patient)
    await vote(hub, eve, asked)
    expect(await outcome(hub, patient)).toMatchObject({ status: 'done' })

    const hasty = await begin(hub, bot, 'flow.play', { mark: 'hasty' })
    const { approval } = await told(hub, 'approval.requested@1', hasty)
    await reached(hub, String(approval), 'withdrawn')
    await hub.invoke(bot, 'runs.signal', { run: hasty, name: 'go' })
    expect(await outcome(hub, hasty)).toMatchObject({ status: 'done' })
    expect(await times(hub)).toBe(1)
  })

  it('fails with what came of it: a no, the end of its time, or that it was taken back', async () => {
    const clock = movableClock()
    const errors: unknown[] = []
    const hub = await openedFlow(
      async (ctx) => {
        await ctx.invoke(counted, { by: 1 }).catch(({ code, facts }: PolityError) => {
          errors.push({ code, ...facts })
        })
        return ctx.invoke(counted, { by: 2 })
      },
      { env: clock.env },
    )
    const run = await begin(hub, bot)
    const [first = ''] = await awaited(hub, run)
    await vote(hub, eve, first, 'deny')
    await expect.poll(async () => (await awaited(hub, run))[0], { timeout: 20_000 }).not.toBe(first)
    expect(errors).toMatchObject([{ code: 'denied', approval: first, ended: 'denied' }])
    const [second = ''] = await awaited(hub, run)
    clock.pass(25 * 3_600_000)
    expect(await outcome(hub, run)).toMatchObject({ status: 'failed', code: 'denied' })
    await reached(hub, second, 'expired')

    const other = await begin(hub, bot)
    const [third = ''] = await awaited(hub, other)
    outputOf(await hub.invoke(bot, 'approvals.withdraw', { approval: third, reason: 'never mind' }))
    await expect.poll(() => errors.length, { timeout: 20_000 }).toBe(2)
    expect(errors[1]).toMatchObject({ code: 'denied', approval: third, ended: 'withdrawn' })
    expect(await times(hub)).toBe(0)
    await hub.invoke(bot, 'runs.cancel', { run: other, reason: 'enough' })
  })

  it('is asked of nobody any more when its run is cancelled, and does not happen behind its back', async () => {
    const hub = await openedFlow(counting)
    const run = await begin(hub, bot)
    const [approval = ''] = await awaited(hub, run)
    await hub.invoke(bot, 'runs.cancel', { run, reason: 'changed my mind' })
    expect(await outcome(hub, run)).toMatchObject({ status: 'cancelled' })
    expect(await reached(hub, approval, 'withdrawn')).toMatchObject({ closed: { by: 'hub:polity' } })
    expect(await codeOf(vote(hub, eve, approval))).toBe('approvals.closed')
    expect(await times(hub)).toBe(0)
  })

  it('of which a run that does not wait has asked does not happen once that run has ended', async () => {
    const hub = await openedFlow((ctx) => {
      ctx.invoke(counted, { by: 1 }).catch(() => undefined)
      return ctx.signalled('go')
    })
    const run = await begin(hub, bot)
    const [approval = ''] = await awaited(hub, run)
    await hub.invoke(bot, 'runs.signal', { run, name: 'go' })
    await outcome(hub, run)
    await vote(hub, eve, approval).catch(() => undefined)
    await reached(hub, approval, 'withdrawn')
    expect(await times(hub)).toBe(0)
  })

  it('does not happen when its run was cancelled between the vote and the deed', async () => {
    const [entered, leaving] = [calls(), calls()]
    const hub = await openedFlow(async (ctx, { mark }) => {
      if (mark === undefined) return ctx.invoke(atomically, { mark: 'deed' })
      entered.call()
      await leaving.reached
      ctx.record(Noted({ run: ctx.id, note: 'deed' }))
      return null
    })
    const run = await begin(hub, bot)
    const [approval = ''] = await awaited(hub, run)
    await vote(hub, eve, approval)
    await entered.reached
    await hub.invoke(bot, 'runs.cancel', { run, reason: 'changed my mind' })
    leaving.call()
    expect(await outcome(hub, run)).toMatchObject({ status: 'cancelled' })
    await reached(hub, approval, 'withdrawn')
    expect(await times(hub)).toBe(0)
  })

  it('is not done anew by whoever comes for its answer alone', async () => {
    const hub = await openedFlow(counting)
    const late = hub.invoke(bot, 'flow.counted', { by: 1 }, { key: 'long ago', isAnswerOnly: true })
    expect(await codeOf(late)).toBe('erased')
  })

  it('of a procedure is one of its steps, and a no lets those go on that say so', async () => {
    const hub = await openedFlow(counting, { modules: [...modules, flow(counting), proceduresModule] })
    const put = { kind: 'action', action: 'state.put', input: { namespace: 'n', key: 'k', value: 1 } }
    const definition = {
      name: 'writing',
      steps: [
        { ...put, name: 'refused', onError: 'continue' },
        { ...put, name: 'agreed' },
      ],
      output: {
        refused: { $ref: '/steps/refused/error/code' },
        version: { $ref: '/steps/agreed/output/version' },
      },
    }
    outputOf(await hub.invoke(owner, 'procedures.define', { definition }))
    const run = await begin(hub, bot, 'procedures.start', { name: 'writing' } as object)
    const [first = ''] = await awaited(hub, run)
    await vote(hub, eve, first, 'deny')
    await expect.poll(async () => (await awaited(hub, run))[0], { timeout: 20_000 }).not.toBe(first)
    const [second = ''] = await awaited(hub, run)
    await vote(hub, eve, second)
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(await hub.run(bot, run)).toMatchObject({ output: { output: { refused: 'denied', version: 1 } } })
  })

  it('in a branch is taken back when another branch fails', async () => {
    const hub = await openedFlow((ctx) =>
      ctx.parallel('both', {
        asks: (branch) => branch.invoke(counted, { by: 1 }),
        fails: async (branch) => {
          await branch.signalled('fail')
          throw new Error('the other one')
        },
      }),
    )
    const run = await begin(hub, bot)
    const [approval = ''] = await awaited(hub, run)
    await hub.invoke(bot, 'runs.signal', { run, name: 'fail' })
    expect(await outcome(hub, run)).toMatchObject({ status: 'failed' })
    await reached(hub, approval, 'withdrawn')
  })

  it('takes no place while it waits', async () => {
    const hub = await openedFlow((ctx, { mark }) =>
      mark === 'free' ? 'free' : ctx.invoke(counted, { by: 1 }),
    )
    const waiting = await Promise.all(Array.from({ length: RUNS_CONCURRENT_MAX + 1 }, () => begin(hub, bot)))
    for (const run of waiting) await awaited(hub, run)
    expect(await hub.invoke(bot, 'flow.play', { mark: 'free' })).toMatchObject({ status: 'done' })
  })

  it('asks people for so much at a time and no more, however it is written, and leaves others their turn', async () => {
    const refused: string[] = []
    const askFor = (ctx: CommandContext, from: number, times: number) =>
      Promise.all(
        Array.from({ length: times }, (_, index) =>
          ctx.invoke(counted, { by: from + index }).catch(async ({ code }: PolityError) => {
            refused.push(code)
            // Whoever was refused by people leaves room for one more.
            if (code === 'denied') await ctx.invoke(counted, { by: 9000 })
          }),
        ),
      )
    const hub = await openedFlow((ctx, { mark }) => {
      if (mark === 'first') return askFor(ctx, 1, 40)
      if (mark === 'second') return askFor(ctx, 100, 40)
      if (mark === 'one') return ctx.invoke(counted, { by: 1 })
      return Promise.all(['first', 'second'].map((child) => ctx.invoke(play, { mark: child })))
    })
    await begin(hub, bot)
    const asked = async () => (await entriesOf(hub, 'approval.requested@1')).length
    await expect.poll(asked, { timeout: 20_000, interval: 10 }).toBe(WAITING_PER_RUN_MAX)
    const excess = 80 - WAITING_PER_RUN_MAX
    await expect.poll(() => refused, { timeout: 20_000, interval: 10 }).toHaveLength(excess)
    expect(new Set(refused)).toEqual(new Set(['limit']))
    expect(await asked()).toBe(WAITING_PER_RUN_MAX)
    await awaited(hub, await begin(hub, bot, 'flow.play', { mark: 'one' }))

    const [first] = await entriesOf(hub, 'approval.requested@1')
    await vote(hub, eve, String(first?.data.approval), 'deny')
    await expect.poll(asked, { timeout: 20_000, interval: 10 }).toBe(WAITING_PER_RUN_MAX + 2)
    expect(refused).toHaveLength(excess + 1)
  })

  it('survives restarts: the wait, and what they say', async () => {
    const folder = tempFolder()
    const options = {
      modules: [...modules, flow(counting)],
      policyDir: approvalRules(folder.root, RULE),
      ...folder,
    }
    const before = await openTestHub('sqlite', options)
    const run = await begin(before, bot)
    const [approval = ''] = await awaited(before, run)
    await before.close()
    const between = await openTestHub('sqlite', options)
    expect(await awaited(between, run)).toEqual([approval])
    await vote(between, eve, approval)
    await between.close()
    const hub = await openTestHub('sqlite', options)
    await reached(hub, approval, 'carried-out')
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(await times(hub)).toBe(1)
  })
})
