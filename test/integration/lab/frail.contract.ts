// The contract of a module for tests whose actions leave a fact each, and of which the gate's sources can be broken.

import { command, query } from '../../../src/kernel/catalog/definition.ts'
import { entryType } from '../../../src/kernel/log/entry.ts'
import { view } from '../../../src/kernel/log/view.ts'
import { Closed, Integer, Name, Type } from '../../../src/kernel/schema/schema.ts'

export const Acted = entryType('frail.acted@1', { by: Type.String(), action: Type.String() })
export const Turned = entryType('frail.turned@1', { knob: Name })

/** What a source of the gate looks at, so that a test can change it under a decision. */
export const knobs = view<{ readonly turns: number }, typeof Turned>('frail.knobs', 1, {
  from: [Turned],
  keys: ({ data }) => [data.knob],
  fold: (row) => ({ turns: (row?.value.turns ?? 0) + 1 }),
})

const shared = {
  output: Closed({}),
  input: {
    note: Type.Optional(Type.String()),
    count: Type.Optional(Integer),
    tags: Type.Optional(Type.Array(Type.String())),
  },
  facts: ['note', 'count', 'tags'] as ('note' | 'count' | 'tags')[],
  resource: () => 'frail/thing',
}

export const act = command('frail.act@1', {
  ...shared,
  summary: 'Leaves a fact.',
  risk: 'low',
  effect: 'atomic',
})
export const actMore = command('frail.act-more@1', {
  ...shared,
  summary: 'Leaves a fact, at some risk.',
  risk: 'medium',
  effect: 'atomic',
})
export const actWorst = command('frail.act-worst@1', {
  ...shared,
  summary: 'Leaves a fact, at critical risk.',
  risk: 'critical',
  effect: 'atomic',
})
export const walk = command('frail.walk@1', {
  ...shared,
  summary: 'A run that leaves a fact.',
  risk: 'low',
  effect: 'idempotent',
})
export const look = query('frail.look@1', { ...shared, summary: 'Changes nothing.' })
export const turn = command('frail.turn@1', {
  summary: 'Turns a knob.',
  input: { knob: Name },
  output: Closed({}),
  risk: 'low',
  effect: 'atomic',
})
