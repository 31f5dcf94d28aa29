// One repository from its git directory to its analysis: the table of contents of the engine.

import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { compose } from './compose.ts'
import type { Analysis } from './document.ts'
import type { Session } from './git/command.ts'
import { openRepository, type Repository } from './git/repository.ts'
import { scoreHealth } from './health/health.ts'
import { type Activity, activityOf } from './history/activity.ts'
import { parseMailmap } from './history/mailmap.ts'
import { peopleOf } from './history/people.ts'
import { type History, scanHistory } from './history/scan.ts'
import { MAILMAP, measure } from './measures.ts'
import { recall, remember } from './memory.ts'
import type { CheckInput } from './scorecard/check.ts'
import { isChecked, scoreSecurity } from './scorecard/scorecard.ts'
import { isWorkflow, readWorkflow } from './scorecard/workflow.ts'
import { type Listing, listTree } from './tree/listing.ts'
import { scanTree, type Tree } from './tree/scan.ts'

export type { Analysis } from './document.ts'

export type Stage = 'repository' | 'history' | 'files' | 'scores'

export interface AnalysisOptions {
  /** RFC 3339 date-time; the time of the head commit by default. */
  readonly asOf?: string
  readonly cacheDir: string
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  /** `total` is 0 when it is not known beforehand. */
  readonly onProgress?: (stage: Stage, done: number, total: number) => void
  /** Told, in a sentence, of trouble that does not change the result. */
  readonly onNotice?: (notice: string) => void
  /** Told of every git process that starts and ends. */
  readonly onProcess?: (pid: number, isAlive: boolean) => void
}

/**
 * Analyses the repository that holds `path`. Reads git objects only: no working tree, no configuration, no
 * network. Equal commits, `asOf` and engine give equal documents, remembered or not.
 * @throws PolityError `mirror.not-a-repository`, `mirror.empty-repository`, `mirror.timeout`, `mirror.git-failed`,
 *   `mirror.git-missing`, `cancelled`, `input.invalid` (`asOf`)
 */
export async function analyzeRepository(path: string, options: AnalysisOptions): Promise<Analysis> {
  const asked = options.asOf === undefined ? null : secondsOf(options.asOf)
  return inSession(options, async (session) => {
    const repository = await openRepository(session, path, options.cacheDir)
    options.onProgress?.('repository', 1, 1)
    const known = await recall(repository, asked, options.cacheDir)
    const analysis = known ?? (await analyze(session, repository, asked, options))
    options.onProgress?.('scores', 1, 1)
    return analysis
  })
}

async function analyze(
  session: Session,
  repository: Repository,
  asked: number | null,
  options: AnalysisOptions,
): Promise<Analysis> {
  const listing = await listTree(session, repository)
  const [history, tree] = await Promise.all([
    readHistory(session, repository, listing, options),
    readTree(session, repository, listing, options),
  ])
  session.signal.throwIfAborted()
  const asOfS = asked ?? headTimeS(history, repository)
  const people = peopleOf(history, parseMailmap(asBytes(tree?.texts.get(MAILMAP) ?? '')))
  const activity = activityOf(history, people, asOfS)
  const scanned = { history, people, activity, tree, asOfS }
  const measures = measure(scanned)
  const { scorecard, findings, lacksInput } = scoreSecurity(checkInput(activity, tree, asOfS))
  const { score, coverage } = scorecard
  const isKnown = score !== null && !lacksInput
  const health = scoreHealth({ ...measures.health, security: isKnown ? { score, coverage } : null })
  const analysis = compose({
    ...scanned,
    repository,
    measures,
    scorecard,
    securityFindings: findings,
    health,
  })
  await remember(session, repository, asked, options.cacheDir, analysis)
  return analysis
}

/** Runs under the caller's signal and the deadline; whatever is left of git ends with it. */
async function inSession<T>(options: AnalysisOptions, run: (session: Session) => Promise<T>): Promise<T> {
  const ending = new AbortController()
  const cancel = () => ending.abort(new PolityError('cancelled', 'the analysis was cancelled'))
  const expire = () => {
    const { timeoutMs } = options
    ending.abort(
      new PolityError('mirror.timeout', `the analysis took longer than ${timeoutMs} ms`, { timeoutMs }),
    )
  }
  if (options.signal?.aborted) cancel()
  options.signal?.addEventListener('abort', cancel, { once: true })
  const deadline = setTimeout(expire, options.timeoutMs)
  const { onNotice, onProcess } = options
  try {
    return await run({
      signal: ending.signal,
      ...(onNotice ? { onNotice } : {}),
      ...(onProcess ? { onProcess } : {}),
    })
  } catch (error) {
    throw asPolityError(error, 'mirror.git-failed')
  } finally {
    clearTimeout(deadline)
    options.signal?.removeEventListener('abort', cancel)
    cancel()
  }
}

/** A tree beyond the bound may be a trap of trees within trees: then only the commits themselves are read. */
function readHistory(
  session: Session,
  repository: Repository,
  listing: Listing | null,
  options: AnalysisOptions,
): Promise<History> {
  return scanHistory(session, repository, {
    cacheDir: options.cacheDir,
    detail: listing?.isTruncated ? 'commits' : 'lines',
    onCommits: (commits) => options.onProgress?.('history', commits, 0),
  })
}

async function readTree(
  session: Session,
  repository: Repository,
  listing: Listing | null,
  options: AnalysisOptions,
): Promise<Tree | null> {
  if (!listing) return null
  return scanTree(session, repository, listing, {
    cacheDir: options.cacheDir,
    isChecked: (path) => path === MAILMAP || isChecked(path),
    onFiles: (done, total) => options.onProgress?.('files', done, total),
  })
}

const asBytes = (text: string) => Buffer.from(text).toString('latin1')

function headTimeS(history: History, repository: Repository): number {
  const row = history.rows.findIndex((candidate) => history.commits.ids[candidate] === repository.head)
  return history.commits.committedAtS[history.rows[row] ?? 0] ?? 0
}

/** Null when absence of a file would prove nothing. */
function checkInput(activity: Activity, tree: Tree | null, asOfS: number): CheckInput | null {
  if (!tree || tree.isTruncated) return null
  const workflows = tree.files.filter(({ path }) => isWorkflow(path))
  return {
    files: tree.files,
    texts: tree.texts,
    workflows: workflows.map(({ path }) => readWorkflow(path, tree.texts.get(path))),
    commits90Days: activity.knowsLastDays(90) ? activity.last90Days : null,
    ageDays: Math.max(0, Math.floor((asOfS - activity.firstAtS) / 86_400)),
    knowsFirstCommit: activity.isWhole,
  }
}

/** RFC 3339, to whole seconds, in the years 1970 to 9999. */
function secondsOf(asOf: string): number {
  const isDateTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/.test(asOf)
  const seconds = isDateTime ? Math.floor(Date.parse(asOf) / 1_000) : Number.NaN
  if (!(seconds >= 0))
    throw new PolityError('input.invalid', 'asOf must be an RFC 3339 date-time', { field: 'asOf' })
  return seconds
}
