// How people read the report of a period, and how changes were delivered.

import type { ComplianceReport, Delivery } from '../../modules/compliance/contract.ts'
import { blockLines, type ListColumn, present } from './listing.ts'
import { type Present, recordLines } from './render.ts'
import { durationText } from './times.ts'

type Violation = ComplianceReport['violations'][number]
type Violator = ComplianceReport['topViolators'][number]
type Mapped = ComplianceReport['mapping'][number]

const VIOLATIONS: readonly ListColumn<Violation>[] = [
  { title: 'severity', isWhole: true, cell: ({ severity }) => severity },
  { title: 'requests', isNumeric: true, cell: ({ count }) => count },
  {
    title: 'rules',
    isWrapped: true,
    cell: ({ policies }) => policies.map(({ name, count }) => `${name} ${count}`).join(', '),
  },
]
const VIOLATORS: readonly ListColumn<Violator>[] = [
  { title: 'who', cell: ({ actor }) => actor },
  { title: 'stopped', isNumeric: true, cell: ({ count }) => count },
  { title: 'critical', isNumeric: true, cell: ({ critical }) => critical },
  { title: 'binding', isNumeric: true, cell: ({ binding }) => binding },
]
const MAPPING: readonly ListColumn<Mapped>[] = [
  { title: 'AI Act', cell: ({ article }) => article },
  { title: 'entries', isNumeric: true, cell: ({ evidence }) => evidence },
  { title: 'not covered', isWrapped: true, cell: ({ notCovered }) => notCovered.join('; ') },
]

export const complianceLines: Present = (output, form) => {
  const { period, entries, decisions, approvals, outcomes, ...rest } = output as ComplianceReport
  const { total, allowed, suspended, denied, letPass, solo } = decisions
  return [
    ...recordLines(
      present({
        period: `${period.from} to ${period.to}`,
        entries,
        decisions: `${total}: ${allowed} allowed, ${suspended} held, ${denied} denied`,
        'let pass': letPass === 0 ? undefined : `${letPass}, because the gate did not enforce`,
        'single approver': solo === 0 ? undefined : solo,
        approvals: approvals.map(({ name, count }) => `${name} ${count}`).join(', ') || 'none',
        outcomes: Object.entries(outcomes)
          .map(([name, count]) => `${name} ${count}`)
          .join(', '),
      }),
      form.width,
    ),
    ...blockLines(VIOLATIONS, rest.violations, form),
    ...blockLines(VIOLATORS, rest.topViolators, form),
    ...blockLines(MAPPING, rest.mapping, form),
  ]
}

const NO_DATA = 'no data'

const spreadText = ({ cases, medianMs, p90Ms }: Delivery['leadTime']): string =>
  medianMs === undefined
    ? NO_DATA
    : `median ${durationText(medianMs)}, 90% within ${durationText(p90Ms ?? medianMs)} (${cases} cases)`

export const deliveryReport: Present = (output) => {
  const { period, changes, ended, failed, failureRate, leadTime, timeToRestore, unrestored } =
    output as Delivery
  return recordLines({
    period: `${period.from} to ${period.to}`,
    changes: `${ended} ended, ${failed} failed`,
    'lead time': spreadText(leadTime),
    'failure rate': failureRate === undefined ? NO_DATA : `${failureRate / 10}%`,
    'time to restore': spreadText(timeToRestore),
    ...(unrestored === 0 ? {} : { 'not restored yet': unrestored }),
    counted: changes,
  })
}
