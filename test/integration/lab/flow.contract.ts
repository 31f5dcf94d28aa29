// The contract of a module whose runs do what a test tells them.

import { command } from '../../../src/kernel/catalog/definition.ts'
import { entryType } from '../../../src/kernel/log/entry.ts'
import { Closed, Integer, Json, Private, Type } from '../../../src/kernel/schema/schema.ts'

export const Noted = entryType('flow.noted@1', { run: Type.String(), note: Type.String() })

const shared = {
  input: { mark: Type.Optional(Type.String()), secret: Type.Optional(Private(Json)) },
  output: Closed({ result: Private(Json) }),
  risk: 'low',
} as const

export const play = command('flow.play@1', { ...shared, summary: 'May repeat.', effect: 'idempotent' })
export const playOnce = command('flow.play-once@1', { ...shared, summary: 'Must not.', effect: 'once' })
export const part = command('flow.part@1', {
  ...shared,
  summary: 'What others ask for.',
  effect: 'idempotent',
})
export const versioned = command('flow.versioned@1', {
  ...shared,
  summary: 'Says under which code it began.',
  effect: 'idempotent',
  journal: 2,
})
export const atomically = command('flow.atomically@1', { ...shared, summary: '', effect: 'atomic' })
export const working = command('flow.working@1', { ...shared, summary: '', effect: 'working' })
export const counted = command('flow.counted@1', {
  summary: 'One commit.',
  input: { by: Integer },
  output: Closed({ sum: Integer }),
  risk: 'low',
  effect: 'atomic',
})
