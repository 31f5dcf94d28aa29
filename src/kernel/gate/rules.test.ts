// Policies are checked against the actions that run, before they are in force.

import { describe, expect, it } from 'vitest'
import { loadBundle, STARTER_DIR } from './bundle.ts'
import { readBundleFiles } from './bundle-files.ts'
import { rulesOf } from './rules.ts'
import { STARTER_ACTIONS } from './starter-actions.fixture.ts'
import type { ActionDefinition } from './types.ts'

const ACTIONS: readonly ActionDefinition[] = [
  { name: 'state.put@1', facts: { namespace: 'string', sizeBytes: 'integer?' } },
  { name: 'mirror.analyze@1' },
  ...STARTER_ACTIONS,
]
const starter = await readBundleFiles(STARTER_DIR)
const [schema] = starter.filter(({ name }) => name.endsWith('.cedarschema'))
const withPolicy = async (text: string, schemaText = schema?.text ?? '') =>
  rulesOf(
    await loadBundle([
      { name: 's.cedarschema', text: schemaText },
      { name: 'x.cedar', text },
    ]),
    ACTIONS,
  )

describe('rulesOf', () => {
  it('puts an action into the groups of its name, and into those of the schema', async () => {
    const groups = 'action "risky"; action "state.put@1" in ["risky"];'
    const { actions } = await withPolicy(
      '@id("a") permit (principal, action in Polity::Action::"risky", resource);',
      schema?.text.replace('entity Role;', `entity Role; ${groups}`),
    )
    const ids = actions
      .get('state.put@1')
      ?.entities.map(({ uid }) => ('id' in uid ? uid.id : ''))
      .sort()
    expect(ids).toEqual(['risky', 'state', 'state.put', 'state.put@1'])
  })

  it('has a digest that names the actions too', async () => {
    const bundle = await loadBundle(starter)
    const some = rulesOf(bundle, ACTIONS)
    expect(rulesOf(bundle, [...ACTIONS].reverse()).bundle.digest).toBe(some.bundle.digest)
    expect(rulesOf(bundle, ACTIONS.slice(1)).bundle.digest).not.toBe(some.bundle.digest)
    expect(rulesOf(some.bundle, ACTIONS).bundle.digest).toBe(some.bundle.digest)
  })

  it.each([
    [
      'an attribute that some action lacks',
      'forbid (principal, action, resource) when { context.namespace == "x" };',
    ],
    [
      'an optional attribute without asking',
      'forbid (principal, action == Polity::Action::"state.put@1", resource) when { context.sizeBytes > 1 };',
    ],
    ['an action nobody declared', 'permit (principal, action == Polity::Action::"state.putt@1", resource);'],
    ['a type error', 'forbid (principal, action, resource) when { context.risk > 3 };'],
    ['an unknown kind of principal', 'permit (principal is Polity::Ghost, action, resource);'],
  ])('refuses %s, at its place', async (_, policy) => {
    await expect(withPolicy(`// one\n\n  @id("a")\n  ${policy}`)).rejects.toMatchObject({
      code: 'gate.bundle.invalid',
      facts: { file: 'x.cedar', line: expect.toSatisfy((line: number) => line >= 3) },
    })
  })

  it('names the first of several faults, whatever each is about', async () => {
    const about = (context: string) =>
      `@id("${context}") forbid (principal, action, resource) when { context.${context} > "" };`
    for (const texts of [
      [about('risk'), about('nope')],
      [about('nope'), about('risk')],
    ])
      await expect(withPolicy(texts.join('\n'))).rejects.toMatchObject({
        facts: { file: 'x.cedar', line: 1 },
      })
  })

  it('looks at every action where a condition asks which it is', async () => {
    const asks = (name: string) =>
      withPolicy(
        `@id("a") forbid (principal, action, resource) when { action == Polity::Action::"${name}" };`,
      )
    await asks('state.put@1')
    await expect(asks('state.putt@1')).rejects.toMatchObject({ code: 'gate.bundle.invalid' })
    await expect(
      withPolicy('@id("a") forbid (principal, action, resource) when { context.conduct.destructive };'),
    ).rejects.toMatchObject({ code: 'gate.bundle.invalid' })
  })

  it('admits a fact where the action declares it, or where the policy asks first', async () => {
    await withPolicy(
      '@id("a") forbid (principal, action in Polity::Action::"state.put", resource) when { context.namespace == "x" };',
    )
    await withPolicy(
      '@id("a") forbid (principal, action, resource) when { context has namespace && context.namespace == "x" };',
    )
    await withPolicy(
      '@id("a") forbid (principal, action, resource) when { context.now > datetime("2027-01-01") };',
    )
  })

  it('refuses a schema without what the hub supplies, or with demands that it cannot meet', async () => {
    const demanding = schema?.text.replace(
      'entity User in [Role] = { id: String }',
      'entity User in [Role] = { id: String, team: String }',
    )
    await expect(withPolicy('', 'namespace Polity { entity Role; }')).rejects.toMatchObject({
      code: 'gate.bundle.invalid',
    })
    await expect(withPolicy('', demanding)).rejects.toMatchObject({ code: 'gate.bundle.invalid' })
    await withPolicy('', demanding?.replace('team: String', 'team?: String'))
  })

  it.each([
    ['put', undefined],
    ['state.put', undefined],
    ['state.put@0', undefined],
    ['State.put@1', undefined],
    ['state.put"@1', undefined],
    ['__proto__.x@1', undefined],
    [`${'a'.repeat(200)}.b@1`, undefined],
    ['state.put@1', { risk: 'string' }],
    ['state.put@1', { approvals: 'strings' }],
    ['state.put@1', { constructor: 'string' }],
    ['state.put@1', { prototype: 'string' }],
    ['state.put@1', { 'a b': 'string' }],
    ['state.put@1', { __extn: 'string' }],
    ['state.put@1', JSON.parse('{"__proto__":"string"}')],
    ['state.put@1', { size: 'float' }],
  ])('refuses the action definition %s %o', async (name, facts) => {
    const bundle = await loadBundle(starter)
    expect(() => rulesOf(bundle, [{ name, facts }])).toThrow(
      expect.objectContaining({ code: 'input.invalid' }),
    )
  })

  it('refuses an action defined twice', async () => {
    const bundle = await loadBundle(starter)
    expect(() => rulesOf(bundle, [...ACTIONS, { name: 'state.put@1' }])).toThrow('defined twice')
  })
})
