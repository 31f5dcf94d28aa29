// Runs of several hubs on one database: what is asked of one reaches the hub that carries the run out.

import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { PolityError } from '../../src/kernel/errors.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { begin, calls, type Flow, flow, outcome, stateOf, told, untilStopped } from './lab/flow.ts'
import { codeOf, owner, tempFolder } from './lab/hubs.ts'

await describeOnPostgres('runs of two hubs', () => {
  const twoHubs = async (body: Flow) => {
    const { root } = tempFolder()
    const realm = randomRealm()
    onTestFinished(() => dropRealm(realm).then(() => undefined))
    const open = async (name: string): Promise<Hub> => {
      const hub = await openHub({
        dir: join(root, name),
        anchorPath: join(root, `${name}.anchor`),
        storeUrl: POSTGRES_URL,
        realm,
        modules: [flow(body)],
      })
      onTestFinished(() => hub.close())
      return hub
    }
    const first = await open('a')
    mkdirSync(join(root, 'b'), { mode: 0o700 })
    for (const key of ['log.key', 'statements.key', 'vault.key', 'witness.key'])
      copyFileSync(join(root, 'a', key), join(root, 'b', key))
    return { first, second: await open('b') }
  }

  it('hear through either what is asked of them', async () => {
    const reached = calls()
    const undone: string[] = []
    const { first, second } = await twoHubs(async (ctx) => {
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
    const { first, second } = await twoHubs(async (ctx) => {
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
