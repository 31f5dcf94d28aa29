// Which files change together across the parts of a repository (temporal coupling as code-maat defines it).

import { MAX_COUPLED_PAIRS, MAX_PAIRS } from '../limits.ts'
import type { FileChanges } from './files.ts'
import type { History } from './scan.ts'

const MIN_SHARED_REVISIONS = 5
const MIN_COUPLING_PERCENT = 30
const MAX_CHANGESET = 30

export interface Coupling {
  /** Pairs of files with at least 5 shared revisions; null when there were too many to count. */
  readonly pairs: number | null
  /** Of these, pairs coupled by at least 30 % whose files are in different modules. */
  readonly acrossModules: number
  /** The strongest of those, strongest first. */
  readonly strongest: readonly {
    readonly a: number
    readonly b: number
    readonly percent: number
    readonly shared: number
  }[]
}

/**
 * Counts shared revisions of pairs of files of the head, over commits that changed at most 30.
 * Two passes: small saturating counters find the pairs that can have enough, then only those are counted.
 * @param moduleOf the top-level module of a file, by file index; null leaves the file out
 */
export function couplingOf(
  history: History,
  files: FileChanges,
  moduleOf: (file: number) => string | null,
): Coupling {
  const changesets = changesetsOf(history, files, moduleOf)
  const revisions = new Int32Array(files.fileCount)
  for (const changeset of changesets)
    for (const file of changeset) revisions[file] = (revisions[file] ?? 0) + 1
  const shared = frequentPairs(changesets, files.fileCount)
  if (!shared) return { pairs: null, acrossModules: 0, strongest: [] }
  let pairs = 0
  const across: { a: number; b: number; percent: number; shared: number }[] = []
  for (const [key, count] of shared) {
    if (count < MIN_SHARED_REVISIONS) continue
    pairs += 1
    const a = Math.floor(key / files.fileCount)
    const b = key % files.fileCount
    const percent = (200 * count) / ((revisions[a] ?? 0) + (revisions[b] ?? 0))
    if (percent >= MIN_COUPLING_PERCENT && moduleOf(a) !== moduleOf(b))
      across.push({ a, b, percent, shared: count })
  }
  across.sort((x, y) => y.percent - x.percent || y.shared - x.shared || x.a - y.a || x.b - y.b)
  return { pairs, acrossModules: across.length, strongest: across.slice(0, MAX_COUPLED_PAIRS) }
}

/** The module of a path: its first folder, or two where the first only collects (`src/x`, `packages/y`). */
export function moduleOfPath(path: string): string {
  const [first = '', second, third] = path.split('/')
  if (second === undefined) return '.'
  return COLLECTING.has(first) && third !== undefined ? `${first}/${second}` : first
}

const COLLECTING = new Set([
  'src',
  'lib',
  'libs',
  'packages',
  'crates',
  'apps',
  'modules',
  'internal',
  'pkg',
  'cmd',
  'services',
])

/** The small changesets, each its distinct files in ascending order. */
function changesetsOf(
  history: History,
  files: FileChanges,
  moduleOf: (file: number) => string | null,
): Int32Array[] {
  const { commits, rows } = history
  const counted = Uint8Array.from({ length: files.fileCount }, (_, file) => (moduleOf(file) === null ? 0 : 1))
  const changesets: Int32Array[] = []
  for (const row of rows) {
    const from = commits.changeStart[row] ?? 0
    const end = commits.changeStart[row + 1] ?? 0
    if (end - from > MAX_CHANGESET) continue
    const some = new Set<number>()
    for (let change = from; change < end; change += 1) {
      const file = files.fileOf[change] ?? -1
      if (file >= 0 && counted[file] === 1) some.add(file)
    }
    if (some.size > 0) changesets.push(Int32Array.from(some).sort())
  }
  return changesets
}

const MAX_BUCKETS = 1 << 22

/** Exact counts of every pair that may have enough shared revisions; null above `MAX_PAIRS`. */
function frequentPairs(changesets: readonly Int32Array[], fileCount: number): Map<number, number> | null {
  const total = changesets.reduce((sum, { length }) => sum + (length * (length - 1)) / 2, 0)
  let buckets = 1_024
  while (buckets < total * 2 && buckets < MAX_BUCKETS) buckets *= 2
  const rough = new Uint8Array(buckets)
  const bucket = (a: number, b: number) =>
    (Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b)) & (buckets - 1)
  eachPair(changesets, (a, b) => {
    const at = bucket(a, b)
    const seen = rough[at] ?? 0
    if (seen < MIN_SHARED_REVISIONS) rough[at] = seen + 1
  })
  const exact = new Map<number, number>()
  eachPair(changesets, (a, b) => {
    if ((rough[bucket(a, b)] ?? 0) < MIN_SHARED_REVISIONS || exact.size > MAX_PAIRS) return
    const key = a * fileCount + b
    exact.set(key, (exact.get(key) ?? 0) + 1)
  })
  return exact.size > MAX_PAIRS ? null : exact
}

function eachPair(changesets: readonly Int32Array[], visit: (a: number, b: number) => void): void {
  for (const changeset of changesets) {
    for (let i = 0; i < changeset.length; i += 1) {
      for (let j = i + 1; j < changeset.length; j += 1) visit(changeset[i] ?? 0, changeset[j] ?? 0)
    }
  }
}
