// What the page draws, read from the API's answers field by field.

import { count, type Json, list, number, raw, record, text } from './json.ts'
import { counted } from './numbers.ts'

const GRADES = ['A', 'B', 'C', 'D', 'F', 'U'] as const
export type Grade = (typeof GRADES)[number]

export interface Change {
  readonly points: number
  readonly asOf: string
}

export interface Measured {
  readonly asOf: string
  readonly health: number
}

export interface Failure {
  readonly code: string
  readonly message: string
  readonly at: string
}

export interface Summary {
  readonly commit: string
  readonly asOf: string
  readonly analyzedAt: string
  readonly health: number | null
  readonly healthCoverage: number
  readonly grade: Grade
  readonly scorecardCoverage: number
  readonly findings: number
  readonly isAlerting: boolean
  readonly sincePrevious: Change | null
  readonly since7Days: Change | null
  readonly since30Days: Change | null
  /** By the formula of the latest one, oldest first. */
  readonly history: readonly Measured[]
  readonly digest: string
}

export interface Repository {
  /** As sent; show it through `text`. */
  readonly name: string
  /** As sent; empty when it was erased. */
  readonly path: string
  /** Absent: it could never be analysed. */
  readonly summary?: Summary
  readonly failure?: Failure
}

export interface Pillar {
  readonly id: string
  readonly weight: number
  readonly score: number | null
  readonly reason: string
}

export interface Finding {
  readonly ruleId: string
  readonly level: string
  readonly message: string
  readonly place: string
}

export interface Analysis {
  readonly branch: string
  readonly healthCoverage: number
  readonly pillars: readonly Pillar[]
  readonly scorecard: number | null
  readonly scorecardCoverage: number
  readonly caps: readonly string[]
  readonly checks: readonly Pillar[]
  readonly findings: readonly Finding[]
  readonly findingsTotal: number
  readonly truckFactor: number | null
  readonly languages: readonly { readonly name: string; readonly lines: number }[]
  readonly hotspots: readonly { readonly place: string; readonly detail: string }[]
  readonly commits: number
  /** Null: the history of the last 90 days is not all there. */
  readonly commitsIn90Days: number | null
  readonly authors: number
  /** What could not be read completely, and why. */
  readonly warnings: readonly string[]
}

export interface Entry {
  readonly seq: number
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly actor: string
  readonly data: Json
  /** All of it, as sent. */
  readonly whole: Json
}

export interface Checkpoint {
  readonly origin: string
  readonly size: number
  /** Base64. */
  readonly rootHash: string
}

export function readRepository(value: unknown): Repository {
  const fields = record(value)
  const failure = fields.failure === undefined ? undefined : readFailure(record(fields.failure))
  return {
    name: raw(fields.name),
    path: raw(fields.path),
    ...(fields.grade === undefined ? {} : { summary: readSummary(fields) }),
    ...(failure ? { failure } : {}),
  }
}

function readSummary(fields: Json): Summary {
  const trend = record(fields.trend)
  return {
    commit: text(fields.commit),
    asOf: raw(fields.asOf),
    analyzedAt: raw(fields.analyzedAt),
    health: number(fields.health),
    healthCoverage: count(fields.healthCoverage),
    grade: readGrade(fields.grade),
    scorecardCoverage: count(fields.scorecardCoverage),
    findings: count(fields.findings),
    isAlerting: fields.isAlerting === true,
    sincePrevious: readChange(trend.sincePrevious),
    since7Days: readChange(trend.since7Days),
    since30Days: readChange(trend.since30Days),
    history: readHistory(fields.history),
    digest: raw(fields.analysisDigest),
  }
}

const readFailure = ({ code, message, at }: Json): Failure => ({
  code: text(code),
  message: text(message),
  at: raw(at),
})

const readGrade = (value: unknown): Grade => GRADES.find((grade) => grade === value) ?? 'U'

function readChange(value: unknown): Change | null {
  const { points, asOf } = record(value)
  const known = number(points)
  return known === null ? null : { points: known, asOf: raw(asOf) }
}

function readHistory(value: unknown): Measured[] {
  const all = list(value).map(record)
  const formula = all.at(-1)?.formula
  return all.flatMap((each) => {
    const health = number(each.health)
    return health === null || each.formula !== formula ? [] : [{ asOf: raw(each.asOf), health }]
  })
}

/** `analysis` as `mirror.repository` answers it: a document `polity.analysis/1`. */
export function readAnalysis(value: unknown): Analysis {
  const fields = record(value)
  const health = record(fields.health)
  const scorecard = record(fields.scorecard)
  const findings = record(fields.findings)
  const commits = record(fields.commits)
  const lines = record(fields.lines)
  return {
    branch: text(record(fields.repository).branch),
    healthCoverage: count(health.coverage),
    pillars: list(health.pillars).map(readPillar),
    scorecard: number(scorecard.score),
    scorecardCoverage: count(scorecard.coverage),
    caps: list(scorecard.caps).flatMap(readCap),
    checks: list(scorecard.checks).map(readPillar),
    findings: list(findings.items).map(readFinding),
    findingsTotal: count(findings.total),
    truckFactor: number(record(fields.truckFactor).value),
    languages: list(fields.languages).map(readLanguage),
    hotspots: list(record(fields.hotspots).items).map(readHotspot),
    commits: count(commits.total),
    commitsIn90Days: number(commits.last90Days),
    authors: count(commits.authors),
    warnings: [
      ...(lines.state === 'complete'
        ? []
        : [`Line counts of the history are ${text(lines.state)}: ${text(lines.reason)}`]),
      ...list(fields.warnings).map(text),
      ...list(fields.limits).map((limit) => `A bound was reached: ${text(limit)}`),
    ],
  }
}

/** Only the caps that lowered the grade. */
function readCap(value: unknown): string[] {
  const { limit, applied, reason } = record(value)
  return applied === true ? [`at most ${text(limit)}, because ${text(reason)}`] : []
}

function readPillar(value: unknown): Pillar {
  const { id, weight, score, reason } = record(value)
  const known = number(score)
  // OpenSSF Scorecard writes -1 for what it could not measure.
  return {
    id: text(id),
    weight: count(weight),
    score: known !== null && known < 0 ? null : known,
    reason: text(reason),
  }
}

function readFinding(value: unknown): Finding {
  const { ruleId, level, message, path, line } = record(value)
  const at = number(line)
  return {
    ruleId: text(ruleId),
    level: text(level),
    message: text(message),
    place: at === null ? text(path) : `${text(path)}:${at}`,
  }
}

function readLanguage(value: unknown): Analysis['languages'][number] {
  const { name, lines } = record(value)
  return { name: text(name), lines: count(lines) }
}

function readHotspot(value: unknown): Analysis['hotspots'][number] {
  const { path, line, changes, cognitive, function: name } = record(value)
  return {
    place: `${text(path)}:${count(line)}`,
    detail: `${text(name)}, complexity ${count(cognitive)}, changed ${counted(count(changes), 'time')} in a year`,
  }
}

export function readEntry(value: unknown): Entry {
  const whole = record(value)
  return {
    seq: count(whole.seq),
    type: text(whole.type),
    subject: text(whole.subject),
    time: raw(whole.time),
    actor: text(whole.actor),
    data: record(whole.data),
    whole,
  }
}

/** C2SP tlog-checkpoint: origin, size and root hash are the first three lines. */
export function readCheckpoint(value: unknown): Checkpoint | undefined {
  const [origin = '', size = '', rootHash = ''] = raw(value).split('\n')
  if (!/^\d{1,15}$/.test(size) || !/^[A-Za-z0-9+/]{43}=$/.test(rootHash)) return undefined
  return { origin: text(origin), size: Number(size), rootHash }
}
