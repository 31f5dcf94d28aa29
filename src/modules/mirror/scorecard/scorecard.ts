// `scorecard-offline/1`: the checks of OpenSSF Scorecard that a clone alone can answer, their mean and a grade.

import { type Formula, score } from '../../../kit/formula.ts'
import { type Check, type CheckInput, type CheckResult, type RawFinding, unknown, unread } from './check.ts'
import {
  binaryArtifacts,
  dependencyUpdateTool,
  fuzzing,
  isReadByFileChecks,
  license,
  maintained,
  packaging,
  sast,
  securityPolicy,
} from './file-checks.ts'
import { isReadForPinning, pinnedDependencies } from './pinned-dependencies.ts'
import { isWorkflow } from './workflow.ts'
import { dangerousWorkflow, tokenPermissions } from './workflow-checks.ts'

export const SCORECARD_FORMULA = 'scorecard-offline/1'
export type Grade = 'A' | 'B' | 'C' | 'D' | 'F' | 'U'

const CHECKS: readonly Check[] = [
  dangerousWorkflow,
  tokenPermissions,
  binaryArtifacts,
  dependencyUpdateTool,
  notHere('Vulnerabilities', 7.5, 'no local database of vulnerabilities is configured'),
  maintained,
  pinnedDependencies,
  sast,
  securityPolicy,
  fuzzing,
  packaging,
  license,
]

/** Weight of all 20 checks upstream: 2 critical, 8 high, 6 medium, 4 low. */
const FULL_WEIGHT = 2 * 10 + 8 * 7.5 + 6 * 5 + 4 * 2.5
/** Below this share of the weight the grade is U. */
const MIN_COVERAGE = 0.35
const GRADES: readonly (readonly [grade: Grade, from: number])[] = [
  ['A', 8],
  ['B', 6.5],
  ['C', 5],
  ['D', 3.5],
  ['F', 0],
]

/** A cap can only lower a grade. `applied` is null when what it depends on is not known. */
export interface Cap {
  readonly id: string
  readonly limit: Grade
  readonly applied: boolean | null
  readonly reason: string
}

export interface Scorecard {
  readonly score: number | null
  readonly grade: Grade
  readonly coverage: number
  readonly caps: readonly Cap[]
  readonly checks: readonly {
    readonly id: string
    readonly weight: number
    /** 0 to 10; -1 when unknown, as upstream writes it. */
    readonly score: number
    readonly reason: string
    readonly findings: number
  }[]
}

/** Whether any check reads the text of this file. */
export const isChecked = (path: string): boolean =>
  isWorkflow(path) || isReadByFileChecks(path) || isReadForPinning(path)

/**
 * Runs every check. Equal input gives an equal result, findings in the order of the checks.
 * @param input null when the files are not all known: then nothing is, for absence would prove nothing
 */
export function scoreSecurity(input: CheckInput | null): {
  scorecard: Scorecard
  findings: RawFinding[]
  /** True when a check is unknown because its input could not be read: then the score may be too high. */
  lacksInput: boolean
} {
  const results = CHECKS.map((check) => ({
    check,
    result: input ? check.run(input) : unread('the files are not all here'),
  }))
  const scored = score(formulaOver(results), null)
  const caps = capsOf(results)
  return {
    scorecard: {
      score: scored.score,
      grade: gradeOf(scored.score, scored.coverage, caps),
      coverage: scored.coverage,
      caps,
      checks: results.map(({ check, result }) => ({
        id: check.id,
        weight: check.weight,
        score: result.value ?? -1,
        reason: result.reason,
        findings: result.findings.length,
      })),
    },
    findings: results.flatMap(({ result }) => result.findings),
    lacksInput: results.some(({ result }) => result.lacksInput),
  }
}

type Results = readonly { readonly check: Check; readonly result: CheckResult }[]

const formulaOver = (results: Results): Formula<null> => ({
  id: SCORECARD_FORMULA,
  max: 10,
  digits: 1,
  minimumCoverage: 0,
  fullWeight: FULL_WEIGHT,
  terms: results.map(({ check, result }) => ({ id: check.id, weight: check.weight, measure: () => result })),
})

function capsOf(results: Results): Cap[] {
  const dangerous = results.find(({ check }) => check === dangerousWorkflow)?.result
  return [
    {
      id: 'dangerous-workflow',
      limit: 'C',
      applied: dangerous == null || dangerous.value === null ? null : dangerous.value === 0,
      reason: dangerous?.reason ?? '',
    },
    { id: 'secret-at-head', limit: 'D', applied: null, reason: 'secrets are not looked for by this formula' },
    {
      id: 'critical-vulnerability',
      limit: 'D',
      applied: null,
      reason: 'no local database of vulnerabilities is configured',
    },
  ]
}

export function gradeOf(value: number | null, coverage: number, caps: readonly Cap[]): Grade {
  if (value === null || coverage < MIN_COVERAGE) return 'U'
  const rank = GRADES.findIndex(([, from]) => value >= from)
  const limits = caps
    .filter(({ applied }) => applied)
    .map(({ limit }) => GRADES.findIndex(([grade]) => grade === limit))
  return GRADES[Math.max(rank, ...limits)]?.[0] ?? 'F'
}

/** A check that upstream has and a clone cannot answer, kept so that its weight and reason are shown. */
function notHere(id: string, weight: number, reason: string): Check {
  return { id, weight, run: () => unknown(reason) }
}
