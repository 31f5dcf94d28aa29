// Writes what was measured into the document: rounding, shown texts, bounds and warnings.

import { roundTo } from '../../kit/formula.ts'
import { ANALYSIS_SCHEMA, type Analysis, ENGINE } from './document.ts'
import { reportFindings } from './findings.ts'
import { displayText } from './git/display.ts'
import type { Repository } from './git/repository.ts'
import { HEALTH_FORMULA, type Health } from './health/health.ts'
import type { Activity } from './history/activity.ts'
import type { People } from './history/people.ts'
import type { History } from './history/scan.ts'
import { MAX_ANALYSIS_BYTES, MAX_FINDINGS, MAX_LARGE_BLOBS, MAX_MEMBERS, MAX_PATH_CHARS } from './limits.ts'
import {
  ABSENCE_METHOD,
  fileCounts,
  type Measures,
  perWeek,
  type Scanned,
  TRUCK_FACTOR_METHOD,
} from './measures.ts'
import type { RawFinding } from './scorecard/check.ts'
import { SCORECARD_FORMULA, type Scorecard } from './scorecard/scorecard.ts'
import { COMPLEXITY_METHOD } from './tree/complexity.ts'
import type { Tree } from './tree/scan.ts'

export interface Composition extends Scanned {
  readonly repository: Repository
  readonly measures: Measures
  readonly scorecard: Scorecard
  readonly securityFindings: readonly RawFinding[]
  readonly health: Health
}

export function compose(parts: Composition): Analysis {
  const { repository, history, people, activity, tree, measures, scorecard, health } = parts
  const blobs = new Map(tree?.files.map(({ path, id }) => [path, id]))
  const findings = reportFindings(
    [...parts.securityFindings, ...measures.complexFunctions],
    (path) => blobs.get(path) ?? null,
  )
  return boundAnalysis({
    schema: ANALYSIS_SCHEMA,
    engine: ENGINE,
    formulas: { health: HEALTH_FORMULA, scorecard: SCORECARD_FORMULA },
    repository: {
      name: repository.name,
      commit: repository.head,
      branch: repository.branch,
      objectFormat: repository.objectFormat,
      bare: repository.isBare,
      shallow: repository.shallowFile !== null,
      partial: repository.isPartial,
    },
    asOf: isoOf(parts.asOfS),
    health: { score: health.score, coverage: health.coverage, pillars: health.pillars },
    scorecard,
    findings,
    commits: commitsOf(activity),
    absenceFactor: absenceOf(measures, activity, people),
    truckFactor: truckFactorOf(measures, people),
    hotspots: { method: COMPLEXITY_METHOD, unit: measures.churn.unit, items: measures.hotspots },
    coupling: couplingOf(measures, tree),
    languages: measures.languages,
    files: tree && fileCounts(tree),
    lines: linesOf(history, repository),
    limits: limitsOf(history, tree, findings.total),
    warnings: warningsOf(parts),
  })
}

/** A document that is too large to be kept loses findings from the end, and says so. */
export function boundAnalysis(analysis: Analysis): Analysis {
  const { items, total } = analysis.findings
  let spareBytes = MAX_ANALYSIS_BYTES - jsonBytes({ ...analysis, findings: { items: [], total } })
  const kept = items.findIndex((finding) => {
    spareBytes -= jsonBytes(finding) + 1
    return spareBytes < 0
  })
  if (kept < 0) return analysis
  const limits = [...new Set([...analysis.limits, 'findings'])]
  return { ...analysis, findings: { items: items.slice(0, kept), total }, limits }
}

/** As many as the canonical form has: that differs in the order of members only. */
const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value))

/** `2026-01-31T12:00:00Z`. */
const isoOf = (seconds: number): string => new Date(seconds * 1_000).toISOString().replace('.000Z', 'Z')

function commitsOf(activity: Activity): Analysis['commits'] {
  const knows90Days = activity.knowsLastDays(90)
  return {
    total: activity.commits,
    merges: activity.merges,
    last90Days: knows90Days ? activity.last90Days : null,
    last90DaysByPeople: knows90Days ? activity.last90DaysByPeople : null,
    perWeek: perWeek(activity),
    authors: activity.people,
    bots: activity.bots,
    firstAt: isoOf(activity.firstAtS),
    lastAt: isoOf(activity.lastAtS),
  }
}

function absenceOf(measures: Measures, activity: Activity, people: People): Analysis['absenceFactor'] {
  const members =
    measures.absence === null ? [] : activity.yearByAuthor.slice(0, Math.min(measures.absence, MAX_MEMBERS))
  return {
    value: measures.absence,
    method: ABSENCE_METHOD,
    members: members.map(({ author, commits }) => ({ ...labelOf(people, author), commits })),
  }
}

function truckFactorOf({ ownership }: Measures, people: People): Analysis['truckFactor'] {
  const members = ownership?.members.slice(0, MAX_MEMBERS) ?? []
  return {
    value: ownership?.truckFactor ?? null,
    method: TRUCK_FACTOR_METHOD,
    members: members.map(({ author, files }) => ({ ...labelOf(people, author), files })),
  }
}

function labelOf(people: People, author: number): { identity: string; name: string } {
  const { identity = '', name = '' } = people.authors[author] ?? {}
  return { identity, name }
}

function couplingOf({ coupling }: Measures, tree: Tree | null): Analysis['coupling'] {
  const shown = (file: number) => displayText(tree?.files[file]?.path ?? '', MAX_PATH_CHARS)
  return {
    pairs: coupling?.pairs ?? null,
    acrossModules: coupling?.acrossModules ?? 0,
    strongest: (coupling?.strongest ?? []).map(({ a, b, percent, shared }) => ({
      paths: [shown(a), shown(b)],
      percent: roundTo(percent, 1),
      shared,
    })),
  }
}

function linesOf(history: History, repository: Repository): Analysis['lines'] {
  if (history.detail === 'lines')
    return { state: 'complete', reason: 'every commit was compared line by line' }
  const some = history.rows.some((row) => history.commits.hasLines[row] === 1)
  const why = repository.isPartial
    ? 'a partial clone: objects were left out'
    : history.complaint || 'the trees were not compared'
  return { state: some ? 'partial' : 'unknown', reason: why }
}

function limitsOf(history: History, tree: Tree | null, findings: number): string[] {
  return [
    ...(history.isTruncated ? ['commits'] : []),
    ...(tree?.isTruncated ? ['files'] : []),
    ...((tree?.unread ?? 0) > 0 ? ['content'] : []),
    ...((tree?.oversize ?? 0) > MAX_LARGE_BLOBS ? ['large-files'] : []),
    ...(findings > MAX_FINDINGS ? ['findings'] : []),
  ]
}

function warningsOf({ repository, history, activity, tree, asOfS }: Composition): string[] {
  const warnings: string[] = []
  if (repository.shallowFile !== null)
    warnings.push('a shallow clone: what needs the whole history is not known')
  if (repository.isPartial) warnings.push('a partial clone: what needs absent objects is not known')
  if (history.isTruncated) warnings.push('only the newest commits were read')
  if (history.clampedTimes > 0)
    warnings.push(`${history.clampedTimes} commits have a time that no date can show`)
  if (activity.afterAsOf > 0) warnings.push(`${activity.afterAsOf} commits are dated after ${isoOf(asOfS)}`)
  if (tree === null) warnings.push('the files of the head commit are not here')
  if ((tree?.missing ?? 0) > 0) warnings.push(`${tree?.missing} files of the head commit are not here`)
  return warnings
}
