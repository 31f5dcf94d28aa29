// How people read the logs that this hub follows, and the alerts about them: what is wrong first, notes with --json.

import { nameAndId } from './keys.ts'
import { type ListColumn, listLines } from './listing.ts'
import { type Form, recordLines } from './render.ts'
import { tableLines } from './table.ts'

interface ShownLog {
  readonly url: string
  readonly vkey: string
  readonly state: string
  readonly size: number
  readonly entries: string
  readonly at?: string
  readonly error?: string
}

const LOG_COLUMNS: readonly ListColumn<ShownLog>[] = [
  { title: 'followed at', isWhole: true, cell: ({ url }) => url },
  { title: 'state', isWhole: true, cell: ({ state }) => state },
  { title: 'verified', isNumeric: true, isWhole: true, cell: ({ size }) => size },
  { title: 'entries', isWhole: true, isOptional: true, cell: ({ entries }) => entries },
  { title: 'last', isWhole: true, isOptional: true, isTime: true, cell: ({ at }) => at },
  { title: 'key', isWhole: true, isOptional: true, cell: ({ vkey }) => nameAndId(vkey) },
]

export function followedLines(page: unknown, form: Form): string[] {
  const { items } = page as { readonly items: readonly ShownLog[] }
  const table = listLines(LOG_COLUMNS, items, form)
  const troubled = items.filter(({ error }) => error !== undefined)
  return troubled.length === 0
    ? table
    : [...table, '', ...recordLines(Object.fromEntries(troubled.map(({ url, error }) => [url, error])))]
}

interface ShownAlert {
  readonly id: string
  readonly at: string
  readonly kind: string
  readonly log: string
  readonly detail: string
  readonly evidence?: readonly string[]
}

const ALERT_COLUMNS = [
  { title: 'at', isWhole: true },
  { title: 'kind', isWhole: true },
  { title: 'notes', isNumeric: true, isOptional: true },
  { title: 'what', isWrapped: true },
] as const

export function alertLines(page: unknown, { width }: Form): string[] {
  const { items } = page as { readonly items: readonly ShownAlert[] }
  if (items.length === 0) return []
  return tableLines(
    ALERT_COLUMNS,
    items.map(({ at, kind, log, evidence = [], detail }) => [
      at,
      kind,
      String(evidence.length),
      `${log}: ${detail}`,
    ]),
    width,
  )
}

/** The notes convince others: nobody should have to search for them. */
export function alertRemarks(page: unknown): string[] {
  const { items } = page as { readonly items: readonly ShownAlert[] }
  return items.some(({ evidence = [] }) => evidence.length > 0)
    ? ['the signed notes that prove it: polity alerts --json']
    : []
}
