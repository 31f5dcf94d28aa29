// Runs as others see them: what the log says of those that people steered, and the actions with which they do.

import { command, noun, Page, query } from '../catalog/definition.ts'
import { entryType } from '../log/entry.ts'
import { Closed, Described, Integer, Json, Private, Timestamp, Type } from '../schema/schema.ts'

const Text = Type.String()
const RunId = Described(
  Type.String({ minLength: 1, maxLength: 64, pattern: '^[0-9a-z-]+$' }),
  'the id of a run',
)
const Reason = Described(
  Type.String({ minLength: 1, maxLength: 1000 }),
  'why, in words that everybody may read: it is recorded as it is',
)
const StepName = Described(
  Type.String({ minLength: 1, maxLength: 640 }),
  'the name of a step, as `polity runs journal` shows it',
)
const SignalName = Described(
  Type.String({ minLength: 1, maxLength: 256, pattern: '^[^\\u0000-\\u001f\\u007f]+$' }),
  'the name of a signal: text without control characters',
)

export const RunPaused = entryType('run.paused@1', { run: Text, action: Text, reason: Type.Optional(Text) })
/** A paused or parked run goes on. */
export const RunResumed = entryType('run.resumed@1', { run: Text, action: Text, reason: Type.Optional(Text) })
/** It was asked to end; how it did is in its outcome. */
export const RunCancelled = entryType('run.cancelled@1', { run: Text, action: Text, reason: Text })
export const RunSignalled = entryType('run.signalled@1', {
  run: Text,
  action: Text,
  name: Text,
  payload: Type.Optional(Private(Json)),
})
/** It stopped before something that nobody should guess, and waits for a person. */
export const RunParked = entryType('run.parked@1', {
  run: Text,
  action: Text,
  reason: Text,
  step: Type.Optional(Text),
})
/** What a person found out about a step that may have happened. */
export const RunResolved = entryType('run.resolved@1', {
  run: Text,
  action: Text,
  step: Text,
  outcome: Type.Union([Type.Literal('done'), Type.Literal('failed')]),
  result: Type.Optional(Private(Json)),
})

/** `paused`: running, and held by a person before its next step. */
const Status = Type.Union([
  Type.Literal('running'),
  Type.Literal('paused'),
  Type.Literal('parked'),
  Type.Literal('done'),
  Type.Literal('failed'),
  Type.Literal('unknown'),
  Type.Literal('cancelled'),
])

export const RunState = noun('run', {
  run: Text,
  action: Text,
  status: Status,
  /** Who started it: `kind:id` joined by ` > `. */
  principal: Text,
  decision: Text,
  parent: Type.Optional(Text),
  startedAt: Timestamp,
  finishedAt: Type.Optional(Timestamp),
  deadline: Type.Optional(Timestamp),
  /** Why it is parked, and where; of an unknown one, which step may have happened. */
  reason: Type.Optional(Text),
  step: Type.Optional(Text),
  /** Code and sentence of its error. */
  code: Type.Optional(Text),
  message: Type.Optional(Text),
  notUndone: Type.Optional(Type.Array(Text)),
  /** What it has asked for and people have to agree to first; `runs.get` tells it. */
  waitsFor: Type.Optional(Type.Array(Closed({ action: Text, approval: Text }))),
  /** What became of word to the address that its caller named, whose newest attempt was `at`; `runs.get` tells it. */
  callback: Type.Optional(
    Closed({
      state: Type.Union([
        Type.Literal('waiting'),
        Type.Literal('due'),
        Type.Literal('delivered'),
        Type.Literal('failed'),
        Type.Literal('dropped'),
      ]),
      attempts: Integer,
      at: Type.Optional(Timestamp),
      answered: Type.Optional(Integer),
      error: Type.Optional(Text),
      next: Type.Optional(Timestamp),
    }),
  ),
  /** Digest of its journal, as in its outcome. */
  journal: Type.Optional(Text),
})

const StepState = Closed({
  name: Text,
  kind: Text,
  /** `running`: under way on the hub that answers. `waiting`: for a time, a signal, a run, people or its next attempt. */
  state: Type.Union([
    Type.Literal('running'),
    Type.Literal('started'),
    Type.Literal('waiting'),
    Type.Literal('done'),
    Type.Literal('failed'),
  ]),
  /** Attempts that have ended. */
  attempts: Integer,
  at: Type.Optional(Timestamp),
  until: Type.Optional(Timestamp),
  /** Under which people are asked, where it waits for them. */
  approval: Type.Optional(Text),
  result: Type.Optional(Private(Json)),
  code: Type.Optional(Text),
  message: Type.Optional(Text),
})

const steering = {
  output: RunState,
  risk: 'low',
  effect: 'atomic',
  resource: ({ run }: { run: string }) => `run/${run}`,
  facts: ['run'],
} as const

export const pause = command('runs.pause@1', {
  ...steering,
  summary: 'Holds a run before its next step, until it is resumed.',
  input: { run: RunId, reason: Type.Optional(Reason) },
  errors: ['run.not-found', 'run.finished', 'run.parked'],
  cli: { positional: ['run'] },
})

export const resume = command('runs.resume@1', {
  ...steering,
  summary: 'Lets a run go on that is paused or parked.',
  input: { run: RunId, reason: Type.Optional(Reason) },
  errors: ['run.not-found', 'run.finished'],
  cli: { positional: ['run'] },
})

export const cancel = command('runs.cancel@1', {
  ...steering,
  summary: 'Ends a run and those it has started: stops the step under way, then undoes what was done.',
  input: { run: RunId, reason: Reason },
  errors: ['run.not-found', 'run.finished'],
  isReserved: true,
  cli: { positional: ['run'] },
})

export const signal = command('runs.signal@1', {
  ...steering,
  summary: 'Tells a run what it waits for, or will wait for.',
  input: {
    run: RunId,
    name: SignalName,
    payload: Type.Optional(Described(Private(Json), 'what the signal carries; default null')),
  },
  errors: ['run.not-found', 'run.finished', 'run.limit', 'payload.too-large'],
  cli: { positional: ['run', 'name'] },
})

export const resolve = command('runs.resolve@1', {
  ...steering,
  summary: 'Says what became of a step that may have happened, so that its run goes on.',
  input: {
    run: RunId,
    step: StepName,
    result: Type.Optional(Described(Private(Json), 'what the step has answered, where it was done')),
    failed: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1000,
        description: 'the sentence with which the step fails, where it failed or was not done',
      }),
    ),
  },
  errors: ['run.not-found', 'run.own', 'run.finished', 'input.invalid', 'payload.too-large'],
  cli: { positional: ['run', 'step'] },
})

const PAGE_MAX = 200

export const list = query('runs.list@1', {
  summary: 'Runs, newest first: all for an owner, for others their own.',
  input: {
    status: Type.Optional(Described(Status, 'only runs of this status')),
    action: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 256,
        description: 'only runs of this action, such as mirror.analyze',
      }),
    ),
    principal: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 1024,
        description: 'only runs of this principal, as `polity runs get` shows it',
      }),
    ),
    after: Type.Optional(RunId),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: PAGE_MAX, description: 'how many at most; default 50' }),
    ),
  },
  output: Page(RunState),
  http: { path: 'runs' },
})

export const get = query('runs.get@1', {
  summary: 'One run: what it is doing, or what became of it.',
  input: { run: RunId },
  output: RunState,
  errors: ['run.not-found'],
  cli: { positional: ['run'] },
})

export const journal = query('runs.journal@1', {
  summary: 'The steps of a run in order, with their results.',
  input: {
    run: RunId,
    after: Type.Optional(Described(Integer, 'go on after this place, as the answer says')),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: PAGE_MAX, description: 'how many steps at most; default 100' }),
    ),
  },
  output: Closed({
    run: Text,
    status: Status,
    /** Digest over the whole journal as it stands now. */
    digest: Text,
    /** Whether that is the one in the outcome; absent while the run has none. */
    isAsRecorded: Type.Optional(Type.Boolean()),
    items: Type.Array(StepState),
    after: Type.Optional(Integer),
  }),
  errors: ['run.not-found'],
  cli: { positional: ['run'] },
})

export const replay = query('runs.replay@1', {
  summary: 'Carries a finished run through its code again with recorded results only, and compares.',
  input: { run: RunId },
  output: Closed({
    run: Text,
    isSame: Type.Boolean(),
    /** Recorded steps by which the code came. */
    steps: Integer,
    /** Where it departs first. */
    departure: Type.Optional(Closed({ step: Type.Optional(Text), sentence: Text })),
  }),
  errors: ['run.not-found', 'run.paused', 'erased'],
  cli: { positional: ['run'] },
})
