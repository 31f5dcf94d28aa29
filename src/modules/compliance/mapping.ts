// Regulation (EU) 2024/1689 (AI Act): which paragraph is answered by which part of a report, and what no log can answer.

import type { ComplianceReport } from './contract.ts'

type Counted = Omit<ComplianceReport, 'mapping'>

interface Paragraph {
  readonly article: string
  /** In our own words. */
  readonly asks: string
  /** Members of the report. */
  readonly answeredBy: readonly string[]
  /** How many entries speak to it. */
  readonly evidence: (report: Counted) => number
  readonly notCovered: readonly string[]
}

const approvalsOf = ({ approvals }: Counted): number => approvals.reduce((sum, { count }) => sum + count, 0)
const outcomesOf = ({ outcomes: { done, failed, unknown, cancelled } }: Counted): number =>
  done + failed + unknown + cancelled
const stoppedOf = ({ violations }: Counted): number => violations.reduce((sum, { count }) => sum + count, 0)

const PARAGRAPHS: readonly Paragraph[] = [
  {
    article: 'Article 12(1)',
    asks: 'events are recorded automatically over the lifetime of the system',
    answeredBy: ['entries', 'decisions', 'outcomes'],
    evidence: ({ entries }) => entries,
    notCovered: ['what components do without asking this hub'],
  },
  {
    article: 'Article 12(2)(a)',
    asks: 'situations that may present a risk, or a substantial modification, can be identified',
    answeredBy: ['violations', 'decisions.byRisk'],
    evidence: stoppedOf,
    notCovered: ['whether a modification is substantial in the sense of Article 3(23)'],
  },
  {
    article: 'Article 12(2)(b)',
    asks: 'monitoring after the system was placed on the market is made easier',
    answeredBy: ['outcomes', 'topViolators'],
    evidence: outcomesOf,
    notCovered: ['a plan for that monitoring (Article 72)'],
  },
  {
    article: 'Article 12(2)(c)',
    asks: 'those who deploy the system can monitor how it operates',
    answeredBy: ['decisions', 'outcomes'],
    evidence: ({ decisions }) => decisions.total,
    notCovered: ['quality of the outputs of a model'],
  },
  {
    article: 'Article 12(3)',
    asks: 'remote biometric identification: periods of use, databases, matches, who verified',
    answeredBy: [],
    evidence: () => 0,
    notCovered: ['all of it: the log does not know of biometric systems'],
  },
  {
    article: 'Article 14(4)(a), (b), (c)',
    asks: 'people who oversee understand the system, beware of relying on it, and interpret its output',
    answeredBy: ['decisions'],
    evidence: ({ decisions }) => decisions.total,
    notCovered: ['training of people, and whether they understood: each decision explains itself, no more'],
  },
  {
    article: 'Article 14(4)(d)',
    asks: 'people can decide not to use the system, or override what it does',
    answeredBy: ['approvals', 'decisions.suspended', 'decisions.solo'],
    evidence: approvalsOf,
    notCovered: ['decisions that are taken outside of this hub'],
  },
  {
    article: 'Article 14(4)(e)',
    asks: 'people can interrupt the system',
    answeredBy: ['outcomes.cancelled', 'decisions.denied'],
    evidence: ({ decisions, outcomes }) => decisions.denied + outcomes.cancelled,
    notCovered: ['stopping a machine itself'],
  },
  {
    article: 'Article 14(5)',
    asks: 'certain identifications are confirmed by two people',
    answeredBy: ['approvals'],
    evidence: approvalsOf,
    notCovered: ['that the two are competent and trained'],
  },
  {
    article: 'Article 19(1)',
    asks: 'providers keep the logs for a fitting time, at least six months',
    answeredBy: ['period', 'log'],
    evidence: ({ entries }) => entries,
    notCovered: ['how long is fitting for the purpose; the policy of retention itself is in the log'],
  },
  {
    article: 'Article 26(6)',
    asks: 'deployers keep the logs under their control for a fitting time, at least six months',
    answeredBy: ['period', 'log'],
    evidence: ({ entries }) => entries,
    notCovered: ['logs that other systems generate'],
  },
]

export const mappingOf = (report: Counted): ComplianceReport['mapping'] =>
  PARAGRAPHS.map(({ article, asks, answeredBy, evidence, notCovered }) => ({
    ...{ article, asks, answeredBy: [...answeredBy], notCovered: [...notCovered] },
    evidence: evidence(report),
  }))
