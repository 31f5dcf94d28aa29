// The contract of a module whose actions say what they do: read a secret, send something outside, cost something.

import { command, query } from '../../../src/kernel/catalog/definition.ts'
import { Closed, Integer, Type } from '../../../src/kernel/schema/schema.ts'

const Done = Closed({})
const low = { output: Done, risk: 'low' } as const

export const readSecret = query('deeds.read-secret@1', {
  ...low,
  summary: 'Reads a secret.',
  input: {},
  conduct: { data: ['secret'] },
})
export const readPublic = query('deeds.read-public@1', {
  ...low,
  summary: 'Reads what everybody may.',
  input: {},
  conduct: { data: ['public'] },
})
export const readMore = query('deeds.read-more@1', {
  ...low,
  summary: 'Of some risk.',
  input: {},
  risk: 'medium',
})
export const send = command('deeds.send@1', {
  ...low,
  summary: 'Sends something outside.',
  input: {},
  effect: 'atomic',
  conduct: { isExternal: true },
})
export const rotate = command('deeds.rotate@1', {
  ...low,
  summary: 'Changes credentials, and something nobody has a word for.',
  input: {},
  effect: 'atomic',
  conduct: { changes: ['credentials', 'whatever'] },
})
export const spend = command('deeds.spend@1', {
  ...low,
  summary: 'Costs five.',
  input: {},
  effect: 'atomic',
  conduct: { cost: 5 },
})
export const copy = command('deeds.copy@1', {
  ...low,
  summary: 'A run that takes units, and fails if it is told to.',
  input: { units: Integer, isFailing: Type.Optional(Type.Boolean()) },
  effect: 'idempotent',
  facts: ['units'],
})
export const leak = command('deeds.leak@1', {
  ...low,
  summary: 'A run that reads a secret and then sends.',
  input: {},
  effect: 'idempotent',
})
