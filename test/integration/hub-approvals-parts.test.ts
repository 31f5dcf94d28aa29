// What people agreed to covers the parts of a run, as far as they are no riskier than the run that people saw.

import { describe, expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import { defineModule } from '../../src/kernel/catalog/module.ts'
import { approvalRules, bot, held, modules, person, reached, shown, vote } from './lab/approvals.ts'
import { begin, outcome, told } from './lab/flow.ts'
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

const SECURITY = `
@id("equal-needs-security")
@obligation("security:1")
forbid (principal, action in Polity::Action::"parts.equal", resource)
unless { context.approvals.contains("security:1") };
`

/** A hub whose owner has agreed to the outer run. */
async function outerAgreed(part: string, more = ''): Promise<{ readonly hub: Hub; readonly run: string }> {
  const { root } = tempFolder()
  const hub = await openTestHub('memory', {
    modules: [...modules, parts],
    policyDir: approvalRules(root, RULE + more),
  })
  const approval = await held(hub, bot, 'parts.outer', { part })
  await vote(hub, person('eve', 'owner'), approval)
  const { carriedOut } = await reached(hub, approval, 'carried-out')
  return { hub, run: carriedOut?.run ?? '' }
}

/** The approval for which the run waits. */
const askedBy = async (hub: Hub, run: string): Promise<string> =>
  String((await told(hub, 'approval.requested@1', run)).approval)

/** What the gate said about the run and its parts, in order. */
const effects = async (hub: Hub): Promise<readonly unknown[]> =>
  (await entriesOf(hub, 'action.decided@1'))
    .filter(({ data }) => String(data.action).startsWith('parts.'))
    .map(({ data }) => data.effect)

describe('a run to which people agreed', () => {
  it('has parts of its own risk without asking again', async () => {
    const { hub, run } = await outerAgreed('equal')
    expect(await outcome(hub, run)).toMatchObject({ status: 'done', risk: 'medium' })
    expect(await effects(hub)).toEqual(['suspended', 'allow', 'allow'])
  })

  it('asks people for what is riskier than what they saw, and goes on when they agree to that, too', async () => {
    const { hub, run } = await outerAgreed('riskier')
    const approval = await askedBy(hub, run)
    expect(await shown(hub, approval)).toMatchObject({ status: 'pending', risk: 'critical', run })
    await vote(hub, person('fay', 'owner'), approval)
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
    expect(await effects(hub)).toEqual(['suspended', 'allow', 'suspended', 'allow'])
  })

  it('asks for what is owed beside what they agreed to', async () => {
    const { hub, run } = await outerAgreed('equal', SECURITY)
    const approval = await askedBy(hub, run)
    expect(await shown(hub, approval)).toMatchObject({ obligations: ['security:1'] })
    await vote(hub, person('bob', 'security'), approval)
    expect(await outcome(hub, run)).toMatchObject({ status: 'done' })
  })

  it('has parts that people are asked about when nobody was asked about it', async () => {
    const { root } = tempFolder()
    const onlyParts = RULE.replace(
      'action in Polity::Action::"parts"',
      'action in Polity::Action::"parts.equal"',
    )
    const hub = await openTestHub('memory', {
      modules: [...modules, parts],
      policyDir: approvalRules(root, onlyParts),
    })
    const run = await begin(hub, bot, 'parts.outer', { part: 'equal' } as object)
    await vote(hub, person('eve', 'owner'), await askedBy(hub, run), 'deny')
    expect(await outcome(hub, run)).toMatchObject({ status: 'failed', code: 'denied' })
  })
})
