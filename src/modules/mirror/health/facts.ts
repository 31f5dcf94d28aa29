// The facts that the health of a repository is made of; null is "not known", never a guess.

export interface HealthFacts {
  readonly activity: {
    readonly commits90Days: number
    readonly activeWeeks: number
    readonly weeks: number
  } | null
  readonly continuity: {
    /** CHAOSS contributor absence factor of the last 365 days; 0 when nobody contributed. */
    readonly absenceFactor: number
    /** Truck factor by degree of authorship; 0 when no file has an author. */
    readonly truckFactor: number
  } | null
  readonly hotspots: {
    /** Churn of the last 365 days in measured files, and the part of it in files with a complex function. */
    readonly churn: number
    readonly complexChurn: number
    readonly unit: 'lines' | 'changes'
    readonly measuredFiles: number
    readonly method: string
  } | null
  readonly structure: {
    /** Pairs of files with at least 5 shared revisions, and those coupled across modules. */
    readonly pairs: number
    readonly acrossModules: number
  } | null
  readonly practice: {
    readonly readme: boolean
    readonly contributing: boolean
    readonly license: boolean
    readonly codeOfConduct: boolean
    readonly ci: boolean
    readonly lockfile: boolean
    readonly codeowners: boolean
    readonly testFiles: number
    readonly sourceFiles: number
  } | null
  readonly security: {
    /** Score of `scorecard-offline/1`, 0 to 10. */
    readonly score: number
    readonly coverage: number
  } | null
  /** Why a pillar's facts are null, by pillar id. */
  readonly unknown: Readonly<Record<string, string>>
}
