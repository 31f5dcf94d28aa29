// What others may know of repository analysis: repositories with health, grade, trend and findings.

import { command, noun, Page, paging, query } from '../../kernel/catalog/definition.ts'
import { entryType } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import {
  Closed,
  Described,
  Integer,
  Json,
  Private,
  Sha256,
  type Static,
  Timestamp,
  Type,
} from '../../kernel/schema/schema.ts'

/** One call's repositories. */
export const REPOSITORIES_MAX = 256
const HISTORY_MAX = 128

const RepositoryName = Type.String({ minLength: 1, maxLength: 200 })
const Score = Type.Union([Type.Number(), Type.Null()])
const Grade = Type.String({ pattern: '^[ABCDFU]$' })

const Summary = {
  name: RepositoryName,
  commit: Type.String({ pattern: '^[0-9a-f]{40,64}$' }),
  asOf: Timestamp,
  health: Score,
  healthCoverage: Type.Number(),
  grade: Grade,
  scorecard: Score,
  scorecardCoverage: Type.Number(),
  findings: Integer,
  /** Ids of the formulas that gave the scores, such as `health/1`. */
  formulas: Closed({ health: Type.String(), scorecard: Type.String() }),
  /** SHA-256 of the canonical JSON of the whole analysis. */
  analysisDigest: Sha256,
}

export const RepositoryAnalyzed = entryType('mirror.repository-analyzed@1', {
  ...Summary,
  path: Private(Type.String()),
  analysis: Private(Json),
})

export const RepositoryFailed = entryType('mirror.repository-failed@1', {
  name: RepositoryName,
  code: Type.String(),
  path: Private(Type.String()),
  message: Private(Type.String()),
})

/** The row is gone and the vault keys of `repository/<name>` are destroyed; what it had analysed stays on record. */
export const RepositoryForgotten = entryType('mirror.repository-forgotten@1', { name: RepositoryName })

export const HealthFell = entryType('mirror.health-fell@1', {
  name: RepositoryName,
  health: Type.Number(),
  threshold: Integer,
})
export const HealthRecovered = entryType('mirror.health-recovered@1', {
  name: RepositoryName,
  health: Type.Number(),
  threshold: Integer,
})

export const AnalysisCompleted = entryType('mirror.analysis-completed@1', {
  analyzed: Integer,
  failed: Integer,
  /** Ids of the attestations over what was analysed: one, or its parts in order when it is long. */
  statements: Type.Array(Type.String()),
})

const Measured = Closed({ asOf: Timestamp, analyzedAt: Timestamp, health: Score, formula: Type.String() })

/** A change of health against an earlier analysis by the same formula, in points. */
const Change = Type.Union([Closed({ points: Type.Number(), asOf: Timestamp }), Type.Null()])

export const Repository = noun('mirror.repository', {
  ...Summary,
  analyzedAt: Timestamp,
  path: Private(Type.Unknown()),
  isAlerting: Type.Boolean(),
  trend: Closed({ sincePrevious: Change, since7Days: Change, since30Days: Change }),
  /** Earlier analyses, oldest first. */
  history: Type.Array(Measured),
  failure: Type.Optional(Closed({ code: Type.String(), message: Private(Type.Unknown()), at: Timestamp })),
})

export type RepositoryRow = Omit<Static<typeof Repository>, 'trend'>

/** A repository that could never be analysed has no summary. */
export type FailedRow = Pick<Required<Static<typeof Repository>>, 'name' | 'failure'> & {
  readonly path: unknown
}

type RepositoryFact =
  | typeof RepositoryAnalyzed
  | typeof RepositoryFailed
  | typeof RepositoryForgotten
  | typeof HealthFell
  | typeof HealthRecovered

/** Latest analysis per repository name, with the history that trends are computed from. */
export const repositories = view<RepositoryRow | FailedRow, RepositoryFact>('mirror.repositories', 1, {
  from: [RepositoryAnalyzed, RepositoryFailed, RepositoryForgotten, HealthFell, HealthRecovered],
  keys: ({ data }) => [data.name],
  fold: (row, { type, time, data }) => {
    const before = row?.value
    switch (type) {
      case RepositoryAnalyzed.name:
        return foldAnalyzed(before, data as Static<typeof RepositoryAnalyzed.schema>, time)
      case RepositoryFailed.name:
        return foldFailed(before, data as Static<typeof RepositoryFailed.schema>, time)
      case RepositoryForgotten.name:
        return null
      default:
        return before && isAnalyzed(before)
          ? { ...before, isAlerting: type === HealthFell.name }
          : (before ?? null)
    }
  },
})

export const isAnalyzed = (row: RepositoryRow | FailedRow): row is RepositoryRow => 'analysisDigest' in row

function foldAnalyzed(
  before: RepositoryRow | FailedRow | undefined,
  data: Static<typeof RepositoryAnalyzed.schema>,
  analyzedAt: string,
): RepositoryRow {
  const { analysis: _, ...summary } = data
  const earlier = before && isAnalyzed(before) ? before : undefined
  const measured = { asOf: data.asOf, analyzedAt, health: data.health, formula: data.formulas.health }
  // Analysing the same commit again replaces its measurement: time alone is no new evidence.
  const history = (earlier?.history ?? []).filter(({ asOf }) => asOf !== data.asOf)
  return {
    ...summary,
    analyzedAt,
    isAlerting: earlier?.isAlerting ?? false,
    history: [...history, measured].slice(-HISTORY_MAX),
  }
}

/** A path that never led to a repository names nothing that could be listed. */
function foldFailed(
  before: RepositoryRow | FailedRow | undefined,
  { name, code, message, path }: Static<typeof RepositoryFailed.schema>,
  at: string,
): RepositoryRow | FailedRow | null {
  const failure = { code, message, at }
  if (before) return { ...before, failure }
  return code === 'mirror.not-a-repository' ? null : { name, path, failure }
}

/** The whole analysis behind a row of `repositories`, apart from it because lists do without. */
export const analyses = view<
  Pick<Static<typeof RepositoryAnalyzed.schema>, 'analysisDigest' | 'analysis'>,
  typeof RepositoryAnalyzed | typeof RepositoryForgotten
>('mirror.analyses', 1, {
  from: [RepositoryAnalyzed, RepositoryForgotten],
  keys: ({ data }) => [data.name],
  fold: (_, { data }) =>
    'analysis' in data ? { analysisDigest: data.analysisDigest, analysis: data.analysis } : null,
})

const Outcome = Closed({
  name: RepositoryName,
  status: Type.Union([Type.Literal('analyzed'), Type.Literal('failed')]),
  health: Score,
  grade: Grade,
  findings: Integer,
  code: Type.Optional(Type.String()),
  message: Type.Optional(Private(Type.String())),
  /** Trouble that did not change the result. */
  notices: Type.Optional(Private(Type.Array(Type.String()))),
})

export const analyze = command('mirror.analyze@1', {
  summary: 'Analyses git repositories, attests the result and records it.',
  input: {
    paths: Private(
      Type.Array(Type.String({ minLength: 1, maxLength: 4096 }), {
        minItems: 1,
        maxItems: REPOSITORIES_MAX,
        description: 'git repositories on the machine of the hub, or folders in them',
      }),
    ),
    /** Default: the time of each repository's HEAD commit. */
    asOf: Type.Optional(Timestamp),
  },
  output: Closed({
    outcomes: Type.Array(Outcome),
    /** Ids of the attestations: none when nothing was analysed, several when one entry could not hold it. */
    statements: Type.Array(Type.String()),
  }),
  errors: ['mirror.too-many', 'mirror.git-missing'],
  // It reads any path that the hub can read, and has the hub sign what it found.
  risk: 'medium',
  effect: 'idempotent',
  cli: { positional: ['paths'], isHidden: true },
})

/**
 * The path in the input of the runs that analysed it is private to those runs: `vault.erase` of `run/<id>`
 * destroys that. The attestations name the repository for good.
 */
export const forget = command('mirror.forget@1', {
  summary:
    'Forgets a repository for ever: its row, its path and its analyses; the log and its proofs stay valid.',
  input: { name: Described(RepositoryName, 'its name, as `polity mirror repositories` shows it') },
  output: Closed({ name: RepositoryName }),
  errors: ['not-found', 'hold.active'],
  risk: 'high',
  conduct: { changes: ['data'] },
  effect: 'atomic',
  facts: ['name'],
  cli: { positional: ['name'] },
})

export const listRepositories = query('mirror.repositories@1', {
  summary: 'Repositories with health, grade, trend and number of findings.',
  input: {
    ...paging(Described(RepositoryName, 'go on after this repository')),
  },
  output: Page(Json),
  http: { path: 'repositories' },
})

export const getRepository = query('mirror.repository@1', {
  summary: 'One repository with its whole analysis and findings.',
  input: { name: Described(RepositoryName, 'its name, as `polity mirror repositories` shows it') },
  output: Json,
  errors: ['not-found'],
  cli: { positional: ['name'] },
  http: { path: 'repositories/{name}' },
})
