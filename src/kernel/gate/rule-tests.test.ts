// Rule tests fail when the rules do something else, and refuse to hold for want of meaning something.

import { describe, expect, it } from 'vitest'
import { loadBundle, STARTER_DIR } from './bundle.ts'
import { type RuleTestResult, runRuleTests, type TestedAction } from './rule-tests.ts'
import { STARTER_ACTIONS } from './starter-actions.fixture.ts'

const ACTIONS: readonly TestedAction[] = [
  ...STARTER_ACTIONS,
  { name: 'state.put@1', risk: 'low', facts: { namespace: 'string' }, conduct: { changes: ['policy'] } },
]
const bundle = await loadBundle(STARTER_DIR)
const run = (text: string): Promise<readonly RuleTestResult[]> =>
  runRuleTests({ bundle, actions: ACTIONS, files: [{ name: 't.yaml', text }] })
const one = async (request: string, expected: string): Promise<RuleTestResult | undefined> =>
  (await run(`cases:\n  - name: x\n    request: ${request}\n    expect: ${expected}\n`))[0]

describe('runRuleTests', () => {
  it('passes what is as expected, and says where the case stands', async () => {
    const [result] = await run(
      '# about logs\ncases:\n  - name: nobody reads the log\n    request: { action: log.read@1 }\n    expect: { effect: denied, reasons: [], obligations: [], risk: high }\n',
    )
    expect(result).toMatchObject({
      file: 't.yaml',
      line: 3,
      name: 'nobody reads the log',
      isPassed: true,
      mismatches: [],
      sentence: expect.stringContaining('no rule permits it'),
    })
  })

  it.each([
    ['{ effect: allow }', 'effect', 'allow', 'denied'],
    ['{ risk: low }', 'risk', 'low', 'high'],
    ['{ reasons: [owner] }', 'reasons', 'owner', 'none'],
    ['{ includes: [owner] }', 'includes', 'owner', 'none'],
    ["{ obligations: ['owner:1'] }", 'obligations', 'owner:1', 'none'],
    ['{ raisedBy: [risk-law] }', 'raisedBy', 'risk-law', 'none'],
  ])('fails %s, and says what was found', async (expected, what, wanted, found) => {
    const result = await one('{ action: log.read@1 }', expected)
    expect(result).toMatchObject({ isPassed: false, mismatches: [{ what, expected: wanted, found }] })
  })

  it('fails on a rule that should have had no say', async () => {
    const result = await one('{ action: log.read@1, inScope: false }', '{ excludes: [token-scope] }')
    expect(result).toMatchObject({ isPassed: false, mismatches: [{ what: 'excludes' }] })
  })

  it('asks as the hub does: with the risk and the conduct of the definition, and raised risk', async () => {
    expect(
      await one('{ action: state.put@1, facts: { namespace: a } }', '{ risk: high, raisedBy: [risk-law] }'),
    ).toMatchObject({ isPassed: true })
    expect(
      await one(
        '{ action: state.put@1, facts: { namespace: a }, conduct: { changes: [] } }',
        '{ risk: low }',
      ),
    ).toMatchObject({ isPassed: true })
  })

  it('fails a request that the gate does not take', async () => {
    expect(await one('{ action: state.put@1 }', '{ effect: allow }')).toMatchObject({
      isPassed: false,
      mismatches: [{ what: 'request', found: expect.stringContaining('namespace') }],
    })
    expect(await one('{ action: log.read@1, now: yesterday }', '{ effect: allow }')).toMatchObject({
      isPassed: false,
    })
  })

  it('tries drafts as if they were enforced', async () => {
    const text = (states: string) =>
      `states: { ${states} }\ndefaults: { action: log.read@1, risk: low, chain: [{ kind: agent, id: a }], standing: { trust: 0 } }\ncases: [{ name: x, expect: { effect: denied } }]\n`
    expect(await run(text('guardrail-low: draft'))).toMatchObject([{ isPassed: false }])
    // Not suspended, since nobody is known to permit it beside: low-risk does.
    expect(await run(text('guardrail-low: enforced'))).toMatchObject([
      { isPassed: false, answer: { effect: 'suspended' } },
    ])
  })

  it.each([
    ['no case', 'cases: []', 1, 1],
    ['nothing at all', '', 1, 1],
    ['a case that expects nothing', 'cases:\n  - name: x\n    expect: {}', 3, 5],
    ['an unknown key', 'cases:\n  - name: x\n    expect: { efect: allow }', 3, 15],
    [
      'an unknown word of conduct',
      'cases:\n  - name: x\n    request: { conduct: { destructiv: true } }\n    expect: { effect: allow }',
      3,
      27,
    ],
    [
      'a trust in hundredths',
      'cases:\n  - name: x\n    request: { standing: { trust: 0.7 } }\n    expect: { effect: allow }',
      3,
      28,
    ],
    ['no action', 'cases:\n  - name: x\n    expect: { effect: allow }', 2, 5],
    [
      'an unknown action',
      'cases:\n  - name: x\n    request: { action: log.raed@1 }\n    expect: { effect: allow }',
      3,
      16,
    ],
    [
      'an unknown rule',
      'cases:\n  - name: x\n    request: { action: log.read@1 }\n    expect: { excludes: [ownr] }',
      4,
      26,
    ],
    [
      'a state of an unknown rule',
      'states: { ownr: draft }\ncases:\n  - name: x\n    request: { action: log.read@1 }\n    expect: { effect: denied }',
      1,
      11,
    ],
    ['the same key twice', 'cases:\n  - name: x\n    name: y\n    expect: { effect: allow }', 3, 5],
    ['what is no YAML', 'cases: [', 1, 9],
  ])('refuses %s, at its place', async (_, text, line, column) => {
    await expect(run(text)).rejects.toMatchObject({
      code: 'input.invalid',
      message: expect.stringMatching(new RegExp(`^t\\.yaml:${line}:${column}: `)),
    })
  })

  it('refuses an action that the file declares again', async () => {
    await expect(
      run(
        'actions: [{ name: log.read@1 }]\ncases: [{ name: x, request: { action: log.read@1 }, expect: { effect: denied } }]',
      ),
    ).rejects.toMatchObject({ code: 'input.invalid', message: expect.stringContaining('defined twice') })
  })
})
