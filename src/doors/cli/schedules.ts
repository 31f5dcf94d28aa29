// How people read schedules and procedures: when something is due, how it went last, and what is in force.

import { escapeText } from './escape.ts'
import { blockLines, type ListColumn, listLines, listPresent } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { bare } from './runs.ts'
import { timeText } from './times.ts'

interface ShownSchedule {
  readonly name: string
  readonly status: string
  readonly reason?: string
  readonly isRunning: boolean
  readonly action: string
  readonly cron: string
  readonly timezone: string
  readonly nextDue?: string
  readonly last?: {
    readonly finishedAt: string
    readonly status: string
    readonly code?: string
    readonly message?: string
  }
}

const SCHEDULES: readonly ListColumn<ShownSchedule>[] = [
  { title: 'name', isWhole: true, cell: ({ name }) => name },
  { title: 'state', isWhole: true, cell: ({ status, isRunning }) => (isRunning ? 'running' : status) },
  { title: 'next', isWhole: true, isTime: true, cell: ({ nextDue }) => nextDue },
  { title: 'last', isWhole: true, cell: ({ last }) => last?.status },
  { title: 'finished', isWhole: true, isOptional: true, isTime: true, cell: ({ last }) => last?.finishedAt },
  { title: 'action', isWrapped: true, cell: ({ action }) => bare(action) },
  { title: 'at', isWrapped: true, cell: ({ cron, timezone }) => `${cron} (${timezone})` },
]

const SCHEDULE_TROUBLES: readonly ListColumn<ShownSchedule>[] = [
  { title: 'name', isWhole: true, cell: ({ name }) => name },
  { title: 'why', isWrapped: true, cell: scheduleTrouble },
]

function scheduleTrouble({ reason, last }: ShownSchedule): string | undefined {
  if (reason !== undefined) return reason
  return last?.code === undefined ? undefined : `${last.message ?? ''} (${last.code})`.trim()
}

export const scheduleLines: Present = (page, form) => {
  const { items } = page as { readonly items: readonly ShownSchedule[] }
  const troubled = items.filter((each) => scheduleTrouble(each) !== undefined)
  return [...listLines(SCHEDULES, items, form), ...blockLines(SCHEDULE_TROUBLES, troubled, form)]
}

export const scheduledLines: Present = (output, { width }) => {
  const { name, nextDue } = output as { readonly name: string; readonly nextDue: string }
  return recordLines({ name, next: timeText(nextDue, width) })
}

interface ShownProcedure {
  readonly name: string
  readonly digest: string
  readonly isRetired: boolean
  readonly definedAt: string
  readonly summary?: string
  readonly definition?: unknown
}

const stateOf = ({ isRetired }: ShownProcedure): string => (isRetired ? 'retired' : 'in force')

export const procedureLines = listPresent<ShownProcedure>([
  { title: 'name', isWhole: true, cell: ({ name }) => name },
  { title: 'state', isWhole: true, cell: stateOf },
  { title: 'defined', isWhole: true, isTime: true, cell: ({ definedAt }) => definedAt },
  { title: 'summary', isWrapped: true, cell: ({ summary }) => summary },
])

export const procedureReport: Present = (output, { width }) => {
  const procedure = output as ShownProcedure
  const { name, digest, definedAt, definition } = procedure
  return [
    ...recordLines({ name, state: stateOf(procedure), defined: timeText(definedAt, width), digest }),
    '',
    // Below, and whole: it is what `procedures define` takes.
    ...(JSON.stringify(definition, null, 2) ?? '').split('\n').map(escapeText),
  ]
}
