// A git directory of our own, through which a repository's objects are read and its configuration is not.

import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { BIG_FILE_BYTES } from '../limits.ts'

export type ObjectFormat = 'sha1' | 'sha256'

/** Generated files are not compared line by line: they cost half the time and say nothing about people. */
const ATTRIBUTES = [
  'package-lock.json',
  'npm-shrinkwrap.json',
  'yarn.lock',
  'pnpm-lock.yaml',
  'bun.lock',
  'Cargo.lock',
  'Gemfile.lock',
  'Pipfile.lock',
  'poetry.lock',
  'uv.lock',
  'composer.lock',
  'go.sum',
  'flake.lock',
  '*.min.js',
  '*.min.css',
  '*.map',
  '*.svg',
  '*.snap',
  '*.pb.go',
  '*_pb2.py',
]
  .map((pattern) => `${pattern} -diff\n`)
  .join('')

const HEAD = 'ref: refs/heads/none\n'

/** The commit-graph is a cache that a repository ships; facts come from the objects themselves. */
const CONFIG = (format: ObjectFormat) =>
  [
    '[core]',
    `\trepositoryformatversion = ${format === 'sha1' ? 0 : 1}`,
    '\tbare = true',
    '\tcommitGraph = false',
    `\tbigFileThreshold = ${BIG_FILE_BYTES}`,
    ...(format === 'sha1' ? [] : ['[extensions]', '\tobjectFormat = sha256']),
    '',
  ].join('\n')

/**
 * Makes (once) the empty git directory for an object format and returns its path. Its configuration and
 * attributes are ours alone; hooks, filters, drivers, aliases, includes and promisor remotes do not exist in it.
 */
export async function cleanRoom(cacheDir: string, format: ObjectFormat): Promise<string> {
  const room = join(cacheDir, `clean-room-${format}`)
  if (await isCurrent(room, format)) return room
  await mkdir(cacheDir, { recursive: true, mode: 0o700 })
  const draft = await mkdtemp(join(cacheDir, 'draft-'))
  await Promise.all(['objects', 'refs', 'info'].map((name) => mkdir(join(draft, name))))
  await writeFile(join(draft, 'HEAD'), HEAD)
  await writeFile(join(draft, 'info', 'attributes'), ATTRIBUTES)
  await writeFile(join(draft, 'config'), CONFIG(format))
  await adopt(draft, room, format)
  return room
}

/** Another thread may be first: its room is as good. Only one of an older version, or a damaged one, is replaced. */
async function adopt(draft: string, room: string, format: ObjectFormat): Promise<void> {
  try {
    await rename(draft, room)
  } catch (error) {
    if (!(await isCurrent(room, format))) {
      await rm(room, { recursive: true, force: true })
      await rename(draft, room)
      return
    }
    await rm(draft, { recursive: true, force: true })
    if (!(await isCurrent(room, format))) throw error
  }
}

/** What of a repository is looked at through a room. */
export interface RoomView {
  readonly room: string
  readonly objectsDir: string
  readonly shallowFile: string | null
}

/** Environment under which git sees the clean room as the repository, with this one's objects. */
export function roomEnvironment(repository: RoomView): Record<string, string> {
  return {
    GIT_DIR: repository.room,
    GIT_OBJECT_DIRECTORY: repository.objectsDir,
    ...(repository.shallowFile === null ? {} : { GIT_SHALLOW_FILE: repository.shallowFile }),
  }
}

async function isCurrent(room: string, format: ObjectFormat): Promise<boolean> {
  const read = (name: string) => readFile(join(room, name), 'utf8').catch(() => null)
  const [head, config, attributes] = await Promise.all(['HEAD', 'config', 'info/attributes'].map(read))
  return head === HEAD && config === CONFIG(format) && attributes === ATTRIBUTES
}
