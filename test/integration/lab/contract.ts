// The contract of a module that exists for tests: counters, runs of steps, and actions that go wrong on purpose.

import { command } from '../../../src/kernel/catalog/definition.ts'
import { entryType } from '../../../src/kernel/log/entry.ts'
import { view } from '../../../src/kernel/log/view.ts'
import { Closed, Integer, Name, Private, Type } from '../../../src/kernel/schema/schema.ts'

const Text = Type.String({ maxLength: 100_000 })

export const Counted = entryType('lab.counted@1', { counter: Name, seen: Integer })
export const Stepped = entryType('lab.stepped@1', {
  run: Type.String(),
  step: Type.String(),
  body: Private(Text),
})
export const Ended = entryType('lab.ended@1', { run: Type.String() })

export const counters = view<{ readonly count: number }, typeof Counted>('lab.counters', 1, {
  from: [Counted],
  keys: ({ data }) => [data.counter],
  fold: (row) => ({ count: (row?.value.count ?? 0) + 1 }),
})

/** How often each step of each run was recorded: 1, or something is wrong. */
export const stepped = view<{ readonly times: number }, typeof Stepped>('lab.stepped', 1, {
  from: [Stepped],
  keys: ({ data }) => [`${data.run}/${data.step}`],
  fold: (row) => ({ times: (row?.value.times ?? 0) + 1 }),
})

export const increment = command('lab.increment@1', {
  summary: 'Counts one up.',
  input: { counter: Name },
  output: Closed({ count: Integer }),
  risk: 'low',
  effect: 'atomic',
  resource: ({ counter }) => `lab/${counter}`,
  facts: ['counter'],
})

/** Records a fact and then fails. */
export const stumble = command('lab.stumble@1', {
  summary: 'Fails after it has recorded.',
  input: { counter: Name },
  output: Closed({}),
  risk: 'low',
  effect: 'atomic',
})

export const danger = command('lab.danger@1', {
  summary: 'Needs an owner.',
  input: { note: Text },
  output: Closed({ note: Text }),
  risk: 'critical',
  effect: 'atomic',
})

export const keep = command('lab.keep@1', {
  summary: 'Answers a secret that no entry holds.',
  input: { secret: Private(Text) },
  output: Closed({ secret: Private(Text) }),
  risk: 'low',
  effect: 'atomic',
})

const workInput = {
  steps: Type.Integer({ minimum: 0, maximum: 100 }),
  secret: Type.Optional(Private(Text)),
  /** The step whose body throws. */
  failAt: Type.Optional(Integer),
}
const workOutput = Closed({ total: Integer, secret: Private(Text) })

export const work = command('lab.work@1', {
  summary: 'Takes steps that may repeat.',
  input: workInput,
  output: workOutput,
  risk: 'low',
  effect: 'idempotent',
})

export const workOnce = command('lab.work-once@1', {
  summary: 'Takes steps that must never repeat.',
  input: workInput,
  output: workOutput,
  risk: 'low',
  effect: 'once',
})

export const delegate = command('lab.delegate@1', {
  summary: 'Has two other actions do its work, as often as asked for.',
  input: { counter: Name, times: Type.Optional(Integer) },
  output: Closed({ count: Integer, total: Integer }),
  risk: 'low',
  effect: 'idempotent',
})
