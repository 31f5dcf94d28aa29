// Follows the files of the head back through exact renames: which change belongs to which file of today.

import { type Commits, MOVED, RENAMED } from './commits.ts'
import type { History } from './scan.ts'

export interface FileChanges {
  /** Index into the files of the head by change row; -1 when the file is gone. */
  readonly fileOf: Int32Array
  readonly fileCount: number
}

/** @param paths paths of the head, bytes as latin1 */
export function followFiles(history: History, paths: readonly string[]): FileChanges {
  const { commits, rows } = history
  const fileByPath = new Map(paths.map((path, file) => [path, file]))
  const current = Int32Array.from(commits.paths, (path) => fileByPath.get(path) ?? -1)
  const fileOf = new Int32Array(commits.path.length).fill(-1)
  for (const row of rows) {
    const end = commits.changeStart[row + 1] ?? 0
    for (let change = commits.changeStart[row] ?? 0; change < end; change += 1) {
      if (commits.kind[change] !== MOVED) fileOf[change] = current[commits.path[change] ?? 0] ?? -1
    }
    // Only now: within one commit two files may swap their names.
    adoptRenames(commits, row, current, fileOf)
  }
  return { fileOf, fileCount: paths.length }
}

/** Going back in time, what is older than a rename carries the earlier name. */
function adoptRenames(commits: Commits, row: number, current: Int32Array, fileOf: Int32Array): void {
  const end = commits.changeStart[row + 1] ?? 0
  for (let change = commits.changeStart[row] ?? 0; change < end; change += 1) {
    if (commits.kind[change] === RENAMED) current[commits.from[change] ?? 0] = fileOf[change] ?? -1
  }
}
