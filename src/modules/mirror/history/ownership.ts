// Truck factor by degree of authorship (Avelino et al., "A novel approach for estimating truck factors", 2016).

import { ADDED } from './commits.ts'
import type { FileChanges } from './files.ts'
import type { People } from './people.ts'
import type { History } from './scan.ts'

/** DOA = 3.293 + 1.098 FA + 0.164 DL - 0.321 ln(1 + AC); an author reaches 0.75 of the file's highest. */
const DOA = { base: 3.293, first: 1.098, deliveries: 0.164, acceptances: 0.321 }
const AUTHOR_SHARE = 0.75

export interface Ownership {
  /** Fewest people without whom more than half of the files have no author; 0 when no file has one. */
  readonly truckFactor: number
  /** Those people in the order in which they were taken away, with the files they are author of. */
  readonly members: readonly { readonly author: number; readonly files: number }[]
  /** Files with an author. */
  readonly files: number
}

/** @param isCounted by file index: false for generated and vendored files */
export function ownershipOf(
  history: History,
  people: People,
  files: FileChanges,
  isCounted: (file: number) => boolean,
): Ownership {
  const authorship = authorsByFile(history, people, files, isCounted)
  return removeTopAuthors(authorship, people)
}

/** One row per (file, author of it), in file order. */
interface Authorship {
  readonly file: number[]
  readonly author: number[]
}

function authorsByFile(
  history: History,
  people: People,
  files: FileChanges,
  isCounted: (file: number) => boolean,
): Authorship {
  const { pairs, creator } = deliveries(history, people, files, isCounted)
  const result: Authorship = { file: [], author: [] }
  const width = Math.max(1, people.authors.length)
  for (let from = 0; from < pairs.length; ) {
    const file = Math.floor((pairs[from] ?? 0) / width)
    let end = from
    while (end < pairs.length && Math.floor((pairs[end] ?? 0) / width) === file) end += 1
    addAuthors(result, file, pairs.subarray(from, end), width, creator[file] ?? -1)
    from = end
  }
  return result
}

/** Every change by a person as `file * people + author`, sorted; and who first added each file. */
function deliveries(
  history: History,
  people: People,
  files: FileChanges,
  isCounted: (file: number) => boolean,
): { pairs: Float64Array; creator: Int32Array } {
  const { commits, rows } = history
  const creator = new Int32Array(files.fileCount).fill(-1)
  const pairs = new Float64Array(commits.path.length)
  const width = Math.max(1, people.authors.length)
  let count = 0
  for (const row of rows) {
    const author = people.authorOf[row] ?? -1
    if (people.authors[author]?.isBot !== false) continue
    const end = commits.changeStart[row + 1] ?? 0
    for (let change = commits.changeStart[row] ?? 0; change < end; change += 1) {
      const file = files.fileOf[change] ?? -1
      if (file < 0 || !isCounted(file)) continue
      pairs[count] = file * width + author
      count += 1
      // Rows run from the newest to the oldest, so the last addition seen is the first one made.
      if (commits.kind[change] === ADDED) creator[file] = author
    }
  }
  return { pairs: pairs.subarray(0, count).sort(), creator }
}

function addAuthors(
  into: Authorship,
  file: number,
  pairs: Float64Array,
  width: number,
  creator: number,
): void {
  const degrees: { author: number; degree: number }[] = []
  for (let from = 0; from < pairs.length; ) {
    const pair = pairs[from] ?? 0
    const end = pairs.lastIndexOf(pair) + 1
    const author = pair - file * width
    const first = author === creator
    degrees.push({ author, degree: degreeOfAuthorship(first, end - from, pairs.length - (end - from)) })
    from = end
  }
  const highest = Math.max(...degrees.map(({ degree }) => degree))
  for (const { author, degree } of degrees) {
    if (highest <= 0 || degree / highest < AUTHOR_SHARE) continue
    into.file.push(file)
    into.author.push(author)
  }
}

/**
 * Degree of authorship, rounded so that a last bit of a logarithm never decides.
 * @param deliveries changes by this person; @param acceptances changes by everyone else
 */
export function degreeOfAuthorship(isFirst: boolean, deliveries: number, acceptances: number): number {
  const degree =
    DOA.base +
    (isFirst ? DOA.first : 0) +
    DOA.deliveries * deliveries -
    DOA.acceptances * Math.log(1 + acceptances)
  return Math.round(degree * 1e9) / 1e9
}

/** Takes the author of most files away until more than half of the files are left without one. */
function removeTopAuthors(authorship: Authorship, people: People): Ownership {
  const filesOf = new Map<number, number[]>()
  const authorsLeft = new Map<number, number>()
  authorship.file.forEach((file, at) => {
    const author = authorship.author[at] ?? 0
    const list = filesOf.get(author)
    if (list) list.push(file)
    else filesOf.set(author, [file])
    authorsLeft.set(file, (authorsLeft.get(file) ?? 0) + 1)
  })
  const identity = (author: number) => people.authors[author]?.identity ?? ''
  const ranked = [...filesOf]
    .map(([author, list]) => ({ author, list }))
    .sort((a, b) => b.list.length - a.list.length || (identity(a.author) < identity(b.author) ? -1 : 1))
  const members: { author: number; files: number }[] = []
  let orphaned = 0
  for (const { author, list } of ranked) {
    if (orphaned * 2 > authorsLeft.size) break
    members.push({ author, files: list.length })
    for (const file of list) {
      const left = (authorsLeft.get(file) ?? 0) - 1
      authorsLeft.set(file, left)
      if (left === 0) orphaned += 1
    }
  }
  return { truckFactor: members.length, members, files: authorsLeft.size }
}
