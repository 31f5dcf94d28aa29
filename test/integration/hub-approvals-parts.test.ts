// What people agreed to covers the parts of a run, as far as they are no riskier than the run that people saw.

import { describe, expect, it } from 'vitest'
import { defineModule } from '../../src/kernel/catalog/module.ts'
import { approvalRules, bot, held, modules, person, reached, shown, vote } from './lab/approvals.ts'
import { entriesOf, openTestHub, tempFolder } from './lab/hubs.ts'
import * as contract from './lab/parts.contract.ts'

const parts = defineModule(
  'parts',
  { url: new URL('./lab/parts.contract.ts', import.meta.url).href, exports: { ...contract } },
  {
    commands: [
      contract.outer.handle((ctx, { part }) =>
        ctx.invoke(part === 'equal' ? contract.equal : contract.riskier, {}),
      ),
      contract.equal.handle(() => ({ part: 'equal' })),
      contract.riskier.handle(() => ({ part: 'riskier' })),
    ],
  },
)

const RULE = `
@id("parts-need-owner")
@obligation("owner:1")
forbid (principal, action in Polity::Action::"parts", resource)
unless { context.approvals.contains("owner:1") };
`

describe('a run to which people agreed', () => {
  it.each([
    ['equal', 'done', ['allow', 'allow']],
    ['riskier', 'failed', ['allow', 'suspended']],
  ])('asks for a part that is %s, and is %s', async (part, status, effects) => {
    const { root } = tempFolder()
    const hub = await openTestHub('memory', {
      modules: [...modules, parts],
      policyDir: approvalRules(root, RULE),
    })
    const approval = await held(hub, bot, 'parts.outer', { part })
    await vote(hub, person('eve', 'owner'), approval)
    await reached(hub, approval, 'carried-out')
    expect(await shown(hub, approval)).toMatchObject({ risk: 'medium' })
    const finished = (await entriesOf(hub, 'action.finished@1')).find(
      ({ data }) => data.action === 'parts.outer@1',
    )
    expect(finished?.data).toMatchObject({ status })
    const decided = (await entriesOf(hub, 'action.decided@1')).filter(({ data }) =>
      String(data.action).startsWith('parts.'),
    )
    expect(decided.slice(1).map(({ data }) => data.effect)).toEqual(effects)
    await hub.close()
  })

  it('has parts that nobody agreed to when nobody agreed to it', async () => {
    const { root } = tempFolder()
    const onlyParts = RULE.replace(
      'action in Polity::Action::"parts"',
      'action in Polity::Action::"parts.equal"',
    )
    const hub = await openTestHub('memory', {
      modules: [...modules, parts],
      policyDir: approvalRules(root, onlyParts),
    })
    await expect(hub.invoke(bot, 'parts.outer', { part: 'equal' })).rejects.toMatchObject({ code: 'denied' })
    await hub.close()
  })
})
