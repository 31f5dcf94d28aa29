// What others may know about schedules: actions that are asked for at times, in the name of whoever put them.

import { command, noun, Page, paging, query } from '../../kernel/catalog/definition.ts'
import { entryType } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import {
  Closed,
  Described,
  Integer,
  Json,
  Name,
  Private,
  type Static,
  Timestamp,
  type TSchema,
  Type,
} from '../../kernel/schema/schema.ts'

/** Who put it: it acts in this name, no further than this token covered, and for as long as it is good. */
const Asker = Closed({
  chain: Type.Array(Closed({ kind: Type.String(), id: Type.String(), roles: Type.Array(Type.String()) })),
  token: Type.Optional(Type.String()),
  scopes: Type.Optional(Type.Array(Type.String())),
})

const CatchUp = Type.Union([Type.Literal('none'), Type.Literal('last'), Type.Literal('all')], {
  description: 'which of the times that were missed are made up: none, the last one, or all (at most 100)',
})

const LateMaxMs = Type.Integer({
  minimum: 1,
  maximum: 366 * 24 * 3600_000,
  description: 'a missed time is not made up any more after so many milliseconds',
})

const Timing = {
  cron: Type.String({
    minLength: 1,
    maxLength: 128,
    description: 'a cron pattern of five fields: minute, hour, day of month, month, day of week',
  }),
  timezone: Type.String({
    minLength: 1,
    maxLength: 64,
    description: 'the time zone of the pattern, such as Europe/Berlin',
  }),
  catchUp: CatchUp,
  lateMaxMs: Type.Optional(LateMaxMs),
}

const ActionName = Type.String({
  minLength: 1,
  maxLength: 128,
  description: 'the name of an action, such as mirror.analyze',
})

export const ScheduleSet = entryType('schedules.set@1', {
  name: Name,
  ...Timing,
  action: ActionName,
  input: Private(Json),
  asker: Asker,
})

export const ScheduleRemoved = entryType('schedules.removed@1', { name: Name })

/** It cannot act any more in the name of whoever put it. */
export const ScheduleStopped = entryType('schedules.stopped@1', {
  name: Name,
  code: Type.String(),
  message: Type.String(),
})

/** Times that came and were not carried out. `isMore`: there were earlier ones that nobody counted. */
export const SlotsMissed = entryType('schedules.slots-missed@1', {
  name: Name,
  from: Timestamp,
  to: Timestamp,
  count: Integer,
  isMore: Type.Boolean(),
})

export interface ScheduleRow {
  readonly cron: string
  readonly timezone: string
  readonly catchUp: Static<typeof CatchUp>
  readonly lateMaxMs?: number | undefined
  readonly action: string
  readonly input: unknown
  readonly asker: Static<typeof Asker>
  readonly stopped?: { readonly at: string; readonly code: string; readonly message: string }
}

type Changes = typeof ScheduleSet | typeof ScheduleRemoved | typeof ScheduleStopped

export const schedules = view<ScheduleRow, Changes>('schedules.current', 1, {
  from: [ScheduleSet, ScheduleRemoved, ScheduleStopped],
  keys: ({ data }) => [data.name],
  fold: (row, { data, time }) => {
    if ('cron' in data) {
      const { name: _, ...schedule } = data
      return schedule
    }
    if (!('code' in data) || !row) return null
    return { ...row.value, stopped: { at: time, code: data.code, message: data.message } }
  },
})

const LastRun = Closed({
  /** The time for which it was carried out. */
  slot: Timestamp,
  finishedAt: Timestamp,
  status: Type.Union([Type.Literal('done'), Type.Literal('failed'), Type.Literal('unknown')]),
  code: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
})

export const Schedule = noun('schedules.schedule', {
  name: Name,
  ...Timing,
  action: ActionName,
  status: Type.Union([Type.Literal('active'), Type.Literal('stopped')]),
  reason: Type.Optional(Type.String()),
  isRunning: Type.Boolean(),
  nextDue: Type.Optional(Timestamp),
  last: Type.Optional(LastRun),
})

const defaulting = <T extends TSchema & { readonly description?: string }>(schema: T, value: string): T =>
  Described(schema, `${schema.description}; default ${value}`)

const ScheduleName = Described(Name, 'the name of a schedule')

export const put = command('schedules.put@1', {
  summary: 'Asks for an action at times, in the name of the caller.',
  input: {
    name: ScheduleName,
    cron: Timing.cron,
    timezone: Type.Optional(defaulting(Timing.timezone, 'UTC')),
    action: ActionName,
    input: Type.Optional(Described(Private(Json), 'the input of the action')),
    catchUp: Type.Optional(defaulting(CatchUp, 'none')),
    lateMaxMs: Type.Optional(defaulting(LateMaxMs, 'none is too late')),
  },
  output: noun('schedules.put', { name: Name, nextDue: Timestamp }),
  errors: ['name.unknown', 'denied', 'schedules.full'],
  risk: 'medium',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'atomic',
  resource: ({ name }) => `schedules/${name}`,
  facts: ['name', 'action'],
  cli: { positional: ['name', 'cron', 'action', 'input'] },
})

export const remove = command('schedules.remove@1', {
  summary: 'Removes a schedule; what it has started goes on.',
  input: { name: ScheduleName },
  output: noun('schedules.gone', { name: Name }),
  errors: ['not-found'],
  risk: 'medium',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'atomic',
  resource: ({ name }) => `schedules/${name}`,
  facts: ['name'],
  cli: { positional: ['name'] },
})

export const trigger = command('schedules.trigger@1', {
  summary: 'Asks for the action of a schedule now, in the name of the caller; its times stay as they are.',
  input: { name: ScheduleName },
  output: noun('schedules.triggered', { name: Name, output: Private(Json) }),
  errors: ['not-found', 'erased'],
  risk: 'medium',
  effect: 'idempotent',
  resource: ({ name }) => `schedules/${name}`,
  facts: ['name'],
  cli: { positional: ['name'] },
})

export const list = query('schedules.list@1', {
  summary: 'The schedules by name: when each is due, and how it went last.',
  input: {
    ...paging(Described(Name, 'go on after this name')),
  },
  output: Page(Schedule),
  http: { path: 'schedules' },
})
