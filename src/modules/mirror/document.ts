// The analysis as others see it: a closed JSON document, the same bytes for the same input.

import type { Pillar } from './health/health.ts'
import type { Level } from './scorecard/check.ts'
import type { Scorecard } from './scorecard/scorecard.ts'

export const ANALYSIS_SCHEMA = 'polity.analysis/1'
/** Raised when the same input may give other bytes: it is part of the key under which results are remembered. */
export const ENGINE = 'mirror/2'

export interface Finding {
  readonly ruleId: string
  readonly level: Level
  readonly message: string
  readonly path: string | null
  readonly line: number | null
  /** Object id of the file that the line counts in. */
  readonly blob: string | null
  /** 32 hex digits that survive moved lines and renamed files. */
  readonly fingerprint: string
}

export interface Hotspot {
  readonly path: string
  /** Of the last 365 days. */
  readonly changes: number
  readonly churn: number
  readonly cognitive: number
  readonly function: string
  readonly line: number
}

export interface LanguageTotal {
  readonly name: string
  readonly files: number
  readonly lines: number
  /** Null where the language's comments are not known. */
  readonly code: number | null
  readonly comment: number | null
}

/**
 * Every member is always present; unknown is null. Texts are well-formed, without controls, bytes that are no
 * UTF-8 as `%XX`. Scores keep one digit, coverages three, shares four. Times are ISO 8601 in UTC, whole seconds.
 */
export interface Analysis {
  readonly schema: typeof ANALYSIS_SCHEMA
  readonly engine: typeof ENGINE
  /** Ids of the formulas that gave the scores. */
  readonly formulas: { readonly health: string; readonly scorecard: string }
  readonly repository: {
    readonly name: string
    readonly commit: string
    readonly branch: string | null
    readonly objectFormat: 'sha1' | 'sha256'
    readonly bare: boolean
    readonly shallow: boolean
    readonly partial: boolean
  }
  /** The moment that windows of days look back from. */
  readonly asOf: string
  readonly health: {
    readonly score: number | null
    readonly coverage: number
    readonly pillars: readonly Pillar[]
  }
  readonly scorecard: Scorecard
  readonly findings: {
    /** The first of them, errors first. */
    readonly items: readonly Finding[]
    readonly total: number
  }
  readonly commits: {
    readonly total: number
    readonly merges: number
    /** All, and by people; null when the history of the last 90 days is not all here. */
    readonly last90Days: number | null
    readonly last90DaysByPeople: number | null
    /** By people, mean of the last 13 weeks. */
    readonly perWeek: number | null
    readonly authors: number
    readonly bots: number
    readonly firstAt: string
    readonly lastAt: string
  }
  readonly absenceFactor: {
    readonly value: number | null
    readonly method: string
    readonly members: readonly {
      readonly identity: string
      readonly name: string
      readonly commits: number
    }[]
  }
  readonly truckFactor: {
    readonly value: number | null
    readonly method: string
    readonly members: readonly { readonly identity: string; readonly name: string; readonly files: number }[]
  }
  readonly hotspots: {
    readonly method: string
    readonly unit: 'lines' | 'changes'
    readonly items: readonly Hotspot[]
  }
  readonly coupling: {
    readonly pairs: number | null
    readonly acrossModules: number
    readonly strongest: readonly {
      readonly paths: readonly [string, string]
      readonly percent: number
      readonly shared: number
    }[]
  }
  readonly languages: readonly LanguageTotal[]
  /** Null when the trees of the head commit are not here. */
  readonly files: {
    readonly total: number
    readonly binary: number
    readonly symlinks: number
    readonly submodules: number
    readonly vendored: number
    readonly generated: number
    /** Not here, larger than is read, and beyond the bound on content. */
    readonly missing: number
    readonly oversize: number
    readonly unread: number
  } | null
  /** Line counts of the history. */
  readonly lines: { readonly state: 'complete' | 'partial' | 'unknown'; readonly reason: string }
  /** Bounds that were reached, by name. */
  readonly limits: readonly string[]
  readonly warnings: readonly string[]
}
