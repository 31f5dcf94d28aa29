// Claims on budgets: made in the commit of a decision, settled once when what was decided has ended.

import type { StandingQuestion, StandingSource } from '../catalog/standing.ts'
import { workingWrite } from '../catalog/working-rows.ts'
import { asPolityError } from '../errors.ts'
import type { CountChange, CountRow } from '../log/count.ts'
import type { Log } from '../log/log.ts'
import type { WorkingWrite } from '../log/proposal.ts'
import { act } from '../outside/contract.ts'
import type { StoreReader } from '../store/store.ts'
import { BUDGETS_KEY, type BudgetInForce, budgetsInForce } from './contract.ts'
import { dueOf, expiryOf, type Use, useOf } from './counting.ts'

/** Working state: `id/epoch/principal` -> CountRow. */
export const COUNTS = 'budgets.counts'
/** Working state: id of a decision whose run has not ended -> ClaimRow. */
export const CLAIMS = 'budgets.claims'
/** A settled claim leaves a tombstone, so that nobody settles it twice. */
const SETTLED_KEPT_MS = 24 * 3_600_000

/** More than anybody means, in cents; a count that came to the end of whole numbers would lose what others reserved. */
const COST_MAX = 10 ** 15

interface ClaimRow {
  readonly claims: readonly {
    readonly key: string
    readonly atMs: number
    readonly amount: number
    readonly keepsFailed: boolean
    /** In cents: what is reported in truth takes the place of the amount. */
    readonly isCost?: boolean
    /** Of the count's row. */
    readonly expiresAtMs?: number
  }[]
  /** Whether the amounts are what it cost in truth: the first report stands. */
  readonly isReported?: boolean
}

export interface BudgetPorts {
  readonly reader: Pick<StoreReader, 'load'>
  /** Called whenever there are budgets. */
  readonly onBudgets?: () => void
}

export function budgetSource({ reader, onBudgets }: BudgetPorts): StandingSource {
  const seen = new WeakMap<StandingQuestion, readonly Use[]>()
  const take = (question: StandingQuestion, decision: string) => ({
    rows: rowsOf(seen.get(question) ?? [], question, decision),
  })
  return {
    name: 'budgets',
    async read(question, { now }) {
      const { budgets = {} } = (await now.get(budgetsInForce, BUDGETS_KEY))?.value ?? {}
      const all = Object.values(budgets)
      if (all.length === 0) return { exceeded: [] }
      onBudgets?.()
      const uses = await usesOf(reader, all, question)
      seen.set(question, uses)
      return { exceeded: uses.filter(({ isExceeded }) => isExceeded).map(({ budget }) => budget.id) }
    },
    claim: take,
    note: take,
  }
}

async function usesOf(
  reader: Pick<StoreReader, 'load'>,
  budgets: readonly BudgetInForce[],
  question: Pick<StandingQuestion, 'action' | 'caller' | 'conduct' | 'facts' | 'nowMs'>,
): Promise<Use[]> {
  const due = dueOf(budgets, question)
  if (due.length === 0) return []
  const { value: rows } = await reader.load(
    COUNTS,
    due.map(({ key }) => key),
  )
  return due.map((each) => useOf(each, countOf(rows.get(each.key)?.value), question.nowMs))
}

export const countOf = (value: string | null | undefined): CountRow | undefined =>
  value == null ? undefined : (JSON.parse(value) as CountRow)

/**
 * Committed with the decision, which is decided again where a limit would be passed by it. What is allowed although a
 * limit is exceeded (nobody enforces the rule, or somebody agreed) is counted all the same. Steps that may take days
 * reserve; what is done in its commit has used.
 */
function rowsOf(
  uses: readonly Use[],
  { action, effect }: Pick<StandingQuestion, 'action' | 'effect'>,
  decision: string,
): WorkingWrite[] {
  const isRun = effect === 'idempotent' || effect === 'once'
  // What states no cost may turn out to have one.
  const mayTake = ({ amount, budget }: Use) =>
    amount !== undefined && (amount > 0 || (action === act.name && budget.measure === 'cost'))
  const taken = uses
    .filter(mayTake)
    .map((use) => ({ ...use, amount: use.amount ?? 0, expiresAtMs: expiryOf(use) }))
  const rows = taken.map((use) => {
    const { amount, atMs, budget, fromMs, isExceeded } = use
    // What takes nothing cannot pass a limit, also one that was passed before.
    const claim = isExceeded || amount === 0 ? { fromMs } : { fromMs, max: budget.limit }
    return countWrite(use, { atMs, used: isRun ? 0 : amount, reserved: isRun ? amount : 0, claim })
  })
  if (!isRun || taken.length === 0) return rows
  const claims: ClaimRow = {
    claims: taken.map(({ key, atMs, amount, expiresAtMs, budget: { keepsFailed, measure } }) => ({
      key,
      atMs,
      amount,
      keepsFailed,
      ...(measure === 'cost' ? { isCost: true } : {}),
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    })),
  }
  return [...rows, workingWrite({ table: CLAIMS, key: decision, value: claims })]
}

const countWrite = (
  { key, expiresAtMs }: { readonly key: string; readonly expiresAtMs?: number | undefined },
  count: CountChange,
): WorkingWrite => ({
  table: COUNTS,
  key,
  value: null,
  count,
  ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
})

export interface SettlePorts extends BudgetPorts {
  readonly log: Pick<Log, 'append'>
  readonly env: { now(): number }
}

export type Outcome = 'done' | 'failed' | 'unknown' | 'cancelled'

/**
 * What it cost in truth is reserved in the place of what was expected, be it less or more, and counts whatever came of
 * it. Once: a second report changes nothing, and none does once the claim is settled.
 */
export const noteCost = (ports: SettlePorts, decision: string, cost: number): Promise<void> =>
  changeClaim(ports, decision, ({ claims, isReported = false }) => {
    if (isReported) return undefined
    const amount = Math.min(cost, COST_MAX)
    const known = claims.map((claim) => (claim.isCost ? { ...claim, amount, keepsFailed: true } : claim))
    const value: ClaimRow = { claims: known, isReported: true }
    return [
      ...claims
        .filter(({ isCost }) => isCost)
        .map((claim) => countWrite(claim, { atMs: claim.atMs, used: 0, reserved: amount - claim.amount })),
      workingWrite({ table: CLAIMS, key: decision, value }),
    ]
  })

/**
 * What was reserved is used, or given back; once, however often it is asked for. What may have happened counts as used.
 */
export const settleClaim = (ports: SettlePorts, decision: string, outcome: Outcome): Promise<void> =>
  changeClaim(ports, decision, ({ claims }) => {
    const hasFailed = outcome === 'failed' || outcome === 'cancelled'
    const rows = claims.map((claim) => {
      const { atMs, amount, keepsFailed } = claim
      return countWrite(claim, { atMs, used: hasFailed && !keepsFailed ? 0 : amount, reserved: -amount })
    })
    const expiresAtMs = ports.env.now() + SETTLED_KEPT_MS
    return [...rows, { table: CLAIMS, key: decision, value: null, expiresAtMs }]
  })

/** Another hub may be at the same claim: whoever loses looks again at what it has left. */
const ATTEMPTS_MAX = 8

/** What is settled already stays so. `change` answers what is written, if anything. */
async function changeClaim(
  { reader, log }: SettlePorts,
  decision: string,
  change: (row: ClaimRow) => readonly WorkingWrite[] | undefined,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const row = (await reader.load(CLAIMS, [decision])).value.get(decision)
    const rows = row?.value == null ? undefined : change(JSON.parse(row.value) as ClaimRow)
    if (row === undefined || rows === undefined) return
    try {
      const expect = [{ table: CLAIMS, key: decision, version: row.version }]
      return void (await log.append({ entries: [], expect, rows }, { isReserved: true }))
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || asPolityError(error).code !== 'expectation.failed') throw error
    }
  }
}
