// Budgets and rates: how much of what somebody may use in a window of time, and what is left of it.

import { command, noun, query } from '../catalog/definition.ts'
import { entryType } from '../log/entry.ts'
import { view } from '../log/view.ts'
import { Closed, Described, Integer, Name, type Static, Timestamp, Type } from '../schema/schema.ts'

/** Every decision looks through all of them. */
export const BUDGETS_MAX = 100
/** Of one budget; further ones are found by naming the principal. */
export const USES_SHOWN_MAX = 100

/** Names as whoever stands in a chain may have them, also whom only a program names: see `SubjectId` in outside/contract.ts. */
const Who = Type.String({
  pattern:
    '^(anyone|kind:(user|agent|service|component)|role:[a-z][a-z0-9-]*|(user|agent|service|component):[A-Za-z0-9][A-Za-z0-9._@+=|~-]*)$',
  maxLength: 160,
  description: 'anyone, kind:agent, role:NAME, or a principal such as agent:NAME',
})
const Actions = Type.String({
  pattern: '^[a-z][a-z0-9-]*(\\.[a-z0-9][a-z0-9-]*)*(@[1-9][0-9]*)?$',
  maxLength: 128,
  description: 'an action such as mail.send, or an area such as mail',
})
const Measure = Type.String({
  pattern: '^(count|cost|fact:[A-Za-z][A-Za-z0-9_]{0,63})$',
  description: 'count, cost (in cents), or fact:NAME for a whole number that the action states',
})
const Window = Type.Union([
  Type.Literal('minute'),
  Type.Literal('hour'),
  Type.Literal('day'),
  Type.Literal('total'),
])
export type Window = Static<typeof Window>

const FIELDS = {
  id: Name,
  who: Who,
  actions: Type.Optional(Actions),
  measure: Measure,
  limit: Integer,
  window: Window,
  isShared: Type.Boolean(),
  keepsFailed: Type.Boolean(),
}

export const BudgetSet = entryType('budget.set@1', FIELDS)
export const BudgetRemoved = entryType('budget.removed@1', { id: Name })

/** `isShared`: all whom it is about use one count. `keepsFailed`: a run that failed is not given back. */
export const Budget = noun('Budget', FIELDS)
export type Budget = Static<typeof Budget>

/** A budget in force; `epoch` is the entry from which on it counts. */
export interface BudgetInForce extends Budget {
  readonly epoch: number
}

/** The one row of `budgetsInForce`. */
export const BUDGETS_KEY = 'all'

/** All budgets by their ids, in one row, because every decision reads them. */
export const budgetsInForce = view<
  { readonly budgets: Readonly<Record<string, BudgetInForce>> },
  typeof BudgetSet | typeof BudgetRemoved
>('budgets.in-force', 1, {
  from: [BudgetSet, BudgetRemoved],
  keys: () => [BUDGETS_KEY],
  fold(row, { type, data, seq }) {
    const { [data.id]: before, ...others } = row?.value.budgets ?? {}
    if (type === BudgetRemoved.name) return { budgets: others }
    const set = data as Budget
    const epoch = before !== undefined && isSameCount(before, set) ? before.epoch : seq
    return { budgets: { ...others, [set.id]: { ...set, epoch } } }
  },
})

/** Whether what was counted before goes on to count: another limit does not forgive what was used. */
const isSameCount = (before: Budget, next: Budget): boolean =>
  before.measure === next.measure && before.window === next.window && before.isShared === next.isShared

export const putBudget = command('budgets.put@1', {
  summary: 'Sets how much somebody may use: actions, cents, or units of a fact, per window of time.',
  input: {
    id: Described(Name, 'a name for the budget'),
    who: Who,
    actions: Type.Optional(Actions),
    measure: Type.Optional(Described(Measure, 'count (default), cost in cents, or fact:NAME')),
    limit: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description: 'at most so much' }),
    window: Described(Window, 'minute, hour, day (all sliding), or total'),
    isShared: Type.Optional(
      Type.Boolean({ description: 'one count for all of them; default: each principal has its own' }),
    ),
    keepsFailed: Type.Optional(
      Type.Boolean({ description: 'what a failed run had reserved counts as used; default: given back' }),
    ),
  },
  output: Budget,
  errors: ['limit'],
  // Whoever may raise a limit is not limited.
  risk: 'critical',
  effect: 'atomic',
  resource: ({ id }) => `budgets/${id}`,
  facts: ['id', 'who', 'actions', 'measure', 'limit', 'window'],
  conduct: { changes: ['policy'] },
  cli: { positional: ['id', 'who', 'limit', 'window'] },
})

export const removeBudget = command('budgets.remove@1', {
  summary: 'Removes a budget; one of the same name begins to count anew.',
  input: { id: Name },
  output: Budget,
  errors: ['not-found'],
  // As `budgets.put`.
  risk: 'critical',
  effect: 'atomic',
  resource: ({ id }) => `budgets/${id}`,
  facts: ['id'],
  conduct: { changes: ['policy'] },
  cli: { positional: ['id'] },
})

const Use = Closed({
  /** `everybody` where the budget is shared. */
  principal: Type.String(),
  used: Integer,
  /** By runs that have not ended. */
  reserved: Integer,
  left: Integer,
  /** When the oldest of what counts begins to count no more; absent where nothing counts, or for ever. */
  resetsAt: Type.Optional(Timestamp),
})

export const BudgetState = noun('BudgetState', { ...FIELDS, uses: Type.Array(Use) })
export type BudgetState = Static<typeof BudgetState>

export const listBudgets = query('budgets.list@1', {
  summary: 'Budgets and rates, and what of each is used, reserved and left.',
  input: {
    principal: Type.Optional(
      Type.String({ minLength: 1, maxLength: 256, description: 'only what this principal uses: agent:NAME' }),
    ),
  },
  output: Closed({ items: Type.Array(BudgetState) }),
  risk: 'medium',
  http: { path: 'budgets' },
})
