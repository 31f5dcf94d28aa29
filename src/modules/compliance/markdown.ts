// The report of a period for people, in Markdown: whatever came from outside stands in code marks and cannot become markup.

import type { ComplianceReport } from './contract.ts'

const CODE_MAX_CHARS = 200

/** A name as code: control characters, backticks and bars are shown as escapes. */
const code = (text: string): string =>
  `\`${text
    .slice(0, CODE_MAX_CHARS)
    .replace(/[\p{C}\p{Zl}\p{Zp}`|]/gu, (unit) => `\\u{${(unit.codePointAt(0) ?? 0).toString(16)}}`)}\``

const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] =>
  rows.length === 0
    ? ['None in this period.']
    : [
        `| ${head.join(' | ')} |`,
        `|${head.map(() => ' --- ').join('|')}|`,
        ...rows.map((row) => `| ${row.join(' | ')} |`),
      ]

export function markdownOf({ period, log, entries, decisions, ...rest }: ComplianceReport): string {
  const { approvals, outcomes, violations, topViolators, mapping } = rest
  const { total, allowed, suspended, denied, letPass, solo, byRisk } = decisions
  return [
    `# Compliance report, ${period.from} to ${period.to}`,
    '',
    `Log ${code(log.origin)}, ${log.size} entries; ${entries} of them are behind this report.`,
    '',
    '## Decisions',
    '',
    `${total} requests were decided: ${allowed} allowed, ${suspended} held for approval, ${denied} denied.`,
    `${letPass} passed only because the gate did not enforce, ${solo} because there was a single approver.`,
    '',
    ...table(
      ['Risk', 'Requests'],
      byRisk.map(({ name, count }) => [code(name), count]),
    ),
    '',
    '## Approvals',
    '',
    ...table(
      ['Entry', 'Count'],
      approvals.map(({ name, count }) => [code(name), count]),
    ),
    '',
    '## Outcomes',
    '',
    ...table(
      ['Outcome', 'Count'],
      Object.entries(outcomes).map(([name, count]) => [name, count]),
    ),
    '',
    '## Violations',
    '',
    ...table(
      ['Severity', 'Requests', 'Rules'],
      violations.map(({ severity, count, policies }) => [
        severity,
        count,
        policies.map(({ name, count: times }) => `${code(name)} ${times}`).join(', '),
      ]),
    ),
    '',
    '## Who was stopped most often',
    '',
    ...table(
      ['Who', 'Requests', 'Critical', 'Binding'],
      topViolators.map(({ actor, count, critical, binding }) => [code(actor), count, critical, binding]),
    ),
    '',
    '## Regulation (EU) 2024/1689',
    '',
    ...table(
      ['Paragraph', 'What it asks', 'Answered by', 'Entries', 'Not covered'],
      mapping.map(({ article, asks, answeredBy, evidence, notCovered }) => [
        article,
        asks,
        answeredBy.length === 0 ? 'nothing' : answeredBy.map(code).join(', '),
        evidence,
        notCovered.join('; '),
      ]),
    ),
    '',
    'Each entry lies beside this report with its proof of inclusion. A proof shows that an entry stands in the log,',
    'not that no other one was left out: for that, verify the log itself.',
    '',
  ].join('\n')
}
