// The analysis document as the services know it: repositories by name, and a summary of them all.

import type { Reads } from '../../kernel/catalog/context.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { roundTo } from '../../kit/formula.ts'
import { type analyze, isAnalyzed, type RepositoryRow, repositories } from '../mirror/contract.ts'

/** Names of fields are those of the services. */
export interface AnalysisDocument {
  readonly analysis_id: string
  /** RFC 3339. */
  readonly timestamp: string
  readonly repositories: Readonly<Record<string, AnalyzedRepository | FailedRepository>>
  readonly summary: AnalysisSummary
  /** Ids of the local attestations over it. */
  readonly statements: readonly string[]
}

interface AnalyzedRepository {
  readonly status: 'analyzed'
  readonly commit: string
  readonly as_of: string
  readonly health_score: number | null
  readonly health_coverage: number
  readonly security_grade: string
  readonly scorecard: number | null
  readonly findings: number
  readonly formulas: { readonly health: string; readonly scorecard: string }
  readonly analysis_digest: string
  /** Against the analysis before, by the same formula. */
  readonly health_change: number | null
}

interface FailedRepository {
  readonly status: 'failed'
  readonly code: string
}

export interface AnalysisSummary {
  readonly total_repositories: number
  readonly analyzed: number
  readonly failed: number
  readonly average_health_score: number | null
  readonly minimum_health_score: number | null
  readonly maximum_health_score: number | null
  readonly overall_security: 'good' | 'needs_attention' | 'unknown'
  readonly findings: number
  readonly average_health_change: number | null
}

/** Of public fields only: paths, and analyses in full, stay here. */
export async function documentOf(
  reads: Pick<Reads, 'get'>,
  { outcomes, statements }: Static<typeof analyze.output>,
  { analysisId, timestamp }: { readonly analysisId: string; readonly timestamp: string },
): Promise<AnalysisDocument> {
  const found = await Promise.all(
    outcomes.map(async ({ name, status, code }): Promise<[string, AnalyzedRepository | FailedRepository]> => {
      const row = status === 'analyzed' ? (await reads.get(repositories, name))?.value : undefined
      const isThere = row !== undefined && isAnalyzed(row)
      return [name, isThere ? analyzedOf(row) : { status: 'failed', code: code ?? 'not-found' }]
    }),
  )
  return {
    analysis_id: analysisId,
    timestamp,
    // As own properties, whatever a repository is called.
    repositories: Object.fromEntries(found),
    summary: summaryOf(found.map(([, each]) => each)),
    statements,
  }
}

function analyzedOf(row: RepositoryRow): AnalyzedRepository {
  return {
    status: 'analyzed',
    commit: row.commit,
    as_of: row.asOf,
    health_score: row.health,
    health_coverage: row.healthCoverage,
    security_grade: row.grade,
    scorecard: row.scorecard,
    findings: row.findings,
    formulas: row.formulas,
    analysis_digest: row.analysisDigest,
    health_change: changeOf(row),
  }
}

function changeOf({ history }: RepositoryRow): number | null {
  const last = history.at(-1)
  const before = history.at(-2)
  if (last?.health == null || before?.health == null || last.formula !== before.formula) return null
  return roundTo(last.health - before.health, 1)
}

/** The services call 80 of 100 and better good, which is a B. */
const GOOD_GRADES: readonly string[] = ['A', 'B']
const UNKNOWN_GRADE = 'U'

function summaryOf(found: readonly (AnalyzedRepository | FailedRepository)[]): AnalysisSummary {
  const analyzed = found.filter((each) => each.status === 'analyzed')
  const scores = analyzed.flatMap(({ health_score }) => (health_score === null ? [] : [health_score]))
  const changes = analyzed.flatMap(({ health_change }) => (health_change === null ? [] : [health_change]))
  return {
    total_repositories: found.length,
    analyzed: analyzed.length,
    failed: found.length - analyzed.length,
    average_health_score: mean(scores),
    minimum_health_score: scores.length === 0 ? null : Math.min(...scores),
    maximum_health_score: scores.length === 0 ? null : Math.max(...scores),
    overall_security: securityOf(analyzed.map(({ security_grade }) => security_grade)),
    findings: analyzed.reduce((total, { findings }) => total + findings, 0),
    average_health_change: mean(changes),
  }
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : roundTo(values.reduce((total, value) => total + value, 0) / values.length, 1)

/** One bad grade outweighs what is not known. */
function securityOf(grades: readonly string[]): AnalysisSummary['overall_security'] {
  const known = grades.filter((grade) => grade !== UNKNOWN_GRADE)
  if (known.some((grade) => !GOOD_GRADES.includes(grade))) return 'needs_attention'
  return known.length === 0 || known.length < grades.length ? 'unknown' : 'good'
}
