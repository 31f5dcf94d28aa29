// The rules that docs/budgets.md shows do what it says.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { agent, deedRules, deeds } from './lab/deeds.ts'
import { openTestHub, owner } from './lab/hubs.ts'

const [agreed = '', operators = ''] = [
  ...readFileSync('docs/budgets.md', 'utf8').matchAll(/```\n(@id[\s\S]*?)```/g),
].map(([, rule]) => rule)
const PERMITS = `
@id("owner") permit (principal in Polity::Role::"owner", action, resource);
@id("low") permit (principal, action, resource) when { context.risk == "low" };
`
const open = async (rule: string) =>
  openTestHub('memory', { modules: [deeds()], policyDir: await deedRules(`${PERMITS}${rule}`) })

it('lets people agree to more than a budget', async () => {
  const hub = await open(agreed)
  await hub.invoke(owner, 'budgets.put', { id: 'none', who: 'kind:agent', limit: 0, window: 'day' })
  expect(await hub.invoke(agent('a'), 'deeds.send', {})).toMatchObject({
    status: 'suspended',
    obligations: ['owner:1'],
  })
})

it('lets operators stop somebody, and not release him', async () => {
  const hub = await open(operators)
  const operator = { chain: [{ kind: 'user' as const, id: 'op', roles: ['operator'] }] }
  const halt = { principal: 'agent:a', reason: 'r' }
  expect(await hub.invoke(agent('b'), 'halts.kill', halt)).toMatchObject({ status: 'denied' })
  expect(await hub.invoke(operator, 'halts.kill', halt)).toMatchObject({ status: 'done' })
  expect(await hub.invoke(operator, 'halts.release', halt)).toMatchObject({ status: 'denied' })
})
