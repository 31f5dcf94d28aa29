// Finds the repository behind a path and states what it is: where its objects are, which commit is its head.

import { createHash } from 'node:crypto'
import { lstat, open, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { PolityError } from '../../../kernel/errors.ts'
import { MAX_ANSWER_BYTES, MAX_FOLDER_DEPTH, MAX_NAME_CHARS, MAX_SHALLOW_BYTES } from '../limits.ts'
import { cleanRoom, type ObjectFormat, type RoomView } from './clean-room.ts'
import { askGit, gitFailed, type Session } from './command.ts'
import { displayText } from './display.ts'
import { requirePlainFiles } from './plain-files.ts'

export interface Repository extends RoomView {
  /** Name of its folder, shown text. */
  readonly name: string
  /** Real path of the git directory (of the worktree's own one in a linked worktree). */
  readonly gitDir: string
  readonly objectsDir: string
  /** Object id of the commit at HEAD, lower-case hex. */
  readonly head: string
  /** Short branch name, shown text; null when HEAD is detached. */
  readonly branch: string | null
  readonly objectFormat: ObjectFormat
  readonly isBare: boolean
  /** The file naming the commits whose parents are absent; null when the clone is whole. */
  readonly shallowFile: string | null
  /** SHA-256 of that file, '' when there is none. */
  readonly shallowDigest: string
  /** Object ids named in it. */
  readonly shallowCommits: ReadonlySet<string>
  /** True when objects were left out on purpose (partial clone). */
  readonly isPartial: boolean
  /** The git directory of ours through which it is read. */
  readonly room: string
}

/**
 * The repository that holds `path`: the folder itself, its nearest parent with a `.git`, or a bare repository.
 * @throws PolityError `mirror.not-a-repository`, `mirror.empty-repository` (no commit at HEAD),
 *   `mirror.git-failed`, `mirror.git-missing`
 */
export async function openRepository(session: Session, path: string, cacheDir: string): Promise<Repository> {
  const { gitDir, name } = await locate(path)
  const commonDir = await commonDirOf(gitDir)
  await requirePlainFiles(gitDir, commonDir)
  const [head, shallow, isPartial] = await Promise.all([
    resolveHead(session, gitDir),
    readShallow(join(commonDir, 'shallow')),
    hasPromisorPack(join(commonDir, 'objects')),
  ])
  return {
    ...head,
    ...shallow,
    isPartial,
    name,
    gitDir,
    objectsDir: join(commonDir, 'objects'),
    room: await cleanRoom(cacheDir, head.objectFormat),
  }
}

/** Where a repository is, found by looking at files only. */
export interface Location {
  /** The folder that holds `.git`, or the bare repository itself; no symbolic links in it. */
  readonly folder: string
  readonly gitDir: string
  readonly name: string
}

/** The repository that holds `path`. @throws PolityError `mirror.not-a-repository` */
export async function locate(path: string): Promise<Location> {
  const start = await existing(path)
  let folder = (await stat(start)).isDirectory() ? start : dirname(start)
  for (let depth = 0; depth < MAX_FOLDER_DEPTH; depth += 1) {
    const gitDir = (await gitDirIn(folder)) ?? ((await looksLikeGitDir(folder)) ? folder : null)
    if (gitDir !== null) return { folder, gitDir, name: nameOf(folder) }
    if (dirname(folder) === folder) break
    folder = dirname(folder)
  }
  throw notARepository(path)
}

async function existing(path: string): Promise<string> {
  try {
    return await realpath(resolve(path))
  } catch (error) {
    throw notARepository(path, error)
  }
}

/** A `.git` folder, or the folder that a `.git` file of a worktree or submodule names. */
async function gitDirIn(folder: string): Promise<string | null> {
  const dotGit = join(folder, '.git')
  const kind = await stat(dotGit).catch(() => null)
  if (kind?.isDirectory()) return (await looksLikeGitDir(dotGit)) ? dotGit : null
  if (!kind?.isFile()) return null
  const line = (await readBounded(dotGit, MAX_ANSWER_BYTES)).toString('utf8').trimEnd()
  if (!line.startsWith('gitdir: ')) return null
  const target = resolve(folder, line.slice('gitdir: '.length))
  return (await looksLikeGitDir(target)) ? realpath(target) : null
}

/** gitrepository-layout(5): HEAD, and objects and refs here or in the common directory. */
async function looksLikeGitDir(folder: string): Promise<boolean> {
  const has = (name: string) =>
    lstat(join(folder, name)).then(
      () => true,
      () => false,
    )
  if (!(await has('HEAD'))) return false
  return (await has('commondir')) || ((await has('objects')) && (await has('refs')))
}

async function commonDirOf(gitDir: string): Promise<string> {
  const file = join(gitDir, 'commondir')
  const kind = await stat(file).catch(() => null)
  if (!kind?.isFile()) return gitDir
  return resolve(gitDir, (await readBounded(file, MAX_ANSWER_BYTES)).toString('utf8').trimEnd())
}

/**
 * The one command that runs under the repository's own configuration, because only it knows how refs are
 * stored. It resolves a ref to an id and reads no object, so no configured command has a reason to start.
 * An explicit --git-dir also keeps git from searching, and from asking who owns the folder.
 */
async function resolveHead(
  session: Session,
  gitDir: string,
): Promise<Pick<Repository, 'head' | 'branch' | 'objectFormat' | 'isBare'>> {
  const args = [`--git-dir=${gitDir}`, 'rev-parse', '--show-object-format', '--is-bare-repository']
  const exit = await askGit(session, { cwd: '/', args: [...args, 'HEAD', '--symbolic-full-name', 'HEAD'] })
  const [format, bare, head, ref] = exit.answer.toString('latin1').split('\n')
  if (format !== 'sha1' && format !== 'sha256') throw gitFailed('read the repository', exit)
  if (exit.code !== 0 || head === undefined || !/^[0-9a-f]{40,64}$/.test(head)) {
    throw new PolityError('mirror.empty-repository', 'the repository has no commit at HEAD yet', {
      complaint: exit.complaint,
    })
  }
  const branch = ref?.startsWith('refs/heads/')
    ? displayText(ref.slice('refs/heads/'.length), MAX_NAME_CHARS)
    : null
  return { head, branch, objectFormat: format, isBare: bare === 'true' }
}

async function readShallow(
  file: string,
): Promise<Pick<Repository, 'shallowFile' | 'shallowDigest' | 'shallowCommits'>> {
  const kind = await stat(file).catch(() => null)
  if (!kind?.isFile() || kind.size === 0) {
    return { shallowFile: null, shallowDigest: '', shallowCommits: new Set() }
  }
  const bytes = await readBounded(file, MAX_SHALLOW_BYTES)
  return {
    shallowFile: file,
    shallowDigest: createHash('sha256').update(bytes).digest('hex'),
    shallowCommits: new Set(bytes.toString('latin1').split('\n').filter(Boolean)),
  }
}

/** A pack received under a filter carries a `.promisor` file beside it (git-pack-objects, --exclude-promisor-objects). */
async function hasPromisorPack(objectsDir: string): Promise<boolean> {
  const names = await readdir(join(objectsDir, 'pack')).catch(() => [])
  return names.some((name) => name.endsWith('.promisor'))
}

async function readBounded(file: string, maxBytes: number): Promise<Buffer> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    if (size > maxBytes) {
      throw new PolityError('mirror.git-failed', `a file of the repository is larger than ${maxBytes} bytes`)
    }
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(size), 0, size, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

/** The name of a folder as shown text, at most `MAX_NAME_CHARS` long. */
export const nameOf = (folder: string): string =>
  displayText(
    Buffer.from(basename(folder).replace(/\.git$/, '') || basename(folder) || 'root').toString('latin1'),
    MAX_NAME_CHARS,
  )

function notARepository(path: string, cause?: unknown): PolityError {
  const shown = displayText(Buffer.from(path).toString('latin1'), 1_024)
  return new PolityError('mirror.not-a-repository', `no git repository at ${shown}`, { path: shown }, cause)
}
