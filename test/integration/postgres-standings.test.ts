// Budgets, sequences and halts of two hubs on one database: what one of them knows, the other decides by.

import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { agent, deedRules, deeds } from './lab/deeds.ts'
import { begin, calls, told } from './lab/flow.ts'
import { codeOf, owner, tempFolder } from './lab/hubs.ts'

await describeOnPostgres('what two hubs know of those who ask', () => {
  const twoHubs = async (onCopy: Parameters<typeof deeds>[0] = () => undefined) => {
    const { root } = tempFolder()
    const realm = randomRealm()
    onTestFinished(() => dropRealm(realm).then(() => undefined))
    const policyDir = await deedRules()
    const open = async (name: string): Promise<Hub> => {
      const hub = await openHub({
        dir: join(root, name),
        anchorPath: join(root, `${name}.anchor`),
        storeUrl: POSTGRES_URL,
        realm,
        policyDir,
        modules: [deeds(onCopy)],
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

  it('adds up: callers of both together never pass a limit', async () => {
    const { first, second } = await twoHubs()
    await first.invoke(owner, 'budgets.put', { id: 'all', who: 'kind:agent', limit: 15, window: 'hour' })
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        (index % 2 === 0 ? first : second).invoke(agent('a'), 'deeds.send', {}),
      ),
    )
    expect(answers.filter(({ status }) => status === 'done')).toHaveLength(15)
    const { output } = await second.ask(owner, 'budgets.list', {})
    expect(output).toMatchObject({ items: [{ uses: [{ used: 15, left: 0 }] }] })
  })

  it('follows an agent: a secret read through one is not sent through the other', async () => {
    const { first, second } = await twoHubs()
    await first.ask(agent('a'), 'deeds.read-secret', {})
    expect(await second.invoke(agent('a'), 'deeds.send', {})).toMatchObject({ status: 'denied' })
    expect(await second.invoke(agent('b'), 'deeds.send', {})).toMatchObject({ status: 'done' })
  })

  it('stops at both whom either stops, and holds the runs of both', async () => {
    const [reached, hold] = [calls(), calls()]
    const { first, second } = await twoHubs((ctx) =>
      ctx.step('one', () => {
        reached.call()
        return hold.reached
      }),
    )
    const run = await begin(second, agent('a'), 'deeds.copy', { units: 1 } as object)
    await reached.reached
    await first.invoke(owner, 'halts.kill', { principal: 'agent:a', reason: 'wild' })
    expect(await second.invoke(agent('a'), 'deeds.send', {})).toMatchObject({ status: 'denied' })
    expect(await codeOf(second.ask(agent('a'), 'deeds.read-public', {}))).toBe('denied')
    await told(second, 'run.paused@1', run)
    hold.call()
    await first.invoke(owner, 'halts.release', { principal: 'agent:a', reason: 'tame' })
    expect(await second.invoke(agent('a'), 'deeds.send', {})).toMatchObject({ status: 'done' })
  })
})
