// The files of the head: one `git ls-tree`, with sizes where every object is at hand.

import { roomEnvironment } from '../git/clean-room.ts'
import { type GitExit, runGit, type Session } from '../git/command.ts'
import type { Repository } from '../git/repository.ts'
import { MAX_TOKEN_BYTES, MAX_TREE_FILES } from '../limits.ts'

export interface TreeFile {
  /** Bytes as latin1. */
  readonly path: string
  readonly id: string
  /** -1 when the object is not here. */
  readonly sizeBytes: number
  readonly isExecutable: boolean
}

export interface Listing {
  /** Regular files in the order of git, which is by bytes of the path. */
  readonly files: readonly TreeFile[]
  readonly symlinks: number
  /** Commits of other repositories; never looked into. */
  readonly submodules: number
  readonly isTruncated: boolean
}

/** The files of the head, or null when its trees are not here (a treeless clone, damage). */
export async function listTree(session: Session, repository: Repository): Promise<Listing | null> {
  const withSizes = await list(session, repository, ['-l'])
  if (withSizes) return withSizes
  // git gives up on sizes at the first absent blob.
  return list(session, repository, [])
}

async function list(
  session: Session,
  repository: Repository,
  options: readonly string[],
): Promise<Listing | null> {
  const reader = new ListingReader()
  const exit: GitExit = await runGit(session, {
    args: ['ls-tree', '-r', '-z', '--full-tree', ...options, repository.head],
    cwd: repository.room,
    env: roomEnvironment(repository),
    onData: (chunk) => reader.push(chunk),
  })
  return exit.code === 0 || exit.stopped ? reader.listing(exit.stopped) : null
}

/** Reads `<mode> <type> <id>[ <size>]\t<path>\0` (git-ls-tree(1), OUTPUT FORMAT). */
class ListingReader {
  private readonly files: TreeFile[] = []
  private symlinks = 0
  private submodules = 0
  private held: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): boolean {
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk])
    let from = 0
    for (let end = bytes.indexOf(0, from); end >= 0; end = bytes.indexOf(0, from)) {
      if (this.files.length + this.symlinks + this.submodules >= MAX_TREE_FILES) return false
      this.entry(bytes.toString('latin1', from, end))
      from = end + 1
    }
    this.held = bytes.subarray(from)
    if (this.held.length > MAX_TOKEN_BYTES) throw new RangeError('git ls-tree wrote an endless path')
    return true
  }

  listing(isTruncated: boolean): Listing {
    return { files: this.files, symlinks: this.symlinks, submodules: this.submodules, isTruncated }
  }

  private entry(text: string): void {
    const tab = text.indexOf('\t')
    const [mode = '', type, id = '', size = '-1'] = text.slice(0, tab).split(/ +/)
    if (type === 'commit') this.submodules += 1
    else if (mode === '120000') this.symlinks += 1
    else if (type === 'blob') {
      const sizeBytes = /^\d+$/.test(size) ? Number(size) : -1
      this.files.push({ path: text.slice(tab + 1), id, sizeBytes, isExecutable: mode === '100755' })
    }
  }
}
