// Analysed repositories as a table: name, health, grade, trend and findings, or why there are none.

import type { Static } from '../../kernel/schema/schema.ts'
import type { analyze } from '../../modules/mirror/contract.ts'
import { escapeText } from './escape.ts'
import { tableLines } from './table.ts'
import { wrapText } from './text-width.ts'

/** What `mirror.analyze` answers of one repository. */
export type AnalyzedRepository = Static<typeof analyze.output>['outcomes'][number]

interface Change {
  readonly points: number
  readonly asOf: string
}

export interface Trend {
  readonly sincePrevious: Change | null
  readonly since7Days: Change | null
  readonly since30Days: Change | null
}

export interface ShownRepository extends AnalyzedRepository {
  readonly trend: Trend | null
}

const UNKNOWN = '–'
const COLUMNS = [
  { title: 'name' },
  { title: 'health', isNumeric: true },
  { title: 'grade' },
  { title: 'trend', isNumeric: true },
  { title: 'findings', isNumeric: true },
] as const

/** The table, and below it the reason of each failure in full, and every notice. */
export function repositoryLines(repositories: readonly ShownRepository[], width?: number): string[] {
  const rows = repositories.map(({ name, status, health, grade, trend, findings }) =>
    status === 'failed'
      ? [name, 'failed', UNKNOWN, UNKNOWN, UNKNOWN]
      : [name, health === null ? UNKNOWN : health.toFixed(1), grade, trendText(trend), String(findings)],
  )
  const failures = repositories.flatMap(({ name, code, message }) =>
    code === undefined
      ? []
      : [`${escapeText(name)}: ${escapeText(message ?? 'failed')} (${escapeText(code)})`],
  )
  const notices = repositories.flatMap(({ name, notices = [] }) =>
    notices.map((notice) => `${escapeText(name)}: ${escapeText(notice)}`),
  )
  const reasons = [...failures, ...notices].flatMap((line) =>
    width === undefined ? [line] : wrapText(line, width),
  )
  return [...tableLines(COLUMNS, rows, width), ...(reasons.length > 0 ? ['', ...reasons] : [])]
}

/** Points since the previous analysis; the first one has nothing to compare with. */
function trendText(trend: Trend | null): string {
  const points = trend?.sincePrevious?.points
  if (points === undefined) return UNKNOWN
  const rounded = points.toFixed(1)
  if (Number(rounded) === 0) return '='
  return points > 0 ? `+${rounded}` : rounded
}

/** A row of the hub's list; one that was never analysed has a failure only. */
interface ListedRepository extends Partial<Omit<AnalyzedRepository, 'status' | 'code' | 'message'>> {
  readonly name: string
  readonly trend?: Trend | null
  readonly failure?: { readonly code: string; readonly message: unknown }
}

/** Lines for a page of `mirror.repositories`: each last good analysis, and why there is no newer one. */
export const listedRepositoryLines = (page: unknown, width?: number): string[] =>
  repositoryLines((page as { readonly items: readonly ListedRepository[] }).items.map(shownRepository), width)

const shownRepository = ({
  name,
  health = null,
  grade,
  findings = 0,
  trend = null,
  failure,
}: ListedRepository): ShownRepository => ({
  name,
  status: grade === undefined ? 'failed' : 'analyzed',
  health,
  grade: grade ?? UNKNOWN,
  findings,
  trend,
  // An erased reason is no text any more.
  ...(failure === undefined
    ? {}
    : { code: failure.code, message: typeof failure.message === 'string' ? failure.message : 'failed' }),
})
