// Repository analysis: several repositories in parallel, each recorded once, all of them attested in their order.

import type { CommandContext, QueryContext } from '../../kernel/catalog/context.ts'
import { defineModule, type Module } from '../../kernel/catalog/module.ts'
import { pageOf } from '../../kernel/catalog/page-of.ts'
import { PolityError } from '../../kernel/errors.ts'
import { sign } from '../attest/contract.ts'
import * as contract from './contract.ts'
import {
  AnalysisCompleted,
  analyses,
  analyze,
  type FailedRow,
  forget,
  getRepository,
  isAnalyzed,
  listRepositories,
  RepositoryForgotten,
  type RepositoryRow,
  repositories,
} from './contract.ts'
import { locate, nameOf } from './git/repository.ts'
import { openNames } from './names.ts'
import { type Asked, analyzeOne, type Outcome } from './outcome.ts'
import { openPool, type Pool } from './pool.ts'
import { openMeter } from './progress.ts'
import { statementsOf } from './statement.ts'
import { trendOf } from './trend.ts'

export const mirror: Module = mirrorWith()

/** @param poolIn opens what analyses repositories, with a folder for what can be derived again */
export function mirrorWith(
  poolIn: (cacheDir: string) => Pool = (dir) => openPool({ cacheDir: dir }),
): Module {
  return defineModule(
    'mirror',
    { url: new URL('./contract.ts', import.meta.url).href, exports: contract },
    ({ cacheDir, env }) => {
      let pool: Pool | undefined
      const lazyPool = () => {
        pool ??= poolIn(cacheDir())
        return pool
      }
      const names = openNames()
      return {
        commands: [
          analyze.handle(async (ctx, { paths, asOf }) => {
            const asked = await ctx.step('locate', () => locateAll(paths))
            const meter = openMeter(ctx, env, asked.length)
            const ports = { pool: lazyPool(), names, meter }
            const outcomes = await Promise.all(
              asked.map(async (repository, index) => {
                const outcome = await analyzeOne(ctx, ports, repository, index, asOf)
                meter.finished(outcome.name)
                return outcome
              }),
            )
            const statements = await attest(ctx, outcomes)
            const analyzed = outcomes.filter(({ status }) => status === 'analyzed').length
            ctx.record(AnalysisCompleted({ analyzed, failed: outcomes.length - analyzed, statements }))
            return { outcomes: outcomes.map(({ attested: _, ...shown }) => shown), statements }
          }),
          forget.handle(async (ctx, { name }) => {
            if (!(await ctx.get(repositories, name))) throw unknown(name)
            const subject = `repository/${name}`
            await ctx.shred(subject)
            ctx.record(RepositoryForgotten({ name }, { subject }))
            return { name }
          }),
        ],
        queries: [
          listRepositories.handle((ctx, input) =>
            pageOf(ctx, repositories, input, ({ value }) => withTrend(value)),
          ),
          getRepository.handle((ctx, { name }) => wholeRepository(ctx, name)),
        ],
        close: async () => pool?.close(),
      }
    },
  )
}

/** Several paths into one repository ask for it once. */
async function locateAll(paths: readonly string[]): Promise<Asked[]> {
  const asked = await Promise.all(
    paths.map(
      (path): Promise<Asked> =>
        locate(path).then(
          ({ folder, name }) => ({ path: folder, name }),
          // The analysis meets the same path again and records the reason.
          () => ({ path, name: nameOf(path) }),
        ),
    ),
  )
  return [...new Map(asked.map((each) => [each.path, each])).values()]
}

/** Ids of the statements over every repository that was analysed, in the order asked. */
async function attest(ctx: CommandContext, outcomes: readonly Outcome[]): Promise<string[]> {
  const analyzed = outcomes.flatMap(({ name, health, grade, attested }) =>
    attested ? [{ name, health, grade, ...attested }] : [],
  )
  const ids: string[] = []
  for (const statement of statementsOf(ctx.id, analyzed)) {
    const signed = await ctx.step(`attest/${ids.length}`, () => ctx.invoke(sign, statement))
    ids.push(signed.statement)
  }
  return ids
}

const withTrend = (row: RepositoryRow | FailedRow) =>
  isAnalyzed(row) ? { ...row, trend: trendOf(row.history) } : row

/** Analyses that may be recorded between reading a row and reading what stands behind it. */
const READS_MAX = 4

async function wholeRepository(ctx: QueryContext, name: string) {
  for (let read = 0; read < READS_MAX; read += 1) {
    const row = (await ctx.get(repositories, name))?.value
    if (!row) throw unknown(name)
    if (!isAnalyzed(row)) return row
    const whole = (await ctx.get(analyses, name))?.value
    if (whole?.analysisDigest === row.analysisDigest) return { ...withTrend(row), analysis: whole.analysis }
  }
  throw new PolityError('expectation.failed', `the repository ${name} changes faster than it can be read`, {
    name,
  })
}

const unknown = (name: string): PolityError =>
  new PolityError('not-found', `there is no repository ${name}: \`polity mirror PATH\` analyses one`)
