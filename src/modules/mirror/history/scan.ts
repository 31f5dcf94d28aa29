// Brings the commit facts of a repository up to its head: what is remembered, and from git only what is new.

import { cacheFile, readCache, writeCache } from '../cache.ts'
import { roomEnvironment } from '../git/clean-room.ts'
import { type GitExit, gitFailed, runGit, type Session } from '../git/command.ts'
import type { Repository } from '../git/repository.ts'
import { MAX_COMMITS } from '../limits.ts'
import { type Commits, CommitsBuilder, type Detail } from './commits.ts'
import { LOG_FORMAT, LogParser } from './log-parser.ts'
import { decodeHistory, encodeHistory, type StoredHistory } from './store.ts'

export interface History {
  readonly commits: Commits
  /** Rows reachable from the head, newest first by (committer time, id). */
  readonly rows: Int32Array
  readonly detail: Detail
  /** What git complained of when `detail` is less than `lines`. */
  readonly complaint: string
  /** True when a bound ended the scan before the first commit. */
  readonly isTruncated: boolean
  /** Rows whose parents exist but are not here: the edge of a shallow or truncated history. */
  readonly edge: Int32Array
  readonly clampedTimes: number
}

export interface HistoryOptions {
  readonly cacheDir: string
  /** 'commits' leaves the trees alone: for repositories whose trees are a trap. */
  readonly detail: Detail
  readonly onCommits: (commits: number) => void
}

/**
 * Facts of every commit reachable from the head, at most `MAX_COMMITS` of the newest.
 * Where objects are missing (partial clone, damage) it keeps what git could tell and lowers `detail`.
 * @throws PolityError `mirror.git-failed` when not even the commits can be read
 */
export async function scanHistory(
  session: Session,
  repository: Repository,
  options: HistoryOptions,
): Promise<History> {
  const file = cacheFile(options.cacheDir, repository.gitDir, 'history-1')
  const known = options.detail === 'lines' ? await remembered(file, repository) : null
  if (known?.head === repository.head) return reachable(known.commits, repository, known)
  const continued = known && (await continueFrom(session, repository, known, options))
  const fresh = continued ?? (await fromTheBeginning(session, repository, options))
  const history = reachable(fresh.commits, repository, fresh)
  // Half-told facts are not kept: a later fetch may complete them.
  if (fresh.detail === 'lines' && !fresh.isTruncated) {
    await writeCache(session, file, encodeHistory(stored(repository, fresh)))
  }
  return history
}

interface Scan {
  readonly commits: Commits
  readonly detail: Detail
  readonly complaint: string
  readonly isTruncated: boolean
  readonly clampedTimes: number
}

interface Remembered extends Scan {
  readonly head: string
}

async function remembered(file: string, repository: Repository): Promise<Remembered | null> {
  const payload = await readCache(file)
  const history = payload && decodeHistory(payload)
  if (!history || history.objectFormat !== repository.objectFormat) return null
  if (history.shallowDigest !== repository.shallowDigest) return null
  return { ...history, detail: 'lines', complaint: '', isTruncated: false }
}

/**
 * Adds the commits that the remembered head does not reach. Null when that cannot be trusted to be whole: the
 * old head is gone, a parent is unknown, the bound would fall elsewhere, or most of what is kept is unreachable.
 */
async function continueFrom(
  session: Session,
  repository: Repository,
  known: Remembered,
  options: HistoryOptions,
): Promise<Scan | null> {
  const builder = new CommitsBuilder(known.commits)
  const ids = new Set(known.commits.ids)
  const range = [repository.head, '--not', known.head]
  const run = await logInto(session, repository, builder, { range, detail: 'lines', ids, options })
  if (run.exit.code !== 0 || run.isFull) return null
  const commits = builder.done()
  const { rows, edge, missing } = walk(commits, repository)
  if (missing || edge.length > repository.shallowCommits.size || rows.length < commits.count / 2) return null
  const clampedTimes = known.clampedTimes + run.clampedTimes
  return { commits, detail: 'lines', complaint: '', isTruncated: false, clampedTimes }
}

/** Tries for line counts, then for changed paths, then for bare commits; keeps what the richer try has read. */
async function fromTheBeginning(
  session: Session,
  repository: Repository,
  options: HistoryOptions,
): Promise<Scan> {
  const builder = new CommitsBuilder()
  const ids = new Set<string>()
  let clampedTimes = 0
  let complaint = ''
  const details: readonly Detail[] = ['lines', 'changes', 'commits']
  for (const detail of details.slice(details.indexOf(options.detail))) {
    const run = await logInto(session, repository, builder, {
      range: [repository.head],
      detail,
      ids,
      options,
    })
    clampedTimes += run.clampedTimes
    if (run.exit.code === 0 || run.isFull) {
      return { commits: builder.done(), detail, complaint, isTruncated: run.isFull, clampedTimes }
    }
    complaint = run.exit.complaint
    if (detail === 'commits') throw gitFailed('read the history', run.exit)
  }
  throw new RangeError('unreachable: the last detail returns or throws')
}

interface LogRun {
  readonly exit: GitExit
  readonly isFull: boolean
  readonly clampedTimes: number
}

async function logInto(
  session: Session,
  repository: Repository,
  builder: CommitsBuilder,
  plan: { range: readonly string[]; detail: Detail; ids: Set<string>; options: HistoryOptions },
): Promise<LogRun> {
  const parser = new LogParser(builder, {
    withLines: plan.detail === 'lines',
    isKnown: (id) => plan.ids.has(id),
  })
  const exit = await runGit(session, {
    args: [
      'log',
      '-z',
      LOG_FORMAT,
      `--max-count=${MAX_COMMITS + 1}`,
      ...DETAIL_OPTIONS[plan.detail],
      ...plan.range,
      '--',
    ],
    cwd: repository.room,
    env: roomEnvironment(repository),
    onData: (chunk) => {
      const wantsMore = parser.push(chunk)
      plan.options.onCommits(builder.commitCount)
      return wantsMore
    },
  })
  parser.end(exit.code !== 0 && !exit.stopped)
  for (const id of builder.idsFrom(plan.ids.size)) plan.ids.add(id)
  return { exit, isFull: exit.stopped, clampedTimes: parser.clampedTimes }
}

/** `--no-renames`: exact renames come out of the raw ids for nothing, guessed ones would cost half the time. */
const DIFF_OPTIONS = [
  '--raw',
  '--no-abbrev',
  '--no-renames',
  '--no-ext-diff',
  '--no-textconv',
  '--ignore-submodules=none',
]
const DETAIL_OPTIONS: Readonly<Record<Detail, readonly string[]>> = {
  lines: [...DIFF_OPTIONS, '--numstat'],
  changes: DIFF_OPTIONS,
  commits: ['--no-patch'],
}

function reachable(commits: Commits, repository: Repository, scan: Scan): History {
  const { rows, edge } = walk(commits, repository)
  return {
    commits,
    rows,
    edge,
    detail: rows.every((row) => commits.hasLines[row] === 1) ? 'lines' : scan.detail,
    complaint: scan.complaint,
    isTruncated: scan.isTruncated,
    clampedTimes: scan.clampedTimes,
  }
}

/** Follows parents from the head; `missing` when a parent is neither here nor behind a shallow edge. */
function walk(
  commits: Commits,
  repository: Repository,
): { rows: Int32Array; edge: Int32Array; missing: boolean } {
  const rowOf = new Map(commits.ids.map((id, row) => [id, row]))
  const isSeen = new Uint8Array(commits.count)
  const edge: number[] = []
  const found: number[] = []
  let missing = !rowOf.has(repository.head)
  const enter = (id: string): boolean => {
    const row = rowOf.get(id)
    if (row === undefined) return false
    if (isSeen[row] === 0) {
      isSeen[row] = 1
      found.push(row)
    }
    return true
  }
  enter(repository.head)
  for (let at = 0; at < found.length; at += 1) {
    const row = found[at] ?? 0
    let isEdge = repository.shallowCommits.has(commits.ids[row] ?? '')
    const end = commits.parentStart[row + 1] ?? 0
    for (let parent = commits.parentStart[row] ?? 0; parent < end; parent += 1) {
      if (enter(commits.parents[parent] ?? '')) continue
      if (!isEdge) missing = true
      isEdge = true
    }
    if (isEdge) edge.push(row)
  }
  return { rows: newestFirst(commits, found), edge: Int32Array.from(edge), missing }
}

function newestFirst(commits: Commits, rows: readonly number[]): Int32Array {
  return Int32Array.from(rows).sort((a, b) => {
    const apartS = (commits.committedAtS[b] ?? 0) - (commits.committedAtS[a] ?? 0)
    return apartS || ((commits.ids[a] ?? '') < (commits.ids[b] ?? '') ? 1 : -1)
  })
}

const stored = (repository: Repository, scan: Scan): StoredHistory => ({
  objectFormat: repository.objectFormat,
  shallowDigest: repository.shallowDigest,
  head: repository.head,
  clampedTimes: scan.clampedTimes,
  commits: scan.commits,
})
