// Remembers the last analysis of a repository, and gives it back only for exactly the same input.

import { cacheFile, readCache, writeCache } from './cache.ts'
import { type Analysis, ENGINE } from './document.ts'
import type { Session } from './git/command.ts'
import type { Repository } from './git/repository.ts'

/** @param askedAsOfS the moment that was asked for, null for that of the head commit */
export async function recall(
  repository: Repository,
  askedAsOfS: number | null,
  cacheDir: string,
): Promise<Analysis | null> {
  const payload = await readCache(cacheFile(cacheDir, repository.gitDir, 'analysis-1'))
  const end = payload?.indexOf('\n') ?? -1
  if (!payload || end < 0 || payload.toString('utf8', 0, end) !== keyOf(repository, askedAsOfS)) return null
  // Sealed bytes under the engine's own version: the shape is the one that was written.
  return JSON.parse(payload.toString('utf8', end + 1)) as Analysis
}

/** What lacked objects is not remembered: a fetch may bring them without a new commit. */
export async function remember(
  session: Session,
  repository: Repository,
  askedAsOfS: number | null,
  cacheDir: string,
  analysis: Analysis,
): Promise<void> {
  if (analysis.files === null || analysis.files.missing > 0 || analysis.lines.state !== 'complete') return
  const payload = Buffer.from(`${keyOf(repository, askedAsOfS)}\n${JSON.stringify(analysis)}`)
  await writeCache(session, cacheFile(cacheDir, repository.gitDir, 'analysis-1'), [payload])
}

/** Everything that the document depends on besides the objects that the commit names. */
const keyOf = (repository: Repository, askedAsOfS: number | null): string =>
  JSON.stringify([
    ENGINE,
    repository.head,
    askedAsOfS,
    repository.name,
    repository.branch,
    repository.isBare,
    repository.isPartial,
    repository.shallowDigest,
  ])
