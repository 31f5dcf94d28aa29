// Random histories under random rules and modes: what was done is what was decided, and of what was refused there is nothing.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/decide.ts'
import type { Answer } from '../../src/kernel/catalog/invoke.ts'
import { randomRule, riskRule, textOf } from '../../src/kernel/gate/random-rules.fixture.ts'
import type { Mode, Principal } from '../../src/kernel/gate/types.ts'
import { deedRules } from './lab/deeds.ts'
import { frail } from './lab/frail.ts'
import { entriesOf, openTestHub, owner } from './lab/hubs.ts'

/** Each of these leaves one fact when it is done. */
const ACTIONS = ['frail.act', 'frail.act-more', 'frail.act-worst', 'frail.walk'] as const
const BASE = `
@id("p") permit (principal, action, resource) when { context.risk != "high" };
@id("o") permit (principal in Polity::Role::"owner", action, resource);
@id("owed") @obligation("owner:1") forbid (principal, action, resource) when { context.risk == "critical" }
  unless { context.approvals.contains("owner:1") || context.solo };
`

const link = fc.constantFrom<Principal>(
  { kind: 'user', id: 'owner', roles: ['owner'] },
  { kind: 'user', id: 'bob', roles: [] },
  { kind: 'agent', id: 'bot', roles: ['owner'] },
)
const asking = fc.record({
  chain: fc.uniqueArray(link, { minLength: 1, maxLength: 2, selector: ({ id }) => id }),
  action: fc.constantFrom(...ACTIONS),
  isScoped: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
})
const flip = fc.record({ mode: fc.constantFrom<Mode>('enforce', 'enforce', 'log-only', 'enforce-critical') })
const history = fc.array(fc.oneof({ weight: 5, arbitrary: asking }, { weight: 1, arbitrary: flip }), {
  minLength: 30,
  maxLength: 40,
})
const rules = fc.array(fc.oneof({ weight: 3, arbitrary: randomRule }, { weight: 1, arbitrary: riskRule }), {
  maxLength: 6,
})

/** In the nouns of this hub. */
const textsOf = (all: readonly Parameters<typeof textOf>[1][]): string =>
  all
    .map((rule, index) => textOf(`r${index}`, rule))
    .join('\n')
    .replaceAll('Action::"state"', 'Action::"frail"')
    .replaceAll('mirror.analyze@1', 'frail.walk@1')
    .replaceAll('state/prod', 'frail/thing')

type Event =
  | { readonly mode: Mode }
  | { readonly chain: Caller['chain']; readonly action: string; readonly isScoped: boolean }

const happen = (hub: Hub, event: Event): Promise<Answer> =>
  'mode' in event
    ? hub.invoke(owner, 'gate.mode', { mode: event.mode })
    : hub.invoke(
        { chain: event.chain, ...(event.isScoped ? { scopes: ['elsewhere'] } : {}) },
        event.action,
        {},
      )

it('whatever is enforced when, nothing is done that was not allowed, and nothing of what was refused', {
  timeout: 240_000,
}, async () => {
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(rules, history, async (some, events) => {
      const policyDir = await deedRules(`${BASE}${textsOf(some)}`)
      const hub = await openTestHub('memory', { modules: [frail()], policyDir })
      // All at once: modes change while others are under way.
      const answers = await Promise.all(events.map((event) => happen(hub, event)))
      const entries = await entriesOf(hub)
      const decisions = new Map(
        entries.flatMap((entry) => (entry.type === 'action.decided@1' ? [[entry.data.decision, entry]] : [])),
      )
      const facts = entries.filter(({ type }) => type === 'frail.acted@1')
      for (const fact of facts) {
        const decision = decisions.get(fact.correlationid)
        expect(decision?.data).toMatchObject({ effect: 'allow', action: fact.data.action })
        expect(decision?.seq).toBeLessThan(fact.seq)
      }
      for (const [index, answer] of answers.entries()) {
        const event = events[index]
        const left = facts.filter(({ correlationid }) => correlationid === answer.decision)
        const isAct = event !== undefined && 'action' in event
        expect(left).toHaveLength(isAct && answer.status === 'done' ? 1 : 0)
        const told = decisions.get(answer.decision)?.data
        const effect = answer.status === 'done' ? 'allow' : answer.status
        // Of denials that repeat, some are counted instead.
        if (told !== undefined || effect !== 'denied') expect(told?.effect).toBe(effect)
        seen.set(effect, (seen.get(effect) ?? 0) + 1)
      }
      for (const { data } of decisions.values())
        if (data.mode === 'enforce') expect(data).not.toHaveProperty('wouldEffect')
      await hub.close()
    }),
    { numRuns: 12 },
  )
  expect([...seen.keys()].sort()).toEqual(['allow', 'denied', 'suspended'])
})
