// What the history and the files of a repository add up to, and which of it is known well enough to score.

import { roundTo } from '../../kit/formula.ts'
import type { Analysis, Hotspot, LanguageTotal } from './document.ts'
import { displayText } from './git/display.ts'
import type { HealthFacts } from './health/facts.ts'
import { practiceOf } from './health/practice.ts'
import { ACTIVE_WEEKS, type Activity, absenceFactor } from './history/activity.ts'
import { type Churn, churnOf } from './history/churn.ts'
import { type Coupling, couplingOf, moduleOfPath } from './history/coupling.ts'
import { followFiles } from './history/files.ts'
import { type Ownership, ownershipOf } from './history/ownership.ts'
import type { People } from './history/people.ts'
import type { History } from './history/scan.ts'
import { MAX_HOTSPOTS, MAX_NAME_CHARS, MAX_PATH_CHARS } from './limits.ts'
import type { RawFinding } from './scorecard/check.ts'
import { COMPLEX, COMPLEXITY_METHOD } from './tree/complexity.ts'
import { isGenerated, isOwnWork, isVendored } from './tree/paths.ts'
import type { ScannedFile, Tree } from './tree/scan.ts'

const YEAR_DAYS = 365
export const MAILMAP = '.mailmap'
export const TRUCK_FACTOR_METHOD = 'degree of authorship over the whole history (Avelino 2016)'
export const ABSENCE_METHOD = 'fewest people with half of the commits of 365 days (CHAOSS)'

export interface Measures {
  readonly absence: number | null
  readonly ownership: Ownership | null
  readonly churn: Churn
  readonly coupling: Coupling | null
  readonly hotspots: readonly Hotspot[]
  readonly languages: readonly LanguageTotal[]
  readonly complexFunctions: readonly RawFinding[]
  readonly health: Omit<HealthFacts, 'security'>
}

export interface Scanned {
  readonly history: History
  readonly people: People
  readonly activity: Activity
  /** Null when the trees are not here. */
  readonly tree: Tree | null
  readonly asOfS: number
}

export function measure(scanned: Scanned): Measures {
  const { history, people, activity, tree, asOfS } = scanned
  const files = tree?.files ?? []
  const own = files.map(({ path }) => isOwnWork(path))
  const modules = files.map(({ path }, file) => (own[file] ? moduleOfPath(path) : null))
  const knows = knowledgeOf(scanned)
  const followed = followFiles(
    history,
    files.map(({ path }) => path),
  )
  const churn = churnOf(history, followed, asOfS, YEAR_DAYS)
  const absence = knows.year ? absenceFactor(activity.yearByAuthor.map(({ commits }) => commits)) : null
  const measured = {
    absence,
    churn,
    ownership: knows.everyChange
      ? ownershipOf(history, people, followed, (file) => own[file] === true)
      : null,
    coupling: knows.everyChange ? couplingOf(history, followed, (file) => modules[file] ?? null) : null,
    exposure: knows.year && knows.changes ? exposure(files, own, churn) : null,
  }
  return {
    ...measured,
    hotspots: hotspotsOf(files, own, churn),
    languages: languagesOf(files),
    complexFunctions: complexFunctionsOf(files, own),
    health: { ...healthFacts(scanned, knows, measured), unknown: reasons(knows, measured.coupling) },
  }
}

/** What of the input is here, which decides what may be said. */
interface Knowledge {
  /** Every commit of the last 365 days. */
  readonly year: boolean
  /** Which files each known commit changed. */
  readonly changes: boolean
  /** The same of every commit there ever was. */
  readonly everyChange: boolean
  /** Without the mailmap one person may count as several. */
  readonly people: boolean
}

function knowledgeOf({ history, activity, tree }: Scanned): Knowledge {
  const changes = history.detail !== 'commits' && tree !== null && !tree.isTruncated
  const hasMailmap = tree?.files.some(({ path }) => path === MAILMAP) === true
  return {
    year: activity.knowsLastDays(YEAR_DAYS),
    changes,
    everyChange: changes && activity.isWhole,
    people: tree !== null && (!hasMailmap || tree.texts.has(MAILMAP)),
  }
}

interface Measured {
  readonly absence: number | null
  readonly ownership: Ownership | null
  readonly coupling: Coupling | null
  readonly exposure: HealthFacts['hotspots']
}

function healthFacts(
  { activity, tree }: Scanned,
  knows: Knowledge,
  { absence, ownership, coupling, exposure: hotspots }: Measured,
): Omit<HealthFacts, 'security' | 'unknown'> {
  const knowsWeeks = activity.knowsLastDays(ACTIVE_WEEKS * 7)
  const knowsOwners = absence !== null && ownership !== null && knows.people
  return {
    activity: knowsWeeks
      ? { commits90Days: activity.last90DaysByPeople, activeWeeks: activity.activeWeeks, weeks: ACTIVE_WEEKS }
      : null,
    continuity: knowsOwners ? { absenceFactor: absence, truckFactor: ownership.truckFactor } : null,
    hotspots,
    structure: structureOf(coupling),
    practice: tree && !tree.isTruncated ? practiceOf(tree.files) : null,
  }
}

function reasons(knows: Knowledge, coupling: Coupling | null): HealthFacts['unknown'] {
  const cut = 'not every commit, or not what each changed, is here'
  const uncoupled =
    coupling?.pairs === null ? 'too many pairs of files to count' : 'no two files changed together five times'
  return {
    activity: 'the history of the last 13 weeks is not all here',
    continuity: knows.people ? cut : 'the mailmap is not here',
    hotspots: knows.year && knows.changes ? 'no measured language changed, or not all of it is here' : cut,
    structure: coupling ? uncoupled : cut,
    practice: 'the tree is not here or not all of it was read',
    security: 'a check could not read what it judges',
  }
}

const structureOf = (coupling: Coupling | null): HealthFacts['structure'] =>
  coupling === null || coupling.pairs === null
    ? null
    : { pairs: coupling.pairs, acrossModules: coupling.acrossModules }

/** Unknown as soon as a changed file of a measured language was not read: it might be the complex one. */
function exposure(
  files: readonly ScannedFile[],
  own: readonly boolean[],
  churn: Churn,
): HealthFacts['hotspots'] {
  let total = 0
  let complex = 0
  let measuredFiles = 0
  for (const [file, { language, facts }] of files.entries()) {
    const amount = churn.amount[file] ?? 0
    if (!own[file] || !language?.grammar) continue
    if (facts === null && amount > 0) return null
    if (facts === null || facts.functions === null) continue
    measuredFiles += 1
    total += amount
    if (facts.complexCount > 0) complex += amount
  }
  return { churn: total, complexChurn: complex, unit: churn.unit, measuredFiles, method: COMPLEXITY_METHOD }
}

/** Complex and often changed: ranked by changes times complexity. */
function hotspotsOf(files: readonly ScannedFile[], own: readonly boolean[], churn: Churn): Hotspot[] {
  const ranked = files
    .map((file, at) => ({ file, at, weight: (churn.changes[at] ?? 0) * (file.facts?.highest ?? 0) }))
    .filter(({ file, at, weight }) => own[at] && weight > 0 && (file.facts?.complexCount ?? 0) > 0)
    .sort((a, b) => b.weight - a.weight || a.at - b.at)
  return ranked.slice(0, MAX_HOTSPOTS).flatMap(({ file, at }) => {
    const worst = file.facts?.complex[0]
    if (!worst) return []
    return [
      {
        path: displayText(file.path, MAX_PATH_CHARS),
        changes: churn.changes[at] ?? 0,
        churn: churn.amount[at] ?? 0,
        cognitive: worst.score,
        function: displayText(worst.name, MAX_NAME_CHARS),
        line: worst.line,
      },
    ]
  })
}

function complexFunctionsOf(files: readonly ScannedFile[], own: readonly boolean[]): RawFinding[] {
  return files.flatMap(({ path, facts }, at) =>
    own[at]
      ? (facts?.complex ?? []).map(({ name, line, score }) => ({
          ruleId: 'hotspot/complex-function',
          level: 'note' as const,
          message: `cognitive complexity ${score}, ${COMPLEX} is the limit: ${name}`,
          path,
          line,
          snippet: name,
        }))
      : [],
  )
}

function languagesOf(files: readonly ScannedFile[]): LanguageTotal[] {
  const totals = new Map<string, LanguageTotal>()
  for (const { path, language, facts } of files) {
    if (!language || !facts || facts.isBinary || isVendored(path) || isGenerated(path)) continue
    const known = totals.get(language.name)
    totals.set(language.name, {
      name: language.name,
      files: (known?.files ?? 0) + 1,
      lines: (known?.lines ?? 0) + facts.lines,
      code: language.syntax ? (known?.code ?? 0) + (facts.code ?? 0) : null,
      comment: language.syntax ? (known?.comment ?? 0) + (facts.comment ?? 0) : null,
    })
  }
  return [...totals.values()].sort((a, b) => b.lines - a.lines || (a.name < b.name ? -1 : 1))
}

/** Commits per week by people, mean of the last 13 weeks. */
export const perWeek = (activity: Activity): number | null =>
  activity.knowsLastDays(ACTIVE_WEEKS * 7) ? roundTo(activity.last13WeeksByPeople / ACTIVE_WEEKS, 2) : null

export function fileCounts(tree: Tree): NonNullable<Analysis['files']> {
  const count = (matches: (file: ScannedFile) => boolean) => tree.files.filter(matches).length
  return {
    total: tree.files.length,
    binary: count(({ facts }) => facts?.isBinary === true),
    symlinks: tree.symlinks,
    submodules: tree.submodules,
    vendored: count(({ path }) => isVendored(path)),
    generated: count(({ path }) => !isVendored(path) && isGenerated(path)),
    missing: tree.missing,
    oversize: tree.oversize,
    unread: tree.unread,
  }
}
