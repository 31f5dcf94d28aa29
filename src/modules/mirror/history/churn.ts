// How much each file of the head changed in a window of days.

import type { FileChanges } from './files.ts'
import type { History } from './scan.ts'

const DAY_S = 86_400

export interface Churn {
  /** Commits that changed the file. */
  readonly changes: Int32Array
  /** Lines added and deleted, or the number of changes where line counts are not known. */
  readonly amount: Float64Array
  readonly unit: 'lines' | 'changes'
}

/** Churn by file index over the days before `asOfS`; in lines only if every commit of the window has them. */
export function churnOf(history: History, files: FileChanges, asOfS: number, days: number): Churn {
  const { commits } = history
  const rows = history.rows.filter((row) => {
    const ageS = asOfS - (commits.committedAtS[row] ?? 0)
    return ageS >= 0 && ageS < days * DAY_S
  })
  const unit = rows.every((row) => commits.hasLines[row] === 1) ? 'lines' : 'changes'
  const changes = new Int32Array(files.fileCount)
  const amount = new Float64Array(files.fileCount)
  for (const row of rows) {
    const end = commits.changeStart[row + 1] ?? 0
    for (let change = commits.changeStart[row] ?? 0; change < end; change += 1) {
      const file = files.fileOf[change] ?? -1
      if (file < 0) continue
      const lines = Math.max(0, commits.added[change] ?? 0) + Math.max(0, commits.deleted[change] ?? 0)
      changes[file] = (changes[file] ?? 0) + 1
      amount[file] = (amount[file] ?? 0) + (unit === 'lines' ? lines : 1)
    }
  }
  return { changes, amount, unit }
}
