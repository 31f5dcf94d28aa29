// Budgets, sequences and halts of two hubs on one database: what one of them knows, the other decides by.

import { expect, it } from 'vitest'
import { describeOnPostgres } from '../conformance/store/postgres-server.ts'
import { agent, deedRules, deeds } from './lab/deeds.ts'
import { begin, calls, told } from './lab/flow.ts'
import { codeOf, owner } from './lab/hubs.ts'
import { twoHubs } from './lab/two-hubs.ts'

await describeOnPostgres('what two hubs know of those who ask', () => {
  const hubs = async (onCopy: Parameters<typeof deeds>[0] = () => undefined) => {
    const policyDir = await deedRules()
    return twoHubs(() => ({ policyDir, modules: [deeds(onCopy)] }))
  }

  it('adds up: callers of both together never pass a limit', async () => {
    const { first, second } = await hubs()
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
    const { first, second } = await hubs()
    await first.ask(agent('a'), 'deeds.read-secret', {})
    expect(await second.invoke(agent('a'), 'deeds.send', {})).toMatchObject({ status: 'denied' })
    expect(await second.invoke(agent('b'), 'deeds.send', {})).toMatchObject({ status: 'done' })
  })

  it('stops at both whom either stops, and holds the runs of both', async () => {
    const [reached, hold] = [calls(), calls()]
    const { first, second } = await hubs((ctx) =>
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
