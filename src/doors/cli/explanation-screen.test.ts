// Whatever there is to say of a decision, it fits on one screen, begins with what matters, and says what it leaves out.

import { describe, expect, it } from 'vitest'
import { screenLines } from './explanation-screen.ts'
import type { ShownChange, ShownExplanation, ShownRule } from './explanation-words.ts'
import { textWidth } from './text-width.ts'

const ID = '01a1fd11-c9b8-7000-a8d0-f639296ca368'
const LONG = 'a sentence of very many words that goes on and on, '.repeat(20)
const rule = (id: string, more: Partial<ShownRule> = {}): ShownRule => ({
  id,
  part: 'decides',
  text: 'forbid (\n'.repeat(40),
  place: 'limits.cedar:1:1',
  description: LONG,
  facts: [
    { fact: 'context.trust', value: 1 },
    { fact: 'context.trace', value: Array.from({ length: 30 }, () => 'read:secret') },
  ],
  ...more,
})
const explained = (more: Partial<ShownExplanation> = {}): ShownExplanation => ({
  ...{ seq: 4, decision: ID, time: '2026-01-05T10:00:00.000Z', actor: 'agent:bot', action: 'state.put@1' },
  ...{ resource: 'state', effect: 'denied', sentence: 'agent "bot" may not', mode: 'enforce', modeBy: 'hub' },
  ...{ risk: 'high', declaredRisk: 'low', raisedBy: [], shadow: [], solo: false, errors: [], count: 1 },
  ...{ approvals: { owed: [], given: [] }, rules: [], changes: [], tried: { singles: 3, pairs: 2 } },
  ...more,
})
const many = <Item>(count: number, of: (at: number) => Item) =>
  Array.from({ length: count }, (_, at) => of(at))
const changes = (count: number, effect: string): ShownChange[] =>
  many(count, (at) => ({ what: `change ${at} ${LONG}`, effect }))

describe('one screen', () => {
  const everything = explained({
    ...{
      sentence: LONG,
      raisedBy: many(9, (at) => `raising-${at}`),
      shadow: many(9, (at) => `hidden-${at}`),
    },
    ...{
      errors: [LONG, LONG],
      count: 12,
      solo: true,
      approval: ID,
      run: ID,
      resource: LONG,
      mode: 'log-only',
    },
    ...{ approvals: { owed: [LONG], given: [LONG] }, modeBy: 'action:state', wouldEffect: 'suspended' },
    rules: many(32, (at) => rule(`rule-${at}`)),
    changes: [...changes(12, 'allow'), ...changes(12, 'denied')],
  })
  it.each([
    ['everything at once', everything],
    ['many rules', explained({ rules: many(32, (at) => rule(`rule-${at}`)) })],
    ['many changes', explained({ changes: changes(24, 'allow') })],
    ['nothing but a remark', explained({ remark: LONG, sentence: LONG })],
    ['nothing', explained()],
  ])('holds %s', (_, shown) => {
    for (const width of [20, 40, 80, 200]) {
      const lines = screenLines(shown, width)
      expect(lines.length).toBeLessThan(24)
      for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width)
      expect(lines.join('')).toContain(width < 60 ? ID.slice(0, 8) : `${ID} (entry 4)`)
    }
  })

  it('shows a rule, a change, and how much it leaves out, however much there is', () => {
    const text = screenLines(everything, 80).join('\n')
    expect(text).toMatch(/^rule-0 decides/m)
    expect(text).toMatch(/^allow with change 0/m)
    expect(text).toMatch(
      /^--all also shows \d+ rules, 32 texts of rules, \d+ changes, 12 changes that would/m,
    )
  })

  it('begins with what nobody can lift, and ends with what is beside it', () => {
    const rules = [
      rule('hidden', { part: 'stands in the shadow' }),
      rule('grave', { part: 'raises the risk' }),
      rule('asking', { obligation: 'owner:1' }),
      rule('lasting'),
    ]
    const heads = screenLines(explained({ rules }), 80).filter((line) =>
      /^\w+ (decides|raises|stands)/.test(line),
    )
    expect(heads.map((line) => line.split(' ')[0])).toEqual(['lasting', 'asking', 'grave', 'hidden'])
  })

  it('shows what helps before what helps a little, and says when nothing lets it pass', () => {
    const vain = screenLines(
      explained({ changes: [...changes(1, 'denied'), ...changes(1, 'suspended')] }),
      80,
    )
    expect(vain).toContain('nothing that was tried would let it pass (3 single changes, 2 pairs of them)')
    expect(vain.find((line) => line.includes(' with '))).toMatch(/^suspended with/)
    expect(vain.at(-1)).toBe('--all also shows 1 change that would not help')
    const helped = screenLines(
      explained({ changes: [...changes(1, 'suspended'), ...changes(1, 'allow')] }),
      80,
    )
    expect(helped.join('\n')).not.toContain('nothing that was tried')
    expect(helped.find((line) => line.includes(' with '))).toMatch(/^allow with/)
    expect(screenLines(explained({ effect: 'allow', changes: [] }), 80).join('\n')).not.toContain('nothing')
  })

  it('leaves no control character in what others wrote', () => {
    const evil = '\u001b[31mred\u202e'
    const lines = screenLines(
      explained({
        sentence: evil,
        errors: [evil],
        rules: [rule(evil)],
        changes: [{ what: evil, effect: 'allow' }],
      }),
      undefined,
    )
    for (const control of ['\u001b', '\u202e']) expect(lines.join('')).not.toContain(control)
  })
})
