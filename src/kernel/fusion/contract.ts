// What others may know about the fusion of signals: what is remembered of actions and resources, and the question for advice.

import { query } from '../catalog/definition.ts'
import { ActionFinished } from '../catalog/records.ts'
import type { Entry, PublicData } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Closed, Described, Integer, Timestamp, Type } from '../schema/schema.ts'
import { isKey } from '../store/store.ts'
import { countedActor } from '../trust/evidence.ts'

type Outcome = Omit<Entry<PublicData<typeof ActionFinished>>, 'seq'>

/** The last outcomes of one action, newest first. */
const OUTCOMES_MAX = 20
/** The last troubles of one resource, newest first. */
const TROUBLES_MAX = 8

/** `recent`: one letter per outcome, `d`one, `f`ailed or `u`nknown. */
export interface OutcomesRow {
  readonly recent: string
  readonly at: string
}

/** By action, of agents, components and services: people's acts leave no row. */
export const outcomes = view<OutcomesRow, typeof ActionFinished>('fusion.outcomes', 1, {
  from: [ActionFinished],
  keys: ({ actor, data: { action, status } }) =>
    status === 'cancelled' || countedActor(actor) === undefined ? [] : [action],
  fold: (row, { data: { status }, time }) => ({
    recent: (status.slice(0, 1) + (row?.value.recent ?? '')).slice(0, OUTCOMES_MAX),
    at: time,
  }),
})

export interface Trouble {
  readonly at: string
  readonly action: string
  readonly isUnknown: boolean
}

/** By resource, whoever acted: an act that failed, or of which nobody knows whether it happened. */
export const troubles = view<readonly Trouble[], typeof ActionFinished>('fusion.troubles', 1, {
  from: [ActionFinished],
  keys: (entry) => troubledResource(entry),
  fold: (row, { data: { action, status }, time }) =>
    [{ at: time, action, isUnknown: status === 'unknown' }, ...(row?.value ?? [])].slice(0, TROUBLES_MAX),
})

function troubledResource({ subject, data: { status, run, resource } }: Outcome): readonly string[] {
  if (status !== 'failed' && status !== 'unknown') return []
  const about = resource ?? (run === undefined ? subject : undefined)
  return about !== undefined && isKey(about) ? [about] : []
}

const Text = Type.String()
const AdviceWord = Type.Union([
  Type.Literal('execute'),
  Type.Literal('pause'),
  Type.Literal('reject'),
  Type.Literal('escalate'),
  Type.Literal('retry'),
  Type.Literal('rollback'),
])

export const askAdvice = query('gate.advice@1', {
  summary: 'What health, trust, quorum, learning and memory together advise about an act, and why.',
  input: {
    action: Type.String({
      pattern: '^[a-z][a-z0-9-]*(?:\\.[a-z][a-z0-9-]*)+(@[1-9][0-9]*)?$',
      maxLength: 128,
      description: 'an action such as state.put',
    }),
    resource: Type.Optional(
      Type.String({ minLength: 1, maxLength: 512, description: 'what it acts on, such as component/shop' }),
    ),
    principal: Type.Optional(
      Described(
        Type.String({ pattern: '^[a-z]+:[A-Za-z0-9][A-Za-z0-9._@-]*$', maxLength: 160 }),
        'who would act, such as component:shop; default: whoever asks',
      ),
    ),
  },
  output: Closed({
    action: Text,
    resource: Text,
    principal: Text,
    formula: Text,
    advice: AdviceWord,
    support: Type.Union([Integer, Type.Null()]),
    supportNeeded: Integer,
    coverage: Type.Number(),
    vetoes: Type.Array(Closed({ id: Text, advice: AdviceWord, reason: Text })),
    terms: Type.Array(
      Closed({
        id: Text,
        weight: Type.Number(),
        value: Type.Union([Type.Number(), Type.Null()]),
        reason: Text,
        /** When that was known. */
        asOf: Type.Optional(Timestamp),
      }),
    ),
  }),
  errors: ['name.unknown'],
  cli: { as: 'trust advice', positional: ['action', 'resource'] },
})
