// What a decision takes of which budgets: pure functions of the budgets, the question and the counts.

import { isInScope } from '../catalog/decide.ts'
import { areaOf } from '../catalog/definition.ts'
import type { StandingQuestion } from '../catalog/standing.ts'
import type { Principal } from '../gate/types.ts'
import { type CountRow, sumOf } from '../log/count.ts'
import { principalKey } from '../principal-key.ts'
import type { Budget, BudgetInForce, Window } from './contract.ts'

/**
 * Windows slide in slices. Everything counts that may be younger than the window, so that no stretch of that length,
 * wherever it begins, holds more than the limit; in return a unit counts for up to one slice longer.
 */
const SLICES_PER_WINDOW = 6
const WINDOWS_MS: Readonly<Record<Exclude<Window, 'total'>, number>> = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
}
/** A row of a window is kept this long beyond it, in case the clock is set back. */
const KEPT_BEYOND_MS = 7 * 86_400_000

const EVERYBODY = 'everybody'

/** With these a budget is lifted and somebody is stopped: one that covered them could not be undone. */
const NEVER_COUNTED: readonly string[] = ['approvals', 'budgets', 'halts']

/** One count that a decision may raise. */
export interface Due {
  readonly budget: BudgetInForce
  readonly key: string
  /** Undefined: what the action takes cannot be told, which is too much. */
  readonly amount: number | undefined
}

export interface Use extends Due {
  readonly atMs: number
  readonly fromMs: number
  readonly isExceeded: boolean
}

/** The counts that the action raises, each once. */
export function dueOf(
  budgets: readonly BudgetInForce[],
  { action, caller, ...question }: Pick<StandingQuestion, 'action' | 'caller' | 'conduct' | 'facts'>,
): Due[] {
  if (NEVER_COUNTED.includes(areaOf(action))) return []
  const due = new Map<string, Due>()
  for (const budget of budgets) {
    if (budget.actions !== undefined && !isInScope(action, [budget.actions])) continue
    for (const principal of caller.chain) {
      if (!isAbout(budget, principal)) continue
      const key = countKey(budget, principalKey(principal))
      due.set(key, { budget, key, amount: amountOf(budget, question) })
    }
  }
  return [...due.values()]
}

export const countPrefix = ({ id, epoch }: Pick<BudgetInForce, 'id' | 'epoch'>): string => `${id}/${epoch}/`

export const countKey = (budget: BudgetInForce, principal: string): string =>
  `${countPrefix(budget)}${budget.isShared ? EVERYBODY : principal}`

/** The hub works for those whom it serves, and is not counted itself. */
function isAbout({ who }: Budget, { kind, id, roles }: Principal): boolean {
  if (kind === 'hub') return false
  const [word = '', name] = split(who)
  if (word === 'anyone') return true
  if (word === 'kind') return kind === name
  return word === 'role' ? roles.includes(name ?? '') : word === kind && name === id
}

function split(who: string): readonly [string, string?] {
  const at = who.indexOf(':')
  return at < 0 ? [who] : [who.slice(0, at), who.slice(at + 1)]
}

/** An action that states no cost costs nothing; one that does not state the fact by which it is measured cannot be. */
function amountOf(
  { measure }: Budget,
  { conduct, facts }: Pick<StandingQuestion, 'conduct' | 'facts'>,
): number | undefined {
  if (measure === 'count') return 1
  const { cost = 0 } = conduct
  const name = measure.slice(measure.indexOf(':') + 1)
  const amount = measure === 'cost' ? cost : Object.hasOwn(facts, name) ? facts[name] : undefined
  return typeof amount === 'number' && Number.isSafeInteger(amount) && amount >= 0 ? amount : undefined
}

/** What the count says now, and whether the action would go beyond the limit. */
export function useOf(due: Due, row: CountRow | undefined, nowMs: number): Use {
  const { amount, budget } = due
  const { atMs, fromMs } = placeOf(budget.window, row, nowMs)
  const isExceeded =
    amount === undefined || (amount > 0 && amount > budget.limit - sumOf(row ?? { slices: [] }, fromMs))
  return { ...due, atMs, fromMs, isExceeded }
}

/**
 * The slice that counts now, and the first that counts still. A clock that was set back stays at the newest slice: what
 * counted does so until the clock has come up with it, and nothing is refilled twice.
 */
export function placeOf(
  window: Window,
  row: CountRow | undefined,
  nowMs: number,
): { readonly atMs: number; readonly fromMs: number } {
  if (window === 'total') return { atMs: 0, fromMs: 0 }
  const sliceMs = sliceMsOf(window)
  const atMs = Math.max(Math.floor(nowMs / sliceMs) * sliceMs, row?.slices.at(-1)?.atMs ?? 0)
  return { atMs, fromMs: atMs - WINDOWS_MS[window] }
}

const sliceMsOf = (window: Exclude<Window, 'total'>): number => WINDOWS_MS[window] / SLICES_PER_WINDOW

/** When a slice counts no more; undefined: never. */
export const endOf = (window: Window, atMs: number): number | undefined =>
  window === 'total' ? undefined : atMs + WINDOWS_MS[window] + sliceMsOf(window)

/** When the row may go; undefined: never. */
export function expiryOf({ budget: { window }, atMs }: Use): number | undefined {
  const endMs = endOf(window, atMs)
  return endMs === undefined ? undefined : endMs + KEPT_BEYOND_MS
}
