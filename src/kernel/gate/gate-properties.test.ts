// What holds under any rules, for any request, however far they are rolled out.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bundle, loadBundle } from './bundle.ts'
import { type Gate, openGate } from './gate.ts'
import {
  forbidding,
  permitting,
  RANDOM_ACTIONS,
  type RandomRule,
  RISKS,
  randomRequest,
  randomRollout,
  randomRule,
  riskRule,
  textOf,
} from './random-rules.fixture.ts'
import { STARTER_SCHEMA } from './starter-schema.fixture.ts'
import type { Effect, GateRequest, Mode, Risk, Rollout, Verdict } from './types.ts'

/** Loading rules is what takes the time, so each are asked much. */
const RUNS = { numRuns: 30 }
const TIMEOUT_MS = 120_000
const bundleOf = (texts: readonly string[]): Promise<Bundle> =>
  loadBundle([...STARTER_SCHEMA, { name: 'x.cedar', text: texts.join('\n') }])
const [one, two] = await Promise.all(
  ['one', 'two'].map(async () => openGate({ bundle: await bundleOf([]), actions: RANDOM_ACTIONS })),
)

/** As the catalog asks: classified first, then decided at the risk that was found. */
const decided = (gate: Gate, request: GateRequest): Verdict =>
  gate.decide({ ...request, ...gate.classify({ ...request, solo: false }) })

const LENIENCE: readonly Effect[] = ['denied', 'suspended', 'allow']
const lenience = ({ effect }: Verdict): number => LENIENCE.indexOf(effect)

const named = (rules: readonly RandomRule[]): string[] =>
  rules.map((rule, index) => textOf(`r${index}`, rule))
const someRules = fc.array(
  fc.oneof({ weight: 4, arbitrary: randomRule }, { weight: 1, arbitrary: riskRule }),
  {
    maxLength: 6,
  },
)
/** Most requests are permitted by something, so that what stops them shows. */
const BASE = [
  '@id("p-low") permit (principal, action, resource) when { context.risk == "low" || context.risk == "medium" };',
  '@id("p-owner") permit (principal in Polity::Role::"owner", action, resource);',
  '@id("owed") @obligation("owner:1") forbid (principal, action, resource) when { context.risk == "critical" } unless { context.approvals.contains("owner:1") };',
]
const requests = fc.array(randomRequest, { minLength: 8, maxLength: 16 })

/** Both decide the same requests under rules that differ. */
async function verdictsOf(
  rollout: Rollout,
  asked: readonly GateRequest[],
  before: readonly string[],
  after: readonly string[],
): Promise<readonly (readonly [Verdict, Verdict])[]> {
  if (one === undefined || two === undefined) throw new Error('no gates')
  one.load(await bundleOf(before), RANDOM_ACTIONS, rollout)
  two.load(await bundleOf(after), RANDOM_ACTIONS, rollout)
  return asked.map((request) => [decided(one, request), decided(two, request)])
}

describe('rules can only be made stricter', { timeout: TIMEOUT_MS }, () => {
  const seen = new Set<string>()
  it('by another forbid, whatever it is marked with: nothing that was stopped is let through', async () => {
    await fc.assert(
      fc.asyncProperty(
        someRules,
        randomRule,
        randomRollout,
        requests,
        async (rules, more, rollout, asked) => {
          const texts = [...BASE, ...named(rules)]
          const added = [...texts, textOf('added', forbidding(more))]
          for (const [before, after] of await verdictsOf(rollout, asked, texts, added)) {
            if (after.effect === 'allow') expect(before.effect).toBe('allow')
            expect(after.risk).toEqual(before.risk)
            seen.add(`${before.effect} ${after.effect}`)
          }
        },
      ),
      // The same ones each time, so that every kind is certainly among them.
      { numRuns: 50, seed: 20261120 },
    )
    expect([...seen]).toEqual(expect.arrayContaining(['allow denied', 'allow suspended', 'denied denied']))
  })

  it('by a permit less', async () => {
    const permit = randomRule.map(permitting)
    await fc.assert(
      fc.asyncProperty(someRules, permit, randomRollout, requests, async (rules, less, rollout, asked) => {
        const texts = [...BASE.slice(1), ...named(rules)]
        const removed = [...texts, textOf('removed', less)]
        for (const [before, after] of await verdictsOf(rollout, asked, removed, texts))
          expect(lenience(after)).toBeLessThanOrEqual(lenience(before))
      }),
      RUNS,
    )
  })

  it('by a rule that raises the risk, where no rule asks for more of it', async () => {
    const upTo = (risk: Risk) => RISKS.slice(0, RISKS.indexOf(risk) + 1)
    const anyOf = (risks: readonly string[]) => risks.map((risk) => `context.risk == "${risk}"`).join(' || ')
    const monotone = fc
      .tuple(randomRule, fc.constantFrom(...RISKS))
      .map(([rule, risk]) =>
        rule.effect === 'permit'
          ? { ...rule, when: anyOf(upTo(risk)) }
          : { ...rule, when: anyOf(RISKS.filter((each) => each === risk || !upTo(risk).includes(each))) },
      )
    await fc.assert(
      fc.asyncProperty(
        fc.array(monotone, { maxLength: 6 }),
        riskRule,
        randomRollout,
        requests,
        async (rules, raising, rollout, asked) => {
          const texts = [...BASE, ...named(rules)]
          const raised = [...texts, textOf('raising', raising)]
          for (const [before, after] of await verdictsOf(rollout, asked, texts, raised)) {
            if (after.effect === 'allow') expect(before.effect).toBe('allow')
            expect(RISKS.indexOf(after.risk.risk)).toBeGreaterThanOrEqual(RISKS.indexOf(before.risk.risk))
          }
        },
      ),
      RUNS,
    )
  })
})

describe('whatever the rules', { timeout: TIMEOUT_MS }, () => {
  const eachVerdict = (
    check: (verdict: Verdict, request: GateRequest, gate: Gate) => void,
    how = randomRollout,
  ) =>
    fc.assert(
      fc.asyncProperty(someRules, how, requests, async (rules, rollout, asked) => {
        if (one === undefined) throw new Error('no gate')
        one.load(await bundleOf([...BASE, ...named(rules)]), RANDOM_ACTIONS, rollout)
        for (const request of asked) check(decided(one, request), request, one)
      }),
      RUNS,
    )

  it('their order, and which file they stand in, changes not one byte of a verdict', async () => {
    await fc.assert(
      fc.asyncProperty(
        someRules.chain((rules) =>
          fc.tuple(fc.constant(named(rules)), fc.shuffledSubarray(named(rules), { minLength: rules.length })),
        ),
        fc.nat(6),
        randomRollout,
        requests,
        async ([texts, turned], cut, rollout, asked) => {
          if (two === undefined) throw new Error('no gate')
          const straight = await verdictsOf(rollout, asked, [...BASE, ...texts], [])
          const files = [
            { name: 'z.cedar', text: turned.slice(0, cut).join('\n\n') },
            { name: 'a.cedar', text: [...turned.slice(cut), ...BASE].reverse().join(' ') },
          ]
          two.load(await loadBundle([...files, ...STARTER_SCHEMA]), RANDOM_ACTIONS, rollout)
          for (const [index, request] of asked.entries())
            expect(JSON.stringify(decided(two, request))).toBe(JSON.stringify(straight[index]?.[0]))
        },
      ),
      RUNS,
    )
  })

  it('one that only logs stops nobody, save by what is inviolable', async () => {
    await eachVerdict(
      (verdict, _, gate) => {
        const stops = verdict.reasons.filter((id) => gate.bundle.policies.get(id)?.inviolable)
        if (stops.length === 0) expect(verdict.effect).toBe('allow')
        else expect(verdict.wouldEffect ?? verdict.effect).not.toBe('allow')
      },
      fc.constant({ mode: 'log-only' }),
    )
  })

  it('the risk is never below what the action declares, and unclassified is high', async () => {
    await eachVerdict(({ risk }, { risk: declared = 'high' }) => {
      expect(risk.declaredRisk).toBe(declared)
      expect(RISKS.indexOf(risk.risk)).toBeGreaterThanOrEqual(RISKS.indexOf(declared))
      if (risk.risk !== declared) expect(risk.raisedBy).not.toEqual([])
    })
  })

  it('nobody gains by acting through another: what a chain may, each of its links may', async () => {
    await eachVerdict((verdict, request, gate) => {
      const { mode, share } = gate.rollout
      if (mode !== 'enforce' || share !== undefined || verdict.effect !== 'allow') return
      for (const link of request.chain)
        expect(decided(gate, { ...request, chain: [link] }).effect).toBe('allow')
    })
  })

  it('a draft or a rule in the shadow changes nothing but what is told of it', async () => {
    const aside = fc
      .tuple(fc.oneof(randomRule, riskRule), fc.constantFrom('shadow' as const, 'draft' as const))
      .map(([rule, state]) => ({ ...rule, state }))
    await fc.assert(
      fc.asyncProperty(someRules, aside, randomRollout, requests, async (rules, more, rollout, asked) => {
        const texts = [...BASE, ...named(rules)]
        for (const [before, after] of await verdictsOf(rollout, asked, texts, [
          ...texts,
          textOf('aside', more),
        ])) {
          const { shadow, evidence, ...rest } = after
          expect({ ...rest, shadow: shadow.filter((id) => id !== 'aside') }).toEqual({
            ...before,
            shadow: before.shadow,
            evidence: undefined,
          })
          expect(evidence).toEqual({ ...before.evidence, bundle: evidence.bundle })
        }
      }),
      RUNS,
    )
  })

  it('a more lenient mode, or a smaller share, stops nobody more', async () => {
    const MODES: readonly Mode[] = ['enforce', 'enforce-critical', 'log-only']
    await fc.assert(
      fc.asyncProperty(
        someRules,
        requests,
        fc.constantFrom('principal' as const, 'request' as const),
        async (rules, asked, by) => {
          if (one === undefined) throw new Error('no gate')
          const bundle = await bundleOf([...BASE, ...named(rules)])
          const shares = [100, 60, 30, 0].map((percent) => ({
            mode: 'enforce' as const,
            share: { percent, by, seed: 's' },
          }))
          for (const ladder of [MODES.map((mode) => ({ mode })), shares]) {
            const steps = ladder.map((rollout) => {
              one.load(bundle, RANDOM_ACTIONS, rollout)
              return asked.map((request) => lenience(decided(one, request)))
            })
            for (const [index, step] of steps.entries())
              for (const [at, value] of step.entries())
                expect(value).toBeGreaterThanOrEqual(steps[index - 1]?.[at] ?? 0)
          }
        },
      ),
      RUNS,
    )
  })

  it('what was decided before has no say: a gate that has seen much decides as one that has seen nothing', async () => {
    await fc.assert(
      fc.asyncProperty(someRules, randomRollout, requests, async (rules, rollout, asked) => {
        if (one === undefined || two === undefined) throw new Error('no gates')
        const bundle = await bundleOf([...BASE, ...named(rules)])
        one.load(bundle, RANDOM_ACTIONS, rollout)
        const busy = [...asked, ...[...asked].reverse()].map((request) => decided(one, request))
        for (const [index, request] of asked.entries()) {
          two.load(bundle, RANDOM_ACTIONS, rollout)
          expect(busy[index]).toEqual(decided(two, request))
          expect(busy.at(-1 - index)).toEqual(busy[index])
        }
      }),
      { numRuns: 8 },
    )
  })
})
