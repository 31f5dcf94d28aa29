// A repository that wants to run something: whatever its configuration, hooks and attributes name, nothing starts.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { watchMemory } from '../../src/modules/mirror/git/memory-watch.ts'
import { DAY_S, MONDAY_S, openWorkshop, runGit, type Workshop } from './mirror-fixture.ts'

let shop: Workshop
let canary: string
let trap: string

beforeEach(() => {
  shop = openWorkshop()
  canary = join(shop.dir, 'canary')
  // No space in its path: some settings are split into words.
  trap = join(mkdirp(join(shop.dir, '..', `trap-${process.pid}`)), 'trap.sh')
  writeFileSync(trap, `#!/bin/sh\necho "$0 $*" >> '${canary}'\nexit 0\n`)
  chmodSync(trap, 0o755)
})
afterEach(() => {
  shop.remove()
  rmSync(join(trap, '..'), { recursive: true, force: true })
})

const HOOKS = [
  'post-checkout',
  'post-index-change',
  'pre-auto-gc',
  'reference-transaction',
  'fsmonitor-watchman',
  'pre-commit',
  'post-rewrite',
  'pre-push',
  'proc-receive',
  'sendemail-validate',
  'p4-changelist',
]

function hostileConfig(): string {
  return `
[core]
	repositoryformatversion = 1
	fsmonitor = ${trap}
	hooksPath = ${join(trap, '..')}
	pager = ${trap}
	editor = ${trap}
	sshCommand = ${trap}
	askPass = ${trap}
	gitProxy = ${trap}
	alternateRefsCommand = ${trap}
	attributesFile = ${join(shop.dir, 'attributes')}
	commitGraph = true
	worktree = ${shop.dir}
[extensions]
	partialClone = origin
[remote "origin"]
	url = ext::${trap} %S
	promisor = true
	partialclonefilter = blob:none
	uploadpack = ${trap}
	vcs = ext
[protocol]
	allow = always
[protocol "ext"]
	allow = always
[protocol "file"]
	allow = always
[url "ext::${trap} "]
	insteadOf = https://
[diff]
	external = ${trap}
	renames = copies
	noprefix = true
	algorithm = histogram
[diff "evil"]
	command = ${trap}
	textconv = ${trap}
	cachetextconv = true
	binary = true
[filter "evil"]
	smudge = ${trap}
	clean = ${trap}
	process = ${trap}
	required = true
[merge "evil"]
	driver = ${trap}
[gpg]
	program = ${trap}
[gpg "ssh"]
	program = ${trap}
	defaultKeyCommand = ${trap}
[gpg "x509"]
	program = ${trap}
[log]
	showSignature = true
	mailmap = true
	diffMerges = on
[mailmap]
	file = ${join(shop.dir, 'mailmap')}
[format]
	pretty = %H evil
[pager]
	log = ${trap}
	ls-tree = ${trap}
	rev-parse = ${trap}
[alias]
	log = !${trap}
	rev-parse = !${trap}
	cat-file = !${trap}
	ls-tree = !${trap}
[credential]
	helper = !${trap}
[interactive]
	diffFilter = ${trap}
[sequence]
	editor = ${trap}
[uploadpack]
	packObjectsHook = ${trap}
[trace2]
	eventTarget = ${canary}
`
}

function hostileRepository(): string {
  const path = shop.init('hostile')
  shop.commit(
    path,
    { 'a.js': 'let a = 1\n', 'b.txt': 'b\n', '.gitattributes': '* diff=evil filter=evil merge=evil\n' },
    MONDAY_S - DAY_S,
  )
  const tree = shop.git(path, 'write-tree')
  const parent = shop.git(path, 'rev-parse', 'HEAD')
  const people = `author A <a@b> ${MONDAY_S} +0000\ncommitter A <a@b> ${MONDAY_S} +0000\n`
  const signature =
    'gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQEzBAABCAAdFiEE\n -----END PGP SIGNATURE-----\n'
  const commit = runGit(
    path,
    ['hash-object', '-t', 'commit', '-w', '--stdin'],
    `tree ${tree}\nparent ${parent}\n${people}${signature}\nsigned\n`,
  )
  shop.git(path, 'update-ref', 'refs/heads/main', commit)
  return path
}

function arm(path: string): void {
  const gitDir = join(path, '.git')
  writeFileSync(join(gitDir, 'config'), hostileConfig())
  writeFileSync(join(shop.dir, 'attributes'), '* diff=evil filter=evil\n')
  writeFileSync(join(shop.dir, 'mailmap'), 'Mallory <m@m> <a@b>\n')
  mkdirSync(join(gitDir, 'info'), { recursive: true })
  writeFileSync(join(gitDir, 'info', 'attributes'), '* diff=evil filter=evil\n')
  writeFileSync(join(gitDir, 'info', 'grafts'), `${runGit(path, ['rev-parse', 'HEAD'])}\n`)
  for (const hook of HOOKS) {
    for (const folder of [join(gitDir, 'hooks'), join(trap, '..')]) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, hook), `#!/bin/sh\nexec ${trap} ${hook}\n`)
      chmodSync(join(folder, hook), 0o755)
    }
  }
}

function mkdirp(path: string): string {
  mkdirSync(path, { recursive: true })
  return path
}

/** Proves that the trap works: a git that trusts the repository does start it. */
function springs(path: string): boolean {
  try {
    runGit(path, ['log', '-p', '--ext-diff'], '')
  } catch {
    // It may end badly; what counts is whether the canary sang.
  }
  const sang = existsSync(canary)
  rmSync(canary, { force: true })
  return sang
}

describe('a hostile repository', () => {
  it('is analysed like any other, and starts nothing', async () => {
    const path = hostileRepository()
    const tame = await shop.analyze(path)
    arm(path)
    expect(springs(path)).toBe(true)
    const analysis = await shop.analyze(path, { cacheDir: join(shop.dir, 'fresh cache') })
    expect(existsSync(canary)).toBe(false)
    expect(analysis.commits).toEqual(tame.commits)
    expect(analysis.lines).toEqual(tame.lines)
    expect(analysis.languages).toEqual(tame.languages)
    expect(analysis.absenceFactor.members[0]?.name).toBe(tame.absenceFactor.members[0]?.name)
  })

  it('starts nothing and fetches nothing where objects are missing', async () => {
    const path = hostileRepository()
    const blob = shop.git(path, 'rev-parse', 'HEAD:a.js')
    arm(path)
    rmSync(join(path, '.git', 'objects', blob.slice(0, 2), blob.slice(2)))
    const analysis = await shop.analyze(path)
    expect(existsSync(canary)).toBe(false)
    expect(analysis.files?.missing).toBe(1)
    expect(analysis.lines.state).not.toBe('complete')
  })

  it('starts nothing where the head commit itself is missing', async () => {
    const path = hostileRepository()
    const head = shop.git(path, 'rev-parse', 'HEAD')
    arm(path)
    rmSync(join(path, '.git', 'objects', head.slice(0, 2), head.slice(2)))
    await expect(shop.analyze(path)).rejects.toMatchObject({ code: 'mirror.git-failed' })
    expect(existsSync(canary)).toBe(false)
  })

  it('does not lie through replace refs and grafts', async () => {
    const path = hostileRepository()
    const head = shop.git(path, 'rev-parse', 'HEAD')
    const other = runGit(path, [
      'commit-tree',
      '-m',
      'other',
      shop.git(path, 'hash-object', '-w', '-t', 'tree', '/dev/null'),
    ])
    shop.git(path, 'replace', head, other)
    expect((await shop.analyze(path)).commits.total).toBe(2)
  })

  it('leaves the repository as it was', async () => {
    const path = hostileRepository()
    const before = readdirSync(path, { recursive: true }).toSorted()
    await shop.analyze(path)
    expect(readdirSync(path, { recursive: true }).toSorted()).toEqual(before)
  })

  it('a tree of trees without end is counted to the bound, not unpacked', async () => {
    const path = shop.init('bomb')
    let tree = runGit(path, ['hash-object', '-w', '--stdin'], 'x')
    let mode = '100644 blob'
    for (let level = 0; level < 8; level += 1) {
      const entries = Array.from({ length: 10 }, (_, n) => `${mode} ${tree}\tn${n}\n`).join('')
      tree = runGit(path, ['mktree'], entries)
      mode = '040000 tree'
    }
    const commit = runGit(path, ['commit-tree', '-m', 'bomb', tree])
    shop.git(path, 'update-ref', 'refs/heads/main', commit)
    const analysis = await shop.analyze(path)
    expect(analysis.limits).toContain('files')
    expect(analysis.scorecard.grade).toBe('U')
    expect(analysis.health.score).toBeNull()
  })
})

describe('a repository whose own files never end', () => {
  const ENDLESS: Readonly<Record<string, (file: string) => void>> = {
    'a FIFO': (file) => execFileSync('mkfifo', [file]),
    'a link to a device': (file) => symlinkSync('/dev/zero', file),
    'a file of terabytes': (file) => {
      writeFileSync(file, '')
      truncateSync(file, 2 ** 41)
    },
  }
  const FILES = ['HEAD', 'config', 'config.worktree', 'commondir', 'objects/info/alternates']

  for (const [kind, plant] of Object.entries(ENDLESS))
    it.each(FILES)(`is refused before git reads it: ${kind} as %s`, async (name) => {
      const path = shop.init('endless')
      shop.commit(path, { 'a.js': '1\n' })
      const file = join(path, '.git', name)
      rmSync(file, { force: true })
      plant(file)
      await expect(shop.analyze(path, { timeoutMs: 5_000 })).rejects.toMatchObject({
        code: 'mirror.git-failed',
      })
    })

  it.runIf(process.platform === 'linux')(
    'a process that takes too much memory is told of, once',
    async () => {
      const hungry = spawn(process.execPath, [
        '-e',
        'const held = []; setInterval(() => held.push(Buffer.alloc(2 ** 24, 1)), 5)',
      ])
      const exceeded = Promise.withResolvers<void>()
      const end = watchMemory(hungry.pid ?? 0, 256, exceeded.resolve)
      await exceeded.promise
      end()
      hungry.kill('SIGKILL')
      expect(await once(hungry, 'exit')).toEqual([null, 'SIGKILL'])
    },
  )
})
