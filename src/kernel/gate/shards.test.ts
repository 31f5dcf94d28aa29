// An engine holds a bounded number of policy sets, however many bundles come and go.

import { describe, expect, it } from 'vitest'
import { loadBundle } from './bundle.ts'
import { Engine } from './engine.ts'
import { rulesOf } from './rules.ts'
import { MAX_SETS, Shards } from './shards.ts'
import { STARTER_SCHEMA } from './starter-schema.fixture.ts'

const actions = Array.from({ length: MAX_SETS + 20 }, (_, index) => ({ name: `m.a${index}@1` }))
const permitOf = (name: string, index: number) =>
  `@id("p${index}") permit (principal, action == Polity::Action::"${name}", resource);`

/** In force under every bundle. */
const BUILT_IN = ['polity.halted', 'polity.quarantined', 'polity.unavailable']

describe('Shards', async () => {
  const text = actions.map(({ name }, index) => permitOf(name, index)).join('\n')
  const rules = rulesOf(await loadBundle([...STARTER_SCHEMA, { name: 'x.cedar', text }]), actions)

  it('gives an action only the policies that it can meet', () => {
    const shards = new Shards(new Engine(), rules)
    expect([...shards.of('m.a7@1').enforced.policies.keys()]).toEqual(['p7', ...BUILT_IN])
    expect(shards.of('nobody.declared@1').enforced.policies.size).toBe(actions.length + BUILT_IN.length)
  })

  it('takes the exact action of a head for itself and not for what is in it', async () => {
    const head = '@id("exact") permit (principal, action == Polity::Action::"m", resource);'
    const group = '@id("group") permit (principal, action in Polity::Action::"m", resource);'
    const bundle = await loadBundle([...STARTER_SCHEMA, { name: 'x.cedar', text: head + group }])
    const { enforced } = new Shards(new Engine(), rulesOf(bundle, actions)).of('m.a1@1')
    expect([...enforced.policies.keys()]).toEqual(['group', ...BUILT_IN])
  })

  it('shares a set between actions that meet the same policies', async () => {
    const all = await loadBundle([
      ...STARTER_SCHEMA,
      { name: 'x.cedar', text: '@id("a") permit (principal, action, resource);' },
    ])
    const engine = new Engine()
    const shards = new Shards(engine, rulesOf(all, actions))
    const names = actions.map(({ name }) => shards.nameOf(shards.of(name).enforced))
    expect(new Set(names).size).toBe(1)
    expect(engine.namesHeld).toBe(1)
  })

  it('reuses the least recently used name, and the set under it is the new one', () => {
    const engine = new Engine()
    const shards = new Shards(engine, rules)
    const evaluate = (name: string) =>
      engine.run((cedar) =>
        cedar.statefulIsAuthorized({
          principal: { type: 'Polity::User', id: 'u' },
          action: { type: 'Polity::Action', id: name },
          resource: { type: 'Polity::Resource', id: 'r' },
          context: {},
          entities: [],
          preparsedPolicySetId: shards.nameOf(shards.of(name).enforced),
        }),
      )
    for (const { name } of [...actions, ...actions.slice(0, 5)]) {
      expect(evaluate(name)).toMatchObject({ response: { decision: 'allow' } })
    }
    expect(engine.namesHeld).toBe(MAX_SETS)
  })

  it('holds no more names after a thousand swaps', () => {
    const engine = new Engine()
    for (let swap = 0; swap < 1000; swap += 1) {
      const shards = new Shards(engine, rules)
      for (const { name } of actions.slice(0, 3)) shards.nameOf(shards.of(name).enforced)
    }
    expect(engine.namesHeld).toBe(3)
  })

  it('parses again after the engine broke', () => {
    const engine = new Engine()
    const shards = new Shards(engine, rules)
    const { enforced } = shards.of('m.a1@1')
    shards.nameOf(enforced)
    const deep = `permit (principal, action, resource) when { ${'('.repeat(4000)}true${')'.repeat(4000)} };`
    expect(() => engine.run((cedar) => cedar.policyToJson(deep))).toThrow(
      expect.objectContaining({ code: 'gate.failed' }),
    )
    expect([engine.generation, engine.namesHeld]).toEqual([1, 0])
    shards.nameOf(enforced)
    expect(engine.namesHeld).toBe(1)
    expect(engine.version).toMatch(/^\d+\.\d+\.\d+$/)
  })
})
