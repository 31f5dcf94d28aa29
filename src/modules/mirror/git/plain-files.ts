// Refuses a git directory whose own files would never end: git reads them whole, and waits where nothing comes.

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { PolityError } from '../../../kernel/errors.ts'
import { MAX_CONTROL_FILE_BYTES } from '../limits.ts'

/** gitrepository-layout(5): what git opens before it looks at any object, in either directory. */
const CONTROL_FILES = ['HEAD', 'config', 'config.worktree', 'commondir', 'objects/info/alternates'] as const
/** Read as they come, so that they may be large. */
const STREAMED_FILES = ['packed-refs', 'shallow', 'objects/info/commit-graph'] as const

/**
 * A FIFO, a device (a link to /dev/zero) or a file of terabytes in place of one of them is no accident.
 * @throws PolityError `mirror.git-failed`
 */
export async function requirePlainFiles(gitDir: string, commonDir: string): Promise<void> {
  const folders = [...new Set([gitDir, commonDir])]
  await Promise.all(
    folders.flatMap((folder) => [
      ...CONTROL_FILES.map((name) => requirePlain(folder, name, MAX_CONTROL_FILE_BYTES)),
      ...STREAMED_FILES.map((name) => requirePlain(folder, name, Number.POSITIVE_INFINITY)),
    ]),
  )
}

async function requirePlain(folder: string, name: string, maxBytes: number): Promise<void> {
  // What is absent, or not ours to look at, git judges by itself.
  const kind = await stat(join(folder, name)).catch(() => null)
  if (kind === null) return
  if (!kind.isFile())
    throw new PolityError('mirror.git-failed', `${name} in the git directory is no plain file`)
  if (kind.size > maxBytes)
    throw new PolityError(
      'mirror.git-failed',
      `${name} in the git directory is larger than ${maxBytes} bytes`,
    )
}
