// Schedules: actions at times, each time once, over crashes and among several hubs.

import { callerOf } from '../../kernel/catalog/caller.ts'
import type { CommandContext, Invocable } from '../../kernel/catalog/context.ts'
import { requireInScope } from '../../kernel/catalog/decide.ts'
import { baseName } from '../../kernel/catalog/definition.ts'
import { defineModule, type ModuleHost, type OpenedModule } from '../../kernel/catalog/module.ts'
import { nearest } from '../../kernel/catalog/nearest.ts'
import { pageOf } from '../../kernel/catalog/page-of.ts'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Chain } from '../../kernel/gate/types.ts'
import { mayReadAll } from '../../kernel/log/audience.ts'
import type { ViewRow } from '../../kernel/log/views.ts'
import {
  type Fields,
  type Static,
  type TSchema,
  Type,
  type Violation,
  validate,
} from '../../kernel/schema/schema.ts'
import * as contract from './contract.ts'
import {
  list,
  put,
  remove,
  type Schedule,
  ScheduleRemoved,
  type ScheduleRow,
  ScheduleSet,
  schedules,
  trigger,
} from './contract.ts'
import { timetableOf } from './cron.ts'
import { requireWhole } from './firing.ts'
import { openTicker, type Ticker } from './ticker.ts'
import { noTick, TICKS, type TickRow, tickChange, timeOf } from './ticks.ts'

export const SCHEDULES_MAX = 1_000

export const schedulesModule = defineModule(
  'schedules',
  { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
  openSchedules,
)

function openSchedules(host: ModuleHost): OpenedModule {
  const ticker = openTicker(host)
  return {
    commands: [
      put.handle((ctx, input) => putSchedule(ctx, input, host, ticker)),
      remove.handle(async (ctx, { name }) => {
        await current(ctx, name)
        await ctx.rows.get(TICKS, name)
        ctx.rows.write(noTick(name, Date.parse(ctx.now)))
        ctx.record(ScheduleRemoved({ name }, { subject: `schedule/${name}` }))
        return { name }
      }),
      trigger.handle(async (ctx, { name }) => {
        const schedule = (await current(ctx, name)).value
        requireWhole(schedule)
        const action: Invocable<Fields, TSchema> = {
          name: schedule.action,
          input: {},
          output: Type.Unknown(),
        }
        const output = await ctx.step('act', () => ctx.invoke(action, schedule.input as never))
        return { name, output: output ?? null }
      }),
    ],
    queries: [
      list.handle((ctx, input) =>
        pageOf(ctx, schedules, input, async (row) =>
          shown(row, (await host.rows.get(TICKS, row.key)).value as TickRow | undefined, ctx.chain),
        ),
      ),
    ],
    sweptTables: [TICKS],
    close: () => ticker.close(),
  }
}

type PutInput = Static<typeof put.schema>

/** Throws `input.invalid` also for an input that the action would not take, `denied` for what the token does not cover. */
async function putSchedule(
  ctx: CommandContext,
  { name, cron, timezone = 'UTC', action, input = {}, catchUp = 'none', lateMaxMs }: PutInput,
  host: Pick<ModuleHost, 'definitions'>,
  ticker: Ticker,
): Promise<{ readonly name: string; readonly nextDue: string }> {
  requireTaken(host, action, input)
  requireInScope(ctx, action, host.definitions())
  const nowMs = Date.parse(ctx.now)
  const nextMs = timetableOf(cron, timezone, nowMs).after(nowMs) ?? nowMs
  const { value } = await ctx.rows.get(TICKS, name)
  if (value === undefined) await requirePlace(ctx)
  const last = (value as TickRow | undefined)?.last
  ctx.rows.write(tickChange(name, { cursorMs: nowMs, nextMs, ...(last ? { last } : {}) }))
  ctx.record(
    ScheduleSet(
      {
        name,
        cron,
        timezone,
        catchUp,
        ...(lateMaxMs === undefined ? {} : { lateMaxMs }),
        action,
        input,
        asker: askerOf(ctx),
      },
      { subject: `schedule/${name}` },
    ),
  )
  ctx.onCommitted(() => ticker.wake())
  return { name, nextDue: timeOf(nextMs) }
}

function requireTaken(
  { definitions }: Pick<ModuleHost, 'definitions'>,
  action: string,
  input: unknown,
): void {
  const definition = definitions()
    .filter(({ kind, name }) => kind === 'command' && (name === action || baseName(name) === action))
    .at(-1)
  if (!definition) throw unknownAction(definitions(), action)
  try {
    validate(definition.schema, input, `the input of ${action}`)
  } catch (error) {
    if (!(error instanceof PolityError) || error.code !== 'input.invalid') throw error
    const violations = (error.facts.violations as readonly Violation[]).map(({ pointer, message }) => ({
      pointer: `/input${pointer}`,
      message,
    }))
    throw new PolityError(error.code, error.message, { violations })
  }
}

function unknownAction(definitions: ReturnType<ModuleHost['definitions']>, action: string): PolityError {
  const names = definitions.filter(({ kind }) => kind === 'command').map(({ name }) => baseName(name))
  const suggestions = nearest(action, [...new Set(names)])
  const hint = suggestions.length === 0 ? '' : `: did you mean ${suggestions.join(' or ')}?`
  return new PolityError('name.unknown', `there is no action ${action}${hint}`, { action, suggestions })
}

async function requirePlace({ rows }: Pick<CommandContext, 'rows'>): Promise<void> {
  const known = await rows.scan(TICKS, { limit: SCHEDULES_MAX })
  if (known.length >= SCHEDULES_MAX)
    throw new PolityError('schedules.full', `there are ${SCHEDULES_MAX} schedules: remove one first`)
}

function askerOf(ctx: CommandContext): ScheduleRow['asker'] {
  const { chain, token, scopes } = callerOf(ctx)
  return {
    chain: chain.map(({ kind, id, roles }) => ({ kind, id, roles: [...roles] })),
    ...(token === undefined ? {} : { token }),
    ...(scopes === undefined ? {} : { scopes: [...scopes] }),
  }
}

async function current(ctx: Pick<CommandContext, 'get'>, name: string): Promise<ViewRow<ScheduleRow>> {
  const row = await ctx.get(schedules, name)
  if (!row)
    throw new PolityError('not-found', `there is no schedule ${name}: \`polity schedules list\` names them`, {
      name,
    })
  return row
}

function shown(
  { key, value }: ViewRow<ScheduleRow>,
  tick: TickRow | undefined,
  chain: Chain,
): Static<typeof Schedule> {
  const { cron, timezone, catchUp, lateMaxMs, action, stopped, asker } = value
  const isTold = mayReadAll(chain) || actorOf(chain) === actorOf(asker.chain as Chain)
  return {
    name: key,
    cron,
    timezone,
    catchUp,
    ...(lateMaxMs === undefined ? {} : { lateMaxMs }),
    action,
    status: stopped ? 'stopped' : 'active',
    ...(stopped ? { reason: `${stopped.message} (${stopped.code})` } : {}),
    isRunning: tick?.claim !== undefined,
    ...(tick?.nextMs == null || stopped ? {} : { nextDue: timeOf(tick.nextMs) }),
    ...(tick?.last ? { last: lastOf(tick.last, isTold) } : {}),
  }
}

/** What an action says of its failure may speak of its input, which is private: it is for those who may know that. */
const lastOf = (
  { slotMs, finishedMs, message, ...ended }: NonNullable<TickRow['last']>,
  isTold: boolean,
) => ({
  slot: timeOf(slotMs),
  finishedAt: timeOf(finishedMs),
  ...ended,
  ...(isTold && message !== undefined ? { message } : {}),
})
