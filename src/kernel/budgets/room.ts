// The budgets room: what may be used, what is used, and the claims of decisions on the rest.

import type { CommandContext, QueryContext } from '../catalog/context.ts'
import type { OpenedModule } from '../catalog/module.ts'
import { ActionFinished } from '../catalog/records.ts'
import { defineRoom, type RoomHost } from '../catalog/room.ts'
import { PolityError } from '../errors.ts'
import type { Feed } from '../feed/feed.ts'
import { sumOf } from '../log/count.ts'
import { CostReported } from '../outside/contract.ts'
import type { Static } from '../schema/schema.ts'
import type { StoreReader } from '../store/store.ts'
import { budgetSource, CLAIMS, COUNTS, countOf, noteCost, settleClaim } from './claims.ts'
import * as contract from './contract.ts'
import {
  BUDGETS_KEY,
  BUDGETS_MAX,
  type Budget,
  type BudgetInForce,
  BudgetRemoved,
  BudgetSet,
  type BudgetState,
  budgetsInForce,
  listBudgets,
  putBudget,
  removeBudget,
  USES_SHOWN_MAX,
} from './contract.ts'
import { countKey, countPrefix, endOf, placeOf } from './counting.ts'

export const budgetsRoom = defineRoom(
  'budgets',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  openBudgets,
)

async function openBudgets(host: RoomHost): Promise<OpenedModule> {
  const { committed, reader, log } = host.realm
  let settling: Feed | undefined
  // A hub without budgets reads no outcome twice.
  const settle = () => {
    settling ??= host.follow({
      name: 'budgets',
      types: [CostReported.name, ActionFinished.name],
      async handle({ type, data }) {
        const ports = { reader, log, env: host.env }
        if (type === CostReported.name) {
          const { decision, cost } = data as Static<typeof CostReported.schema>
          return noteCost(ports, decision, cost)
        }
        const { decision, run, status } = data as Static<typeof ActionFinished.schema>
        if (run !== undefined) await settleClaim(ports, decision, status)
      },
    })
  }
  if (await committed.get(budgetsInForce, BUDGETS_KEY)) settle()
  return {
    standing: budgetSource({ reader, onBudgets: settle }),
    sweptTables: [COUNTS, CLAIMS],
    commands: [putBudget.handle(put), removeBudget.handle(remove)],
    queries: [
      listBudgets.handle(async (ctx, { principal }) => ({
        items: await Promise.all(
          (await budgetsOf(ctx)).map((budget) => stateOf(reader, budget, Date.parse(ctx.now), principal)),
        ),
      })),
    ],
    close: async () => settling?.close(),
  }
}

const budgetsOf = async (ctx: Pick<QueryContext, 'get'>): Promise<readonly BudgetInForce[]> => {
  const { budgets = {} } = (await ctx.get(budgetsInForce, BUDGETS_KEY))?.value ?? {}
  return Object.values(budgets).sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** Throws `limit`. */
async function put(ctx: CommandContext, input: Static<typeof putBudget.schema>): Promise<Budget> {
  const { actions, measure = 'count', isShared = false, keepsFailed = false, ...rest } = input
  const others = (await budgetsOf(ctx)).filter(({ id }) => id !== input.id)
  if (others.length >= BUDGETS_MAX)
    throw new PolityError('limit', `${BUDGETS_MAX} budgets stand already: remove one that has served`)
  const budget = {
    ...rest,
    ...(actions === undefined ? {} : { actions }),
    measure,
    isShared,
    keepsFailed,
  }
  ctx.record(BudgetSet(budget, { subject: `budgets/${input.id}` }))
  return budget
}

/** Throws `not-found`. */
async function remove(ctx: CommandContext, { id }: { readonly id: string }): Promise<Budget> {
  const found = (await budgetsOf(ctx)).find((each) => each.id === id)
  if (found === undefined)
    throw new PolityError('not-found', `there is no budget ${id}: see \`polity budgets list\``, { id })
  ctx.record(BudgetRemoved({ id }, { subject: `budgets/${id}` }))
  const { epoch: _, ...budget } = found
  return budget
}

async function stateOf(
  reader: Pick<StoreReader, 'load' | 'scan'>,
  budget: BudgetInForce,
  nowMs: number,
  principal: string | undefined,
): Promise<BudgetState> {
  const { epoch: _, ...shown } = budget
  const rows = await countsOf(reader, budget, principal)
  return {
    ...shown,
    uses: rows.map(({ key, value }) => useOf(budget, key.slice(countPrefix(budget).length), value, nowMs)),
  }
}

async function countsOf(
  reader: Pick<StoreReader, 'load' | 'scan'>,
  budget: BudgetInForce,
  principal: string | undefined,
): Promise<readonly { readonly key: string; readonly value: string }[]> {
  const prefix = countPrefix(budget)
  if (principal === undefined) return (await reader.scan(COUNTS, { prefix, limit: USES_SHOWN_MAX })).value
  const key = countKey(budget, principal)
  const { value } = await reader.load(COUNTS, [key])
  return [...value].flatMap(([, row]) => (row.value === null ? [] : [{ key, value: row.value }]))
}

function useOf(
  { limit, window }: BudgetInForce,
  principal: string,
  text: string,
  nowMs: number,
): BudgetState['uses'][number] {
  const row = countOf(text) ?? { slices: [] }
  const { fromMs } = placeOf(window, row, nowMs)
  const counting = row.slices.filter(({ atMs, used, reserved }) => atMs >= fromMs && used + reserved > 0)
  const [oldest] = counting
  const endMs = oldest === undefined ? undefined : endOf(window, oldest.atMs)
  return {
    principal,
    used: counting.reduce((sum, { used }) => sum + used, 0),
    reserved: counting.reduce((sum, { reserved }) => sum + reserved, 0),
    left: Math.max(0, limit - sumOf(row, fromMs)),
    ...(endMs === undefined ? {} : { resetsAt: new Date(endMs).toISOString() }),
  }
}
