// Rules that are certainly wrong are found before anybody asks them, each at its place; rules that may be right are left alone.

import { describe, expect, it } from 'vitest'
import { loadBundle, STARTER_DIR } from './bundle.ts'
import { readBundleFiles } from './bundle-files.ts'
import { checkRules } from './findings.ts'
import type { TestedAction } from './rule-tests.ts'
import { STARTER_ACTIONS } from './starter-actions.fixture.ts'

const ACTIONS: readonly TestedAction[] = [
  { name: 'state.put@1', risk: 'low', facts: { namespace: 'string' } },
  { name: 'state.get@1', risk: 'low' },
  ...STARTER_ACTIONS,
]
const [schema = { name: '', text: '' }] = (await readBundleFiles(STARTER_DIR)).filter(({ name }) =>
  name.endsWith('.cedarschema'),
)
const OPEN = '@id("open") permit (principal, action, resource);'
const found = async (text: string, declared = '') =>
  (
    await checkRules(
      [
        { name: 's.cedarschema', text: schema.text.replace('entity Role;', `entity Role; ${declared}`) },
        { name: 'x.cedar', text },
      ],
      ACTIONS,
    )
  ).map(({ rule, level, policy, line }) => [rule, level, policy, line])

describe('findings', () => {
  it('are the states that a hub holds rules in, gravest where it meant another text', async () => {
    const kept = '@id("kept") permit (principal, action, resource);'
    const text = `${kept}\n@id("other") permit (principal, action == Polity::Action::"state.put@1", resource);`
    const files = [schema, { name: 'x.cedar', text }]
    const held = new Map([
      ['kept', { state: 'shadow', text: kept }],
      ['other', { state: 'draft', text: kept }],
      ['gone', { state: 'draft', text: undefined }],
    ] as const)
    const all = await checkRules(files, ACTIONS, held)
    const states = all.filter(({ rule }) => rule === 'held-state')
    expect(states).toMatchObject([
      { policy: 'kept', level: 'note', line: 1 },
      { policy: 'other', level: 'warning', line: 2, message: expect.stringContaining('of an earlier rule') },
    ])
    const same = new Map([['other', { state: 'enforced', text: kept }]] as const)
    expect((await checkRules(files, ACTIONS, same)).filter(({ rule }) => rule === 'held-state')).toEqual([])
  })

  it('tell rules apart whose numbers are beyond those of JSON', async () => {
    const vast = (id: string, last: number) =>
      `@id("${id}") forbid (principal, action, resource) when { context.trust + 922337203685477580${last} > 9 };`
    expect((await found(`${OPEN} ${vast('a', 1)} ${vast('b', 2)}`)).map(([rule]) => rule)).not.toContain(
      'duplicate',
    )
  })

  it('has nothing to say of the starter rules but that some are drafts', async () => {
    const drafts = [...(await loadBundle(STARTER_DIR)).policies.values()].filter(
      ({ state }) => state === 'draft',
    )
    const findings = await checkRules(STARTER_DIR, ACTIONS)
    expect(findings.map(({ rule }) => rule)).toEqual(drafts.map(() => 'draft'))
  })

  it.each([
    [
      'two kinds at once',
      'permit (principal is Polity::Agent, action, resource) when { principal is Polity::User };',
    ],
    ['a condition that is false', 'permit (principal, action, resource) when { false };'],
    ['a fact that no action has', 'permit (principal, action, resource) when { context has nope };'],
  ])('finds a permit that nobody can meet: %s', async (_, text) => {
    expect(await found(`${OPEN}\n@id("x") ${text}`)).toEqual([['unreachable', 'warning', 'x', 2]])
  })

  it('takes a forbid that stops nothing for worse', async () => {
    const text = '@id("x") forbid (principal, action, resource) when { action == Polity::Action::"log" };'
    expect(await found(`${OPEN}\n${text}`)).toEqual([['unreachable', 'error', 'x', 2]])
  })

  it('finds a head that names a group without actions', async () => {
    const text = '@id("x") permit (principal, action in Polity::Action::"lonely", resource);'
    expect(await found(`${OPEN}\n${text}`, 'action "lonely";')).toEqual([['no-action', 'warning', 'x', 2]])
  })

  it('finds texts that look like others', async () => {
    const text = '@id("x") forbid (principal, action, resource) when { context.risk == "lоw" };'
    expect(await found(`${OPEN}\n${text}`)).toEqual([['confusable', 'warning', 'x', 2]])
  })

  it('finds a forbid that leaves no way out of what is permitted', async () => {
    const one = '@id("x") forbid (principal, action in Polity::Action::"state", resource);'
    expect(await found(`${OPEN}\n${one}`)).toEqual([['contradiction', 'warning', 'x', 2]])
    const all = '@id("x") forbid (principal, action, resource);'
    expect(await found(`${OPEN}\n${all}`)).toEqual([['contradiction', 'error', 'x', 2]])
  })

  it.each(['when { true }', 'unless { false }', 'when { true } unless { false }'])(
    'takes what always holds for no condition: %s',
    async (condition) => {
      const text = `@id("x") forbid (principal, action, resource) ${condition};`
      expect(await found(`${OPEN}\n${text}`)).toEqual([['contradiction', 'error', 'x', 2]])
    },
  )

  it.each([
    'forbid (principal, action, resource) when { context.autonomous };',
    'forbid (principal in Polity::Role::"guest", action, resource);',
    'forbid (principal, action, resource in Polity::Resource::"prod");',
    '@state("shadow") forbid (principal, action, resource);',
    '@risk("critical") forbid (principal, action, resource);',
    '@obligation("owner:1") forbid (principal, action, resource) unless { context.approvals.contains("owner:1") };',
    '@obligation("committee.security") forbid (principal, action, resource) unless { context.approvals.contains("committee.security") };',
  ])('leaves alone what may be meant: %s', async (text) => {
    expect(await found(`${OPEN}\n@id("x") ${text}`)).toEqual([])
  })

  it('finds actions that nothing permits', async () => {
    const text = '@id("x") permit (principal, action in Polity::Action::"state", resource);'
    expect(await found(text)).toEqual([['unpermitted-action', 'warning', undefined, 1]])
    expect(
      await found(`${text}\n@id("y") @state("shadow") permit (principal, action, resource);`),
    ).toHaveLength(1)
  })

  it.each(['owner', 'owner:0', 'owner:-1', 'owner:1000', ':1', 'owner:1:2'])(
    'finds an obligation that nobody can fulfil: %s',
    async (obligation) => {
      const text = `@id("x") @obligation("${obligation}") forbid (principal, action, resource) unless { context.approvals.contains("${obligation}") };`
      const findings = await found(`${OPEN}\n${text}`)
      // Where the loader refuses it already, there is nothing left to find.
      expect(findings.map(([rule]) => rule)).toEqual([obligation === ':1' ? 'invalid' : 'obligation-form'])
    },
  )

  it('finds an obligation that lifts nothing', async () => {
    const text =
      '@id("x") @obligation("owner:1") forbid (principal, action, resource) when { context.autonomous };'
    expect(await found(`${OPEN}\n${text}`)).toEqual([['obligation-in-vain', 'error', 'x', 2]])
  })

  it('finds a rule that stands there twice, whatever its name and its spaces', async () => {
    expect(await found(`${OPEN}\n@id("x")\npermit(principal,action,resource);`)).toEqual([
      ['duplicate', 'warning', 'x', 2],
    ])
    expect(await found(`${OPEN}\n@id("x") @state("shadow") permit (principal, action, resource);`)).toEqual(
      [],
    )
  })

  it('finds a rule that raises nothing', async () => {
    const raises = (risk: string, head = 'action') =>
      found(
        `${OPEN}\n@id("x") @risk("${risk}") forbid (principal, ${head}, resource) when { context.autonomous };`,
      )
    expect(await raises('low')).toEqual([['raises-nothing', 'warning', 'x', 2]])
    expect(await raises('high', 'action in Polity::Action::"log"')).toEqual([
      ['raises-nothing', 'warning', 'x', 2],
    ])
    expect(await raises('critical', 'action in Polity::Action::"log"')).toEqual([])
    expect(await raises('medium')).toEqual([])
  })

  it('shows what would be refused as a finding with its place', async () => {
    const [finding] = await checkRules(
      [
        schema,
        { name: 'x.cedar', text: `${OPEN}\n  @id("x") @risk("huge") forbid (principal, action, resource);` },
      ],
      ACTIONS,
    )
    expect(finding).toEqual({
      rule: 'invalid',
      level: 'error',
      message: '@risk of x must be one of low, medium, high, critical',
      file: 'x.cedar',
      line: 2,
      column: 3,
    })
  })
})
