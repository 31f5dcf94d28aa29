// What whoever watches a hub sees of its gate: decisions, why they were denied, and what stands in the way now.

import { expect, it } from 'vitest'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import type { StandingSource } from '../../src/kernel/catalog/standing.ts'
import { frail } from './lab/frail.ts'
import { codeOf, openTestHub, owner, somebody } from './lab/hubs.ts'

async function opened() {
  let isDown = false
  const source: StandingSource = {
    name: 'puppet',
    read: () => (isDown ? Promise.reject(new Error('gone')) : {}),
  }
  const hub = await openTestHub('memory', { modules: [frail(source)] })
  const served = await serve(hub)
  const read = async () => {
    const { text } = await served.anyone('/metrics')
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    return new Map(
      lines.map((line) => {
        const at = line.lastIndexOf(' ')
        return [line.slice(0, at), Number(line.slice(at + 1))]
      }),
    )
  }
  return Object.assign(served, {
    read,
    down: (how: boolean) => {
      isDown = how
    },
  })
}

it('counts decisions by effect, denials by the rule that is built in, and budgets that are exceeded', async () => {
  await using served = await opened()
  const { hub } = served
  await hub.invoke(owner, 'budgets.put', { id: 'few', who: 'kind:agent', limit: 1, window: 'total' })
  await hub.invoke(owner, 'halts.kill', { principal: 'user:somebody', reason: 'wild' })
  const before = await served.read()
  const bot = { chain: [{ kind: 'agent', id: 'bot', roles: ['owner'] }] } as const
  await hub.invoke(owner, 'frail.act', {})
  await hub.invoke(bot, 'frail.act', {})
  for (let turn = 0; turn < 2; turn++) await hub.invoke(bot, 'frail.act', {})
  await hub.invoke(somebody, 'frail.act', {})
  served.down(true)
  expect(await codeOf(hub.invoke(owner, 'frail.act', {}))).toBe('gate.unavailable')
  served.down(false)
  const after = await served.read()
  const more = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0)
  expect(more('polity_gate_decisions_total{effect="denied"}')).toBe(4)
  expect(more('polity_gate_decisions_total{effect="allow"}')).toBeGreaterThanOrEqual(2)
  expect(more('polity_gate_denials_total{rule="polity.halted"}')).toBe(1)
  expect(more('polity_gate_denials_total{rule="polity.unavailable"}')).toBe(1)
  expect(more('polity_gate_denials_total{rule="rules"}')).toBe(2)
  expect(more('polity_budgets_exceeded_total{budget="few"}')).toBe(2)
})

it('says how many wait for people, and how many are stopped', async () => {
  await using served = await opened()
  const { hub } = served
  const first = await served.read()
  expect([first.get('polity_approvals_pending'), first.get('polity_halts_in_force')]).toEqual([0, 0])
  await hub.invoke(owner, 'token.create', { kind: 'user', id: 'second', roles: ['owner'] })
  expect(await hub.invoke(owner, 'frail.act-worst', {})).toMatchObject({ status: 'suspended' })
  await hub.invoke(owner, 'halts.quarantine', { principal: 'agent:a', reason: 'odd' })
  await expect
    .poll(async () => (await served.read()).get('polity_approvals_pending'), { timeout: 10_000 })
    .toBe(1)
  expect((await served.read()).get('polity_halts_in_force')).toBe(1)
})

it('has no more names of budgets than it tells apart', async () => {
  await using served = await opened()
  const { hub } = served
  const bot = { chain: [{ kind: 'agent', id: 'bot', roles: ['owner'] }] } as const
  for (let turn = 0; turn < 3; turn++) {
    for (let each = 0; each < 40; each++)
      await hub.invoke(owner, 'budgets.put', {
        id: `b${turn}-${each}`,
        who: 'kind:agent',
        limit: 0,
        window: 'total',
      })
    await hub.invoke(bot, 'frail.act', {})
    for (let each = 0; each < 40; each++)
      await hub.invoke(owner, 'budgets.remove', { id: `b${turn}-${each}` })
  }
  const names = [...(await served.read()).keys()].filter((name) => name.startsWith('polity_budgets_exceeded'))
  expect(names).toHaveLength(101)
  expect(names).toContain('polity_budgets_exceeded_total{budget="others"}')
})
