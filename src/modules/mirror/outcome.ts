// What becomes of one repository of a run: analysed or failed, recorded once, without trouble for the others.

import { hash } from 'node:crypto'
import type { CommandContext, StepContext } from '../../kernel/catalog/context.ts'
import { asPolityError, type ErrorCode, PolityError } from '../../kernel/errors.ts'
import { canonicalText } from '../../kernel/schema/canonical.ts'
import { alertOf, HEALTH_CLEARS_AT, HEALTH_FALLS_BELOW } from './alert.ts'
import type { Analysis } from './analysis.ts'
import { HealthFell, HealthRecovered, RepositoryAnalyzed, RepositoryFailed } from './contract.ts'
import { MAX_NOTICES, MAX_SENTENCE_CHARS } from './limits.ts'
import type { Claim, Names } from './names.ts'
import type { Pool } from './pool.ts'
import type { RunMeter } from './progress.ts'
import type { Attested } from './statement.ts'

/** A repository as it was asked for; `path` is its own folder where one was found. */
export interface Asked {
  readonly path: string
  /** Shown text. */
  readonly name: string
}

/** What a step keeps of one repository. */
export interface Outcome {
  readonly name: string
  readonly status: 'analyzed' | 'failed'
  readonly health: number | null
  readonly grade: string
  readonly findings: number
  readonly code?: string
  readonly message?: string
  readonly notices?: string[]
  readonly attested?: Pick<Attested, 'commit' | 'analysisDigest' | 'formulas'>
}

export interface Ports {
  readonly pool: Pool
  readonly names: Names
  readonly meter: RunMeter
}

/** A repository fails alone: its reason is recorded, and the others go on. */
export async function analyzeOne(
  ctx: CommandContext,
  ports: Ports,
  asked: Asked,
  index: number,
  asOf: string | undefined,
): Promise<Outcome> {
  const name = `repository/${index}`
  try {
    return await claimedStep(ctx, ports.names, name, async (step, claim) => {
      const read = await readOne(ports, step.signal, asked, asOf)
      if (read instanceof PolityError) return recordFailure(step, await claim(asked), asked.path, read)
      const { analysis, notices } = read
      const claimed = await claim({ ...asked, name: analysis.repository.name })
      return {
        ...recordAnalysis(step, claimed, asked.path, analysis),
        ...(notices.length > 0 ? { notices } : {}),
      }
    })
  } catch (thrown) {
    const error = asPolityError(thrown)
    if (!UNRECORDABLE.has(error.code)) throw thrown
    return claimedStep(ctx, ports.names, `${name}/unrecorded`, async (step, claim) =>
      recordFailure(step, await claim(asked), asked.path, error),
    )
  }
}

/** Why a record cannot be sealed, however often it is tried. */
const UNRECORDABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'entry.invalid',
  'entry.number',
  'entry.too-large',
  'entry.unicode',
  'input.invalid',
  'input.too-deep',
  'payload.too-large',
])

/** The names that the step claims are held until what it found is committed. */
async function claimedStep(
  ctx: CommandContext,
  names: Names,
  name: string,
  body: (step: StepContext, claim: (asked: Asked) => Promise<Claim>) => Promise<Outcome>,
): Promise<Outcome> {
  using held = new DisposableStack()
  return await ctx.step(name, (step) =>
    body(step, async ({ name: wanted, path }) => held.use(await names.claim(ctx, wanted, path))),
  )
}

async function readOne(
  { pool, meter }: Ports,
  signal: AbortSignal,
  { path, name }: Asked,
  asOf: string | undefined,
): Promise<{ readonly analysis: Analysis; readonly notices: string[] } | PolityError> {
  const notices: string[] = []
  try {
    const analysis = await pool.analyze(path, {
      signal,
      onProgress: (stage, done, total) => meter.stage(name, stage, done, total),
      onNotice: (notice) => {
        if (notices.length < MAX_NOTICES) notices.push(sentence(notice))
      },
      ...(asOf === undefined ? {} : { asOf }),
    })
    return { analysis, notices }
  } catch (thrown) {
    signal.throwIfAborted()
    return asPolityError(thrown)
  }
}

function recordAnalysis(
  step: StepContext,
  { name, before }: Claim,
  path: string,
  analysis: Analysis,
): Outcome {
  const { health, scorecard, repository, formulas } = analysis
  const analysisDigest = `sha256:${hash('sha256', canonicalText(analysis), 'hex')}`
  const findings = analysis.findings.total
  const subject = { subject: `repository/${name}` }
  step.record(
    RepositoryAnalyzed(
      {
        name,
        commit: repository.commit,
        asOf: analysis.asOf,
        health: health.score,
        healthCoverage: health.coverage,
        grade: scorecard.grade,
        scorecard: scorecard.score,
        scorecardCoverage: scorecard.coverage,
        findings,
        formulas,
        analysisDigest,
        path,
        analysis,
      },
      subject,
    ),
  )
  const alert = alertOf(health.score, before?.isAlerting ?? false)
  const score = { name, health: health.score ?? 0 }
  if (alert === 'fell') step.record(HealthFell({ ...score, threshold: HEALTH_FALLS_BELOW }, subject))
  if (alert === 'recovered') step.record(HealthRecovered({ ...score, threshold: HEALTH_CLEARS_AT }, subject))
  return {
    name,
    status: 'analyzed',
    health: health.score,
    grade: scorecard.grade,
    findings,
    attested: { commit: repository.commit, analysisDigest, formulas },
  }
}

function recordFailure(step: StepContext, { name }: Claim, path: string, error: PolityError): Outcome {
  const failure = { code: error.code, message: sentence(error.message) }
  step.record(RepositoryFailed({ name, path, ...failure }, { subject: `repository/${name}` }))
  return { name, status: 'failed', health: null, grade: 'U', findings: 0, ...failure }
}

const sentence = (text: string): string => text.slice(0, MAX_SENTENCE_CHARS).toWellFormed()
