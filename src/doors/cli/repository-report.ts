// One repository for people: the summary, why health and grade are what they are, first findings, hotspots.

import { escapeText } from './escape.ts'
import { recordLines } from './render.ts'
import { type Column, tableLines } from './table.ts'
import { foldText } from './text-width.ts'

interface Part {
  readonly id: string
  readonly weight: number
  /** Null, or below 0: unknown. */
  readonly score: number | null
  readonly reason: string
}

interface Analysis {
  readonly repository: { readonly branch: string | null }
  readonly health: { readonly pillars: readonly Part[] }
  readonly scorecard: {
    readonly checks: readonly Part[]
    readonly caps: readonly { readonly applied: boolean | null; readonly reason: string }[]
  }
  readonly findings: {
    readonly items: readonly {
      readonly ruleId: string
      readonly level: string
      readonly message: string
      readonly path: string | null
      readonly line: number | null
    }[]
    readonly total: number
  }
  readonly hotspots: {
    readonly items: readonly {
      readonly path: string
      readonly line: number
      readonly function: string
      readonly changes: number
      readonly cognitive: number
    }[]
  }
}

interface Change {
  readonly points: number
}

interface ShownRepository {
  readonly name: string
  readonly path?: unknown
  readonly commit: string
  readonly asOf: string
  readonly analyzedAt: string
  readonly health: number | null
  readonly healthCoverage: number
  readonly grade?: string
  readonly scorecardCoverage: number
  readonly findings: number
  readonly trend?: { readonly sincePrevious: Change | null; readonly since7Days: Change | null }
  readonly failure?: { readonly code: string; readonly message: unknown }
  readonly analysis?: Analysis | { readonly $erased: unknown }
}

const FINDINGS_SHOWN = 10
const HOTSPOTS_SHOWN = 5
const COMMIT_SHOWN_CHARS = 10
const UNGRADED = 'U'

export function repositoryReportLines(output: unknown, width?: number): string[] {
  const repository = output as ShownRepository
  const { analysis } = repository
  return [
    ...summaryLines(repository, width),
    ...(analysis === undefined || '$erased' in analysis ? [] : analysisLines(analysis, width)),
  ]
}

function summaryLines(repository: ShownRepository, width?: number): string[] {
  const { name, path, commit, asOf, grade, findings, failure, analysis } = repository
  const place = typeof path === 'string' ? { path } : {}
  const reason =
    failure === undefined
      ? {}
      : {
          failed: `${typeof failure.message === 'string' ? failure.message : '(erased)'} (${failure.code})`,
        }
  if (grade === undefined) return wrapped(recordLines({ name, ...place, ...reason }), width)
  const branch = analysis !== undefined && 'repository' in analysis ? analysis.repository.branch : null
  return wrapped(
    recordLines({
      name,
      ...place,
      commit: `${commit.slice(0, COMMIT_SHOWN_CHARS)}${branch === null ? '' : ` on ${branch}`}, as of ${asOf}`,
      health: `${scoreText(repository.health)} of 100, ${percent(repository.healthCoverage)} measured${trendText(repository)}`,
      grade: gradeText(grade, repository.scorecardCoverage),
      findings,
      ...reason,
    }),
    width,
  )
}

const wrapped = (lines: readonly string[], width: number | undefined): string[] =>
  width === undefined ? [...lines] : lines.flatMap((line) => foldText(line, width))

const gradeText = (grade: string, coverage: number): string =>
  grade === UNGRADED
    ? `${grade}: ungraded, ${percent(coverage)} measured`
    : `${grade}, ${percent(coverage)} measured`

function trendText({ trend }: ShownRepository): string {
  const points = (trend?.since7Days ?? trend?.sincePrevious)?.points
  if (points === undefined) return ''
  const since = trend?.since7Days ? 'in 7 days' : 'since the last analysis'
  return `, ${points > 0 ? '+' : ''}${points.toFixed(1)} ${since}`
}

const percent = (share: number): string => `${Math.round(share * 100)} %`

const isUnknown = (score: number | null): boolean => score === null || score < 0
const scoreText = (score: number | null): string =>
  score === null || score < 0 ? 'unknown' : score.toFixed(1)

function analysisLines({ health, scorecard, findings, hotspots }: Analysis, width?: number): string[] {
  const caps = scorecard.caps.flatMap(({ applied, reason }) =>
    applied === true ? [`capped: ${escapeText(reason)}`] : [],
  )
  return [
    '',
    ...partLines('pillar', health.pillars, width),
    '',
    ...partLines('check', scorecard.checks, width),
    ...wrapped(caps, width),
    ...findingLines(findings, width),
    ...hotspotLines(hotspots.items, width),
  ]
}

/** What was measured first, by weight, then what is unknown and why. */
function partLines(title: string, parts: readonly Part[], width?: number): string[] {
  const columns: readonly Column[] = [
    { title, isWhole: true },
    { title: 'score', isNumeric: true },
    { title: 'weight', isNumeric: true, isOptional: true },
    { title: 'reason', isWrapped: true },
  ]
  const sorted = [...parts].sort(
    (one, other) =>
      Number(isUnknown(one.score)) - Number(isUnknown(other.score)) || other.weight - one.weight,
  )
  return tableLines(
    columns,
    sorted.map(({ id, score, weight, reason }) => [id, scoreText(score), String(weight), reason]),
    width,
  )
}

function findingLines({ items, total }: Analysis['findings'], width?: number): string[] {
  if (items.length === 0) return []
  const shown = items.slice(0, FINDINGS_SHOWN)
  const columns: readonly Column[] = [
    { title: 'finding' },
    { title: 'where', isWrapped: true },
    { title: 'what', isWrapped: true },
  ]
  const rows = shown.map(({ level, path, line, message }) => [
    level,
    path === null ? 'the repository' : placeOf(path, line),
    message,
  ])
  const more = total > shown.length ? [`${total - shown.length} more findings: --json has them`] : []
  return ['', ...tableLines(columns, rows, width), ...more]
}

function hotspotLines(items: Analysis['hotspots']['items'], width?: number): string[] {
  if (items.length === 0) return []
  const columns: readonly Column[] = [
    { title: 'hotspot', isWrapped: true },
    { title: 'function' },
    { title: 'changes', isNumeric: true },
    { title: 'complexity', isNumeric: true },
  ]
  const rows = items
    .slice(0, HOTSPOTS_SHOWN)
    .map((each) => [
      placeOf(each.path, each.line),
      each.function,
      String(each.changes),
      String(each.cognitive),
    ])
  return ['', ...tableLines(columns, rows, width)]
}

const placeOf = (path: string, line: number | null): string => (line === null ? path : `${path}:${line}`)
