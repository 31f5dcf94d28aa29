// Runs of several hubs on one database: what is asked of one reaches the hub that carries the run out.

import { expect, it } from 'vitest'
import { PolityError } from '../../src/kernel/errors.ts'
import { describeOnPostgres } from '../conformance/store/postgres-server.ts'
import { begin, calls, type Flow, flow, outcome, stateOf, told, untilStopped } from './lab/flow.ts'
import { codeOf, owner } from './lab/hubs.ts'
import { twoHubs } from './lab/two-hubs.ts'

await describeOnPostgres('runs of two hubs', () => {
  const hubs = (body: Flow) => twoHubs(() => ({ modules: [flow(body)] }))

  it('hear through either what is asked of them', async () => {
    const reached = calls()
    const undone: string[] = []
    const { first, second } = await hubs(async (ctx) => {
      await ctx.step('a', () => 1, { undo: () => undone.push('a') })
      await ctx.signalled('go')
      await ctx.step('hold', ({ signal }) => {
        reached.call()
        return untilStopped(signal)
      })
    })
    const run = await begin(first, owner)
    await second.invoke(owner, 'runs.pause', { run })
    await second.invoke(owner, 'runs.signal', { run, name: 'go' })
    expect(await stateOf(first, run)).toMatchObject({ status: 'paused' })
    await second.invoke(owner, 'runs.resume', { run })
    await reached.reached
    await second.invoke(owner, 'runs.cancel', { run, reason: 'from afar' })
    expect(await outcome(second, run)).toMatchObject({ status: 'cancelled' })
    expect(undone).toEqual(['a'])
    expect(await codeOf(second.run(owner, run))).toBe('run.cancelled')
  })

  it('go on where they are resumed, whichever hub had parked them', async () => {
    let isReady = false
    const { first, second } = await hubs(async (ctx) => {
      const word = await ctx.step('look', () => 'seen')
      if (!isReady) throw new PolityError('run.parked', 'not yet')
      return word
    })
    const run = await begin(first, owner)
    await told(second, 'run.parked@1', run)
    isReady = true
    await second.invoke(owner, 'runs.resume', { run })
    expect(await outcome(second, run)).toMatchObject({ status: 'done' })
    expect(await first.run(owner, run)).toMatchObject({ output: { result: 'seen' } })
  })
})
