// An explanation names rules and facts, and what would have changed the outcome was tried; other rules show where they part.

import { describe, expect, it } from 'vitest'
import { type GateRequest, PLAIN_STANDING } from '../gate/types.ts'
import { explainDecision } from './explain.ts'
import { pastDecisions } from './history.ts'
import { asked, gateOf, KeptHistory } from './past.fixture.ts'
import { flipsUnder, joinFlips } from './what-if.ts'

const RULES = `
@id("owner") permit (principal in Polity::Role::"owner", action, resource);
@id("young") @description("Earn trust first") forbid (principal, action, resource) when { context.trust < 700 };
@id("stopped") forbid (principal, action, resource) when { context.halted.contains("drill") };
@id("outside") forbid (principal, action, resource) when { context.conduct has isExternal && context.conduct.isExternal };
@id("prod") @obligation("owner:1") forbid (principal, action, resource in Polity::Resource::"state/prod")
  when { context.risk == "critical" } unless { context.approvals.contains("owner:1") };
`

async function explained(request: Partial<GateRequest>, rules = RULES) {
  const history = new KeptHistory()
  const gate = await gateOf(rules)
  history.decide(gate, asked({ resource: 'state/dev', ...request }))
  const [past] = await Array.fromAsync(pastDecisions(history.ports))
  if (past === undefined) throw new Error('nothing was decided')
  return explainDecision(past, history.ports, gate)
}

const allowing = ({ changes }: Awaited<ReturnType<typeof explained>>) =>
  changes.filter(({ effect }) => effect === 'allow').map(({ what }) => what)

const standing = (given: Partial<typeof PLAIN_STANDING>) => ({ standing: { ...PLAIN_STANDING, ...given } })

describe('what would change a decision', () => {
  it('names the rule, where it stands, the fact it looked at, and the trust that would do', async () => {
    const answer = await explained(standing({ trust: 650 }))
    expect(answer).toMatchObject({
      effect: 'denied',
      rules: [
        {
          id: 'young',
          place: expect.stringMatching(/^x\.cedar:3:\d+$/),
          description: 'Earn trust first',
          facts: [{ fact: 'context.trust', value: 650 }],
        },
      ],
    })
    expect(allowing(answer)).toEqual(['context.trust 700 or more instead of 650', 'no rule young'])
  })

  it('tries sets, truth values and what was not stated', async () => {
    const halted = await explained(standing({ halted: ['drill'] }))
    expect(allowing(halted)).toContain('context.halted empty instead of drill')
    const outside = await explained({ conduct: { isExternal: true } })
    expect(allowing(outside)).toContain('context.conduct.isExternal false instead of true')
  })

  it('tries what is owed, and the risk below', async () => {
    const answer = await explained({ resource: 'state/prod/x', risk: 'critical' })
    expect(answer.approvals).toEqual({ owed: ['owner:1'], given: [] })
    expect(allowing(answer)).toEqual(
      expect.arrayContaining([
        'the approval owner:1',
        'context.risk high instead of critical',
        'no rule prod',
      ]),
    )
  })

  it('says of a single change that is not enough what it comes to, and promises nothing', async () => {
    const three = { ...standing({ trust: 1, halted: ['drill'] }), conduct: { isExternal: true } }
    const answer = await explained(three)
    expect(allowing(answer)).toEqual([])
    expect(answer.changes).toContainEqual({
      kind: 'rule',
      what: 'no rule young',
      effect: 'denied',
      policy: 'young',
    })
  })

  it('tries two at once where no single one is enough, and says how often it tried', async () => {
    const answer = await explained(standing({ trust: 1, halted: ['drill'] }))
    const what = 'context.halted empty instead of drill, and context.trust 700 or more instead of 1'
    expect(answer.changes[0]).toMatchObject({
      kind: 'pair',
      what,
      effect: 'allow',
      both: [
        { kind: 'fact', fact: 'context.halted', after: [] },
        { kind: 'fact', fact: 'context.trust', after: 700, direction: 'or more' },
      ],
    })
    expect(allowing(answer)).toEqual([what])
    expect(answer.tried?.pairs).toBeGreaterThan(0)
    expect((await explained(standing({ trust: 650 }))).tried?.pairs).toBe(0)
  })

  it('finds the role and the agreement that go together', async () => {
    const bare = {
      resource: 'state/prod/x',
      risk: 'critical',
      chain: [{ kind: 'user', id: 'eve', roles: [] }],
    } as const
    const answer = await explained(bare)
    expect(answer.sentence).toContain('no rule permits it, whoever agrees')
    expect(allowing(answer)).toContain('the role owner for eve, and the approval owner:1')
  })

  it('finds the roles of two who ask, and both halves of a condition', async () => {
    const chain = ['eve', 'mallory'].map((id) => ({ kind: 'user', id, roles: [] }) as const)
    expect(allowing(await explained({ chain }))).toEqual([
      'the role owner for eve, and the role owner for mallory',
    ])
    const either = `@id("all") permit (principal, action, resource);
      @id("either") forbid (principal, action, resource) when { context.autonomous || context.trust < 700 };`
    expect(allowing(await explained(standing({ autonomous: true, trust: 1 }), either))).toEqual([
      'context.autonomous false instead of true, and context.trust 700 or more instead of 1',
      'no rule either',
    ])
  })

  it('stays within its bounds, however many rules decide', async () => {
    const three = standing({ trust: 1, halted: ['drill'] })
    const many = [
      'a',
      'b',
      'c',
      'd',
      'e',
      'f',
      'g',
      'h',
      'i',
      'j',
      'k',
      'l',
      'm',
      'n',
      'o',
      'p',
      'q',
      'r',
      's',
      't',
    ]
    const rules = many.map(
      (word, at) => `@id("${word}") forbid (principal, action, resource)
      when { context.trust < ${900 - at * 9} && context.halted.contains("drill") && context.autonomous == false };
      @id("x${word}") forbid (principal, action, resource in Polity::Resource::"state/dev");`,
    )
    const vast = await explained(three, RULES + rules.join(''))
    expect(allowing(vast)).toEqual([])
    expect(vast.tried?.pairs).toBeLessThanOrEqual(64)
    expect(vast.tried?.singles).toBeLessThanOrEqual(264)
  })

  it('names the role that a permit asks for where none permits', async () => {
    const answer = await explained({ chain: [{ kind: 'user', id: 'eve', roles: [] }] })
    expect(answer.rules).toEqual([])
    expect(allowing(answer)).toEqual(['the role owner for eve'])
  })

  it('has nothing to add to what was allowed, and no rules for evidence that does not agree', async () => {
    expect((await explained({})).changes).toEqual([])
    const history = new KeptHistory()
    const gate = await gateOf(RULES)
    history.decide(gate, asked())
    history.tamper(0, (data) => Object.assign(data, { effect: 'denied' }))
    const [past] = await Array.fromAsync(pastDecisions(history.ports))
    const answer = past && (await explainDecision(past, history.ports, gate))
    expect(answer).toMatchObject({ rules: [], changes: [], remark: expect.stringContaining('effect') })
  })
})

describe('other rules', () => {
  async function lab() {
    const history = new KeptHistory()
    const gate = await gateOf(RULES)
    history.decide(gate, asked({ resource: 'state/dev' }))
    history.decide(gate, asked({ ...standing({ trust: 650 }), resource: 'state/dev' }))
    history.decide(gate, asked({ action: 'mirror.analyze@1', resource: 'mirror' }))
    return history
  }

  it('that are the same flip nothing', async () => {
    const { ports } = await lab()
    expect(await flipsUnder(pastDecisions(ports), await gateOf(RULES))).toMatchObject({
      looked: 3,
      flipped: 0,
    })
  })

  it('show who would be stopped and who would pass, by which rule', async () => {
    const { ports } = await lab()
    const candidate = await gateOf(`${RULES.replace('context.trust < 700', 'context.trust < 600')}
      @id("frozen") forbid (principal, action == Polity::Action::"mirror.analyze@1", resource);`)
    const flips = await flipsUnder(pastDecisions(ports), candidate, { flipsMax: 1 })
    expect(flips).toMatchObject({
      looked: 3,
      skipped: 0,
      flipped: 2,
      flips: [{ seq: 1, before: 'denied', after: 'allow', reasons: ['young'], nowReasons: ['owner'] }],
      byPolicy: [
        { name: 'frozen', stopped: 1, passed: 0 },
        { name: 'young', stopped: 0, passed: 1 },
      ],
      byActor: [{ name: 'user:alice', stopped: 1, passed: 1 }],
    })
    expect(joinFlips(flips, flips)).toMatchObject({ looked: 6, byActor: [{ stopped: 2, passed: 2 }] })
  })

  it('raise the risk anew from what the action declares', async () => {
    const { ports } = await lab()
    const candidate = await gateOf(`${RULES}
      @id("grave") @risk("critical") forbid (principal, action, resource in Polity::Resource::"state/dev");
      @id("ask") @obligation("owner:1") forbid (principal, action, resource)
        when { context.risk == "critical" } unless { context.approvals.contains("owner:1") };`)
    const flips = await flipsUnder(pastDecisions(ports), candidate)
    expect(flips.flips).toMatchObject([{ seq: 0, after: 'suspended', obligations: ['owner:1'] }])
  })

  it('skip what is not kept', async () => {
    const history = await lab()
    history.evidence.clear()
    expect(await flipsUnder(pastDecisions(history.ports), await gateOf(RULES))).toMatchObject({
      looked: 0,
      skipped: 3,
    })
  })
})
