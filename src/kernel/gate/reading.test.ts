// What a policy looks at, however it is written: whatever is not in it cannot change a decision.

import { policyToJson } from '@cedar-policy/cedar-wasm/nodejs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { loadBundle } from './bundle.ts'
import { openGate } from './gate.ts'
import { lookedAt } from './looked-at.ts'
import { readingOf } from './reading.ts'
import { STARTER_SCHEMA } from './starter-schema.fixture.ts'
import { type GateRequest, PLAIN_STANDING } from './types.ts'

function reading(head: string, condition: string) {
  const parsed = policyToJson(`@id("p") forbid (principal, action, ${head}) when { ${condition} };`)
  if (parsed.type === 'failure') throw new Error(parsed.errors[0]?.message)
  const { context, resource } = readingOf(parsed.json)
  return [context === 'everything' ? context : [...context].sort(), resource]
}

describe('what a policy looks at', () => {
  it.each<[string, string, unknown]>([
    ['resource', 'true', [[], false]],
    ['resource', 'context.risk == "high"', [['risk'], false]],
    ['resource', 'context["risk"] == "high"', [['risk'], false]],
    ['resource', 'context has name && context.name like "a*"', [['name'], false]],
    ['resource', 'context has conduct.destructive && context.conduct.destructive', [['conduct'], false]],
    [
      'resource',
      'if context.solo then context.trust < 3 else [context.now] == []',
      [['now', 'solo', 'trust'], false],
    ],
    ['resource', '{ a: context.hour }.a == 3', [['hour'], false]],
    ['resource', 'context == context', ['everything', false]],
    ['resource', '[context].contains({})', ['everything', false]],
    ['resource', '(if true then context else context).risk == "low"', ['everything', false]],
    ['resource', 'resource.path like "prod/*"', [[], true]],
    ['resource in Polity::Resource::"prod"', 'true', [[], true]],
    ['resource is Polity::Resource', 'true', [[], true]],
    ['resource', 'principal.id == "context" && "resource" == "Var"', [[], false]],
  ])('%s, %s', (head, condition, expected) => {
    expect(reading(head, condition)).toEqual(expected)
  })
})

describe('the paths that a policy names', () => {
  it.each([
    ['context.risk == "high"', ['context.risk: high']],
    ['context["conduct"]["cost"] > 3', ['context.conduct.cost: 3']],
    // Asked for in one breath, or step by step.
    ['context has conduct.cost', ['context.conduct.cost: ']],
    ['context has conduct && context.conduct has cost', ['context.conduct: ', 'context.conduct.cost: ']],
    ['principal.id like "a*" || resource.path == "b"', ['principal.id: ', 'resource.path: b']],
    ['{ a: context.hour }.a == 3', ['context.hour: 3']],
    ['context == context', []],
  ])('%s', (condition, expected) => {
    const text = `@id("p") forbid (principal, action, resource) when { ${condition} };`
    const { facts } = lookedAt({ id: 'p', text })
    expect(facts.map(({ path, constants }) => `${path.join('.')}: ${constants.join(' ')}`)).toEqual(expected)
  })
})

const CONDITIONS = [
  'context.risk == "high"',
  'context has n && context.n > 3',
  'context has n && context.n * 9223372036854775807 > 0',
  'resource.path like "*/b"',
  'context.trust < 500',
  'context.approvals.contains("owner:1")',
  'context.solo',
  'context.hour < 6 || context.weekday > 5',
  'principal.id like "a*"',
  'context.conduct has destructive && context.conduct.destructive',
  'context == context && context.inScope',
]
const rule = fc.record({
  effect: fc.constantFrom('permit', 'forbid', 'forbid'),
  condition: fc.constantFrom(...CONDITIONS),
  mark: fc.constantFrom('', '@obligation("owner:1")', '@inviolable("true")', '@state("shadow")'),
  resource: fc.constantFrom('resource', 'resource in Polity::Resource::"a"'),
})
const asked = fc.record({
  who: fc.constantFrom('ann', 'bob'),
  resource: fc.constantFrom('a', 'a/b', 'c/b'),
  risk: fc.constantFrom('low', 'high'),
  n: fc.option(fc.integer({ min: -5, max: 5 }), { nil: undefined }),
  trust: fc.constantFrom(0, 499, 500, 1000),
  approvals: fc.subarray(['owner:1']),
  solo: fc.boolean(),
  hour: fc.constantFrom('01', '12'),
  destructive: fc.boolean(),
})

describe('a gate that remembers', () => {
  it('decides as one that is asked for the first time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(rule, { minLength: 1, maxLength: 6 }),
        fc.array(asked, { minLength: 2, maxLength: 12 }),
        async (rules, questions) => {
          const texts = rules.map(({ effect, condition, mark, resource }, at) => {
            const kept = effect === 'permit' && mark !== '@state("shadow")' ? '' : mark
            return `@id("r${at}") ${kept} ${effect} (principal, action, ${resource}) when { ${condition} };`
          })
          const text = `@id("all") permit (principal, action, resource);\n${texts.join('\n')}`
          const bundle = await loadBundle([...STARTER_SCHEMA, { name: 'x.cedar', text }])
          const actions = [{ name: 'a.b@1', facts: { n: 'integer?' } }] as const
          const open = () => openGate({ bundle, actions, rollout: { mode: 'enforce-critical' } })
          const remembering = await open()
          for (const question of questions) {
            const request: GateRequest = {
              chain: [{ kind: 'user', id: question.who, roles: [] }],
              action: 'a.b@1',
              resource: question.resource,
              risk: question.risk as 'low' | 'high',
              facts: question.n === undefined ? {} : { n: question.n },
              conduct: { destructive: question.destructive },
              standing: { ...PLAIN_STANDING, trust: question.trust },
              inScope: true,
              approvals: question.approvals,
              solo: question.solo,
              now: `2026-11-20T${question.hour}:00:00Z`,
            }
            expect(remembering.decide(request)).toEqual((await open()).decide(request))
          }
        },
      ),
      { numRuns: 25 },
    )
  }, 60_000)
})
