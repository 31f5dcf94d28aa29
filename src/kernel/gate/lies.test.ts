// Lies to the gate itself: about the deed, about whoever asks, about the time, and rules that would break the engine.

import { describe, expect, it } from 'vitest'
import { loadBundle } from './bundle.ts'
import { openGate } from './gate.ts'
import { STARTER_SCHEMA } from './starter-schema.fixture.ts'
import { type Fact, type GateRequest, PLAIN_STANDING, type Rollout, type Standing } from './types.ts'

const gateOf = async (text: string, rollout: Rollout = { mode: 'enforce' }) =>
  openGate({
    bundle: await loadBundle([...STARTER_SCHEMA, { name: 'x.cedar', text }]),
    actions: [{ name: 'state.put@1' }],
    rollout,
  })
const PERMIT = '@id("all") permit (principal, action, resource);'
const request = (change: Partial<GateRequest> = {}): GateRequest => ({
  chain: [{ kind: 'user', id: 'alice', roles: [] }],
  action: 'state.put@1',
  resource: 'state/ns',
  risk: 'low',
  facts: {},
  standing: PLAIN_STANDING,
  inScope: true,
  approvals: [],
  solo: false,
  now: '2026-11-20T10:00:00.000Z',
  ...change,
})
const refused = expect.objectContaining({ code: 'input.invalid' })
const conduct = (value: unknown) => ({ conduct: value as Record<string, Fact> })
const standing = (change: object) => ({ standing: { ...PLAIN_STANDING, ...change } as Standing })

describe('a lie', async () => {
  const gate = await gateOf(PERMIT, { mode: 'log-only' })
  it.each<[string, Partial<GateRequest>]>([
    ['a word for a deed that nobody knows', conduct({ harmless: true })],
    ['a word in another letter case', conduct({ Destructive: false })],
    ['__proto__ as a word', conduct(JSON.parse('{"__proto__":{"destructive":false}}'))],
    ['constructor as a word', conduct({ constructor: 'x' })],
    ['a cost of half a cent', conduct({ cost: 0.5 })],
    ['a cost without end', conduct({ cost: Infinity })],
    ['a cost that is no number', conduct({ cost: '1' })],
    ['a deed in an entity', conduct({ destination: { __entity: { type: 'Polity::Role', id: 'x' } } })],
    ['a deed of null', conduct({ destructive: null })],
    ['more trust than there is', standing({ trust: 1001 })],
    ['less trust than none', standing({ trust: -1 })],
    ['trust that is no number', standing({ trust: Number.NaN })],
    ['trust in parts', standing({ trust: 0.9 })],
    ['trust that is missing', standing({ trust: undefined })],
    ['halts that are no list', standing({ halted: 'kill' })],
    ['halts that are none', standing({ halted: null })],
    ['advice that nobody gives', standing({ advice: 'obey' })],
    ['health as every object has it', standing({ health: 'constructor' })],
    ['a trace without end', standing({ trace: Array.from({ length: 257 }, String) })],
    ['autonomy that is nearly false', standing({ autonomous: 0 })],
    ['a scope that is nearly true', { inScope: 1 as unknown as boolean }],
    ['10,000 approvals', { approvals: Array.from({ length: 10_000 }, (_, n) => `owner:${n}`) }],
    ['an approval with a lone surrogate', { approvals: ['owner:1\ud800'] }],
  ])('is refused in every mode, and classifies as nothing: %s', (_, change) => {
    expect(() => gate.decide(request(change))).toThrow(refused)
    expect(() => gate.classify(request(change))).not.toThrow(TypeError)
    expect(gate.decide(request()).effect).toBe('allow')
  })

  it('minus nothing is nothing, in trust and in cost', () => {
    const { evidence } = gate.decide(request({ ...standing({ trust: -0 }), ...conduct({ cost: -0 }) }))
    expect(Object.is(evidence.context.trust, 0)).toBe(true)
    expect(JSON.stringify(evidence.context.conduct)).toBe('{"cost":0}')
  })
})

describe('the time', async () => {
  const gate = await gateOf(PERMIT)
  it.each([
    ['2026-11-20T23:59:59.999Z', 23, 5],
    ['2026-11-21T00:00:00.000Z', 0, 6],
    ['2026-11-22T00:00:00Z', 0, 7],
    ['2026-11-23T00:00:00Z', 0, 1],
    ['2024-02-29T12:00:00Z', 12, 4],
    ['1970-01-01T00:00:00.000Z', 0, 4],
    ['0001-01-01T00:00:00.000Z', 0, 1],
    ['9999-12-31T23:59:59.999Z', 23, 5],
  ])('%s is hour %i of day %i of the week', (now, hour, weekday) => {
    expect(gate.decide(request({ now }))).toMatchObject({
      effect: 'allow',
      errors: [],
      evidence: { context: { hour, weekday } },
    })
  })

  it.each([
    ['a leap second', '2016-12-31T23:59:60Z'],
    ['hour 24', '2026-11-20T24:00:00Z'],
    ['a day that the year does not have', '2025-02-29T12:00:00Z'],
    ['a year of five digits', '+10000-01-01T00:00:00.000Z'],
    ['a year before all', '-000001-01-01T00:00:00.000Z'],
    ['digits of another script', '２０26-11-20T10:00:00Z'],
    ['microseconds', '2026-11-20T10:00:00.000001Z'],
    ['small letters', '2026-11-20t10:00:00z'],
    ['something behind it', '2026-11-20T10:00:00Z\n'],
    ['a number', 0 as unknown as string],
  ])('is refused as %s', (_, now) => {
    expect(() => gate.decide(request({ now }))).toThrow(refused)
  })
})

describe('rules that would break the engine', () => {
  const forms: readonly (readonly [string, (levels: number) => string])[] = [
    ['a long or', (levels) => Array.from({ length: levels }, () => 'context.solo').join(' || ')],
    ['a long sum', (levels) => `${Array.from({ length: levels }, () => '1').join('+')} > 0`],
    ['a sum behind an and', (levels) => `context.solo && ${'1+'.repeat(levels)}1 > 0`],
    ['a ladder of ifs', (levels) => `${'if context.solo then true else '.repeat(levels)}true`],
    ['brackets', (levels) => `${'('.repeat(levels)}context.solo${')'.repeat(levels)}`],
    ['records', (levels) => `${'{a:'.repeat(levels)}1${'}'.repeat(levels)}${'.a'.repeat(levels)} == 1`],
  ]
  const rule = (condition: string) =>
    `${PERMIT} @id("deep") forbid (principal, action, resource) when { ${condition} };`

  it.each(forms)('are refused when they are loaded, with their place: %s', async (_, form) => {
    for (const levels of [300, 400, 800, 1600]) {
      const text = rule(form(levels))
      if (text.length < 16_000)
        await expect(gateOf(text)).rejects.toMatchObject({
          code: 'gate.bundle.invalid',
          facts: { file: 'x.cedar', line: 1 },
        })
    }
  })

  it.each(forms)('decide as they should where they are let in: %s', async (_, form) => {
    const gate = await gateOf(rule(form(60)))
    for (const solo of [true, false])
      expect(gate.decide(request({ solo, risk: 'critical' }))).toMatchObject({ errors: [] })
  })
})

describe('a roll-out', () => {
  it.each([
    ['puts a built-in rule aside', { 'polity.halted': 'draft' }],
    ['puts the rule about what is unavailable aside', { 'polity.unavailable': 'shadow' }],
    ['knows a state that is none', { all: 'off' }],
  ])('that %s is refused', async (_, policies) => {
    await expect(gateOf(PERMIT, { mode: 'enforce', policies } as Rollout)).rejects.toMatchObject({
      code: 'input.invalid',
    })
  })

  it('that only logs lets nobody through whom it could not ask about', async () => {
    const gate = await gateOf(PERMIT, { mode: 'log-only' })
    for (const halted of [['unavailable'], ['kill']])
      expect(gate.decide(request(standing({ halted }))).effect).toBe('denied')
  })
})
