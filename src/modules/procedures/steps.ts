// What a procedure is made of: steps by kind, references, conditions, and the bounds of them all.

import { Closed, Described, Json, type Static, Type } from '../../kernel/schema/schema.ts'

/** Canonical JSON of a definition; it has to fit into an entry of the log. */
export const DEFINITION_SIZE_MAX_BYTES = 49_152
/** Steps of a procedure, nested ones included. */
export const STEPS_MAX = 200
/** Blocks inside each other. */
export const DEPTH_MAX = 5
const BRANCHES_MAX = 16
/** Items of one foreach. */
export const ITEMS_MAX = 1_000
export const WAIT_MAX_MS = 400 * 24 * 3600_000
const CONDITIONS_MAX = 32
const NAME_MAX = 40

export const StepName = Type.String({
  pattern: `^[A-Za-z][A-Za-z0-9_-]{0,${NAME_MAX - 1}}$`,
  description: `a name of 1 to ${NAME_MAX} letters, digits, _ and -, starting with a letter`,
})

/** `area.verb`, with or without its major version. */
const ActionName = Type.String({
  pattern: '^[a-z][a-z0-9-]*(?:\\.[a-z][a-z0-9-]*)+(?:@[1-9][0-9]*)?$',
  maxLength: 128,
  description: 'the name of an action, such as state.put',
})

const Milliseconds = Type.Integer({ minimum: 0, maximum: WAIT_MAX_MS })
const TimeoutMs = Type.Integer({ minimum: 1, maximum: WAIT_MAX_MS })

const Retry = Closed({
  attemptsMax: Type.Integer({ minimum: 1, maximum: 100 }),
  baseMs: Milliseconds,
  capMs: Milliseconds,
})

const Undo = Closed({ action: ActionName, input: Type.Optional(Json) })

const Shared = {
  name: StepName,
  onError: Type.Optional(Type.Union([Type.Literal('fail'), Type.Literal('continue')])),
}
const Tried = {
  ...Shared,
  retry: Type.Optional(Retry),
  timeoutMs: Type.Optional(TimeoutMs),
}

/** Nested steps stand here as any JSON: they are checked one by one, each by the schema of its own kind. */
const Steps = Type.Array(Json, { maxItems: STEPS_MAX })

/** Named here because an object with a `then` of its own is often a mistake; this one holds a list and no function. */
const THEN = 'then'

/** One closed schema per kind. Any value of `Json` type may hold references. */
export const STEP_SCHEMAS = {
  action: Closed({
    kind: Type.Literal('action'),
    ...Tried,
    action: ActionName,
    input: Type.Optional(Json),
    undo: Type.Optional(Undo),
  }),
  query: Closed({ kind: Type.Literal('query'), ...Tried, query: ActionName, input: Type.Optional(Json) }),
  wait: Closed({
    kind: Type.Literal('wait'),
    ...Shared,
    forMs: Type.Optional(Json),
    until: Type.Optional(Json),
  }),
  signal: Closed({
    kind: Type.Literal('signal'),
    ...Shared,
    signal: Type.Optional(StepName),
    timeoutMs: Type.Optional(TimeoutMs),
  }),
  parallel: Closed({
    kind: Type.Literal('parallel'),
    ...Shared,
    branches: Type.Record(StepName, Steps, { minProperties: 1, maxProperties: BRANCHES_MAX }),
  }),
  foreach: Closed({
    kind: Type.Literal('foreach'),
    ...Shared,
    items: Json,
    steps: Steps,
    concurrencyMax: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
  }),
  condition: Closed({
    kind: Type.Literal('condition'),
    ...Shared,
    if: Json,
    [THEN]: Steps,
    else: Type.Optional(Steps),
  }),
  procedure: Closed({
    kind: Type.Literal('procedure'),
    ...Tried,
    procedure: StepName,
    input: Type.Optional(Json),
  }),
} as const

export type StepKind = keyof typeof STEP_SCHEMAS

export type StepOf<K extends StepKind> = Static<(typeof STEP_SCHEMAS)[K]>
export type Step = { readonly [K in StepKind]: StepOf<K> }[StepKind]
/** Nested steps, once they have been checked. */
export const stepsOf = (checked: readonly unknown[]): readonly Step[] => checked as readonly Step[]

export const Definition = Closed({
  name: StepName,
  summary: Type.Optional(Type.String({ maxLength: 500 })),
  inputs: Type.Optional(
    Described(Type.Array(StepName, { maxItems: 64 }), 'the names of its inputs; absent: any input is taken'),
  ),
  steps: Steps,
  output: Type.Optional(Json),
})
export type Definition = Static<typeof Definition>

const Reference = Type.String({
  pattern: '^(?:/[^\\u0000-\\u001f]*)+$',
  maxLength: 512,
  description: 'an RFC 6901 pointer such as /input/x or /steps/check/output',
})

/** What a condition may be: exactly one of these. */
export const CONDITION_SCHEMAS = {
  comparison: Closed({
    ref: Reference,
    is: Type.Union(['=', '!=', '<', '<=', '>', '>=', 'in'].map((word) => Type.Literal(word))),
    value: Json,
  }),
  exists: Closed({ ref: Reference, is: Type.Literal('exists') }),
  all: Closed({ all: Type.Array(Json, { minItems: 1, maxItems: CONDITIONS_MAX }) }),
  any: Closed({ any: Type.Array(Json, { minItems: 1, maxItems: CONDITIONS_MAX }) }),
  not: Closed({ not: Json }),
} as const

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>=' | 'in'
export type Condition =
  | { readonly ref: string; readonly is: Comparison; readonly value: unknown }
  | { readonly ref: string; readonly is: 'exists' }
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
