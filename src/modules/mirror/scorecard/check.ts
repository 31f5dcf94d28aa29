// What a check of the offline scorecard is: facts in, a score of 0 to 10 or unknown out, with its findings.

import type { ScannedFile } from '../tree/scan.ts'
import type { Workflow } from './workflow.ts'

export interface CheckInput {
  readonly files: readonly ScannedFile[]
  /** Text of checked files by path (bytes as latin1). A checked file that is absent could not be read. */
  readonly texts: ReadonlyMap<string, string>
  readonly workflows: readonly Workflow[]
  /** Commits of the last 90 days; null when not all of them are here. */
  readonly commits90Days: number | null
  /** Whole days from the first known commit to the moment. */
  readonly ageDays: number
  /** False when the history was cut off, so that the first known commit may not be the first one. */
  readonly knowsFirstCommit: boolean
}

export type Level = 'error' | 'warning' | 'note'

export interface RawFinding {
  readonly ruleId: string
  readonly level: Level
  readonly message: string
  /** Bytes as latin1; null when the finding is about what is absent. */
  readonly path: string | null
  readonly line: number | null
  /** What was found, as far as it identifies the finding: never where. */
  readonly snippet: string
}

export interface CheckResult {
  /** 0 to 10, or null when the input does not tell. */
  readonly value: number | null
  readonly reason: string
  readonly findings: readonly RawFinding[]
  /** True when the value is unknown because something could not be read, not because nothing is there to judge. */
  readonly lacksInput: boolean
}

export interface Check {
  /** The name that OpenSSF Scorecard gives it. */
  readonly id: string
  /** Critical 10, high 7.5, medium 5, low 2.5. */
  readonly weight: number
  run(input: CheckInput): CheckResult
}

/** Nothing is there to judge. */
export const unknown = (reason: string): CheckResult => ({
  value: null,
  reason,
  findings: [],
  lacksInput: false,
})
/** Something is there and could not be read: it might be the worst of all. */
export const unread = (reason: string, findings: readonly RawFinding[] = []): CheckResult => ({
  value: null,
  reason,
  findings,
  lacksInput: true,
})
export const known = (value: number, reason: string, findings: readonly RawFinding[] = []): CheckResult => ({
  value,
  reason,
  findings,
  lacksInput: false,
})

export const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`
