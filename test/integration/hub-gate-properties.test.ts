// Random histories under random rules and modes: what was done is what was decided, and of what was refused there is nothing.

import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Hub } from '../../src/hub.ts'
import type { Caller } from '../../src/kernel/catalog/caller.ts'
import type { Answer } from '../../src/kernel/catalog/invoke.ts'
import { randomRule, riskRule, textOf } from '../../src/kernel/gate/random-rules.fixture.ts'
import type { Mode, Principal } from '../../src/kernel/gate/types.ts'
import type { Entry } from '../../src/kernel/log/entry.ts'
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
@id("asked") @obligation("owner:1")
forbid (principal is Polity::Agent, action in Polity::Action::"frail", resource) when { context.risk == "critical" }
  unless { context.approvals.contains("owner:1") };
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

/** Whether it has left what was decided about it, and no more. Answers what was decided. */
function check({ event, answer }: Happened, { decisions, facts }: Told): string {
  const effect = answer.status === 'done' ? 'allow' : answer.status
  const left = facts.filter(({ correlationid }) => correlationid === answer.decision)
  expect(left).toHaveLength('action' in event && effect === 'allow' ? 1 : 0)
  const told = decisions.get(answer.decision)?.data
  // Of denials that repeat, some are counted instead.
  if (told !== undefined || effect !== 'denied') expect(told?.effect).toBe(effect)
  if (told?.mode === 'enforce') expect(told).not.toHaveProperty('wouldEffect')
  return effect
}

interface Happened {
  readonly event: Event
  readonly answer: Answer
}

interface Told {
  readonly decisions: ReadonlyMap<unknown, Entry>
  readonly facts: readonly Entry[]
}

async function toldBy(hub: Hub): Promise<Told> {
  const entries = await entriesOf(hub)
  const decided = entries.filter(({ type }) => type === 'action.decided@1')
  return {
    decisions: new Map(decided.map((entry) => [entry.data.decision, entry])),
    facts: entries.filter(({ type }) => type === 'frail.acted@1'),
  }
}

it('nothing is done that was not allowed, and nothing of what was refused', {
  timeout: 240_000,
}, async () => {
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(rules, history, async (some, events) => {
      const policyDir = await deedRules(`${BASE}${textsOf(some)}`)
      const hub = await openTestHub('memory', { modules: [frail()], policyDir })
      // All at once: modes change while others are under way.
      const happened = await Promise.all(
        events.map(async (event) => ({ event, answer: await happen(hub, event) })),
      )
      const told = await toldBy(hub)
      for (const fact of told.facts) {
        const decision = told.decisions.get(fact.correlationid)
        expect(decision?.data).toMatchObject({ effect: 'allow', action: fact.data.action })
        expect(decision?.seq).toBeLessThan(fact.seq)
      }
      for (const each of happened) seen.add(check(each, told))
      await hub.close()
    }),
    { numRuns: 10 },
  )
  expect([...seen].sort()).toEqual(['allow', 'denied', 'suspended'])
})
