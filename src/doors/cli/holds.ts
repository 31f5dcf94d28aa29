// How people read legal holds and erasure reports: what is covered by what, and what became of a subject's values.

import { type Form, recordLines } from './render.ts'
import { tableLines } from './table.ts'

interface ShownHold {
  readonly name: string
  readonly reason: string
  readonly subject?: string
  readonly from?: number
  readonly to?: number
  readonly placedAt: string
  readonly placedBy: string
}

const HOLD_COLUMNS = [
  { title: 'hold', isWhole: true },
  { title: 'covers' },
  { title: 'reason', isWrapped: true },
  { title: 'placed', isOptional: true },
  { title: 'by', isOptional: true },
] as const

export function holdLines(page: unknown, { width }: Form): string[] {
  const { items } = page as { readonly items: readonly ShownHold[] }
  if (items.length === 0) return []
  return tableLines(
    HOLD_COLUMNS,
    items.map((hold) => [hold.name, coveredBy(hold), hold.reason, hold.placedAt, hold.placedBy]),
    width,
  )
}

/** A hold may be on a subject and on entries at once. */
function coveredBy({ subject, from, to }: ShownHold): string {
  const entries = from === undefined ? [] : [`entries ${from} ${to === undefined ? 'and on' : `to ${to}`}`]
  return [...(subject === undefined ? [] : [subject]), ...entries].join(', ')
}

interface ShownReport {
  readonly subject: string
  readonly state: 'stored' | 'erased' | 'unknown'
  readonly payloads: number
  readonly erasures: readonly {
    readonly seq: number
    readonly at: string
    readonly by: string
    readonly payloads?: number
  }[]
  readonly holds: readonly ShownHold[]
  readonly entries: readonly {
    readonly seq: number
    readonly type: string
    readonly time: string
    readonly references: number
  }[]
  readonly decisions: readonly { readonly seq: number; readonly action: string }[]
  readonly minimumIndex: number
  readonly after?: number
}

const ERASURE_COLUMNS = [
  { title: 'erased by entry', isNumeric: true },
  { title: 'payloads', isNumeric: true },
  { title: 'by' },
  { title: 'at', isOptional: true },
] as const

const ENTRY_COLUMNS = [
  { title: 'entry', isNumeric: true },
  { title: 'private values', isNumeric: true },
  { title: 'type' },
  { title: 'at', isOptional: true },
] as const

const DECISION_COLUMNS = [{ title: 'decision', isNumeric: true }, { title: 'on' }] as const

export function erasureReportLines(output: unknown, { width }: Form): string[] {
  const { report } = output as { readonly report: ShownReport }
  const { subject, state, payloads, holds, minimumIndex } = report
  return [
    ...recordLines({
      subject,
      state,
      payloads: state === 'stored' ? `${payloads}, which erasing would destroy` : payloads,
      ...(holds.length === 0 ? {} : { 'held by': holds.map(({ name }) => name) }),
      ...(minimumIndex === 0 ? {} : { pruned: `below entry ${minimumIndex}` }),
    }),
    ...blockOf(
      ERASURE_COLUMNS,
      report.erasures.map((each) => [each.seq, each.payloads ?? 'unknown', each.by, each.at]),
      width,
    ),
    ...blockOf(
      ENTRY_COLUMNS,
      report.entries.map(({ seq, references, type, time }) => [seq, references, type, time]),
      width,
    ),
    ...blockOf(
      DECISION_COLUMNS,
      report.decisions.map(({ seq, action }) => [seq, action]),
      width,
    ),
  ]
}

export function erasureReportRemarks(output: unknown): string[] {
  const { after, subject } = (output as { readonly report: ShownReport }).report
  return [
    `the signed report with its proof is a file: polity erasure report ${subject} --out FILE`,
    ...(after === undefined ? [] : [`there is more: go on with --after ${after}`]),
  ]
}

const blockOf = (
  columns: Parameters<typeof tableLines>[0],
  rows: readonly (readonly (string | number)[])[],
  width: Form['width'],
): string[] =>
  rows.length === 0
    ? []
    : [
        '',
        ...tableLines(
          columns,
          rows.map((row) => row.map(String)),
          width,
        ),
      ]
