// Runs that ask for what people have to agree to: inside of a step and outside of one.

import { state } from '../../src/modules/state/module.ts'
import { counted } from '../integration/lab/flow.contract.ts'
import { flow } from '../integration/lab/flow.ts'
import { lab } from '../integration/lab/module.ts'

export const RULE = `
@id("counting-needs-owner")
@obligation("owner:1")
forbid (principal, action in Polity::Action::"flow.counted", resource)
unless { context.approvals.contains("owner:1") };
`

/** The mark is a number that no other run has; even ones are counted inside of a step. */
export const askingModules = () => [
  lab(),
  state,
  flow(async (ctx, { mark = '0' }) => {
    const by = Number(mark)
    const ask = async () => (await ctx.invoke(counted, { by })).sum
    return by % 2 === 0 ? ctx.step('ask', ask) : ask()
  }),
]
