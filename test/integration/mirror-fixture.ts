// Small real repositories for the tests of the analysis engine, each in its own temporary folder.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type AnalysisOptions, analyzeRepository } from '../../src/modules/mirror/analysis.ts'
import type { Analysis } from '../../src/modules/mirror/document.ts'

export interface Workshop {
  readonly dir: string
  readonly cacheDir: string
  /** Makes an empty repository and returns its path. */
  init(name: string, ...options: string[]): string
  /** Makes a repository that git waits for without end: its branch is a pipe that nobody writes to. */
  hanging(name: string): string
  /** Writes files and commits them; `at` in seconds, author as `Name <mail>`. */
  commit(
    repository: string,
    files: Readonly<Record<string, string | Buffer>>,
    at?: number,
    author?: string,
  ): string
  git(repository: string, ...args: string[]): string
  analyze(path: string, options?: Partial<AnalysisOptions>): Promise<Analysis>
  remove(): void
}

/** 2026-01-05T00:00:00Z, a Monday. */
export const MONDAY_S = Date.UTC(2026, 0, 5) / 1000
export const DAY_S = 86_400

export function openWorkshop(): Workshop {
  const dir = mkdtempSync(join(tmpdir(), 'polity mirror-'))
  const cacheDir = join(dir, 'cache')
  const git = (repository: string, ...args: string[]) => runGit(repository, args)
  return {
    dir,
    cacheDir,
    git,
    init(name, ...options) {
      const path = join(dir, name)
      mkdirSync(path, { recursive: true })
      git(path, 'init', '--quiet', '--initial-branch=main', ...options, '.')
      return path
    },
    hanging(name) {
      const path = join(dir, name)
      for (const folder of ['objects', 'refs/heads'])
        mkdirSync(join(path, '.git', folder), { recursive: true })
      writeFileSync(join(path, '.git', 'HEAD'), 'ref: refs/heads/main\n')
      writeFileSync(join(path, '.git', 'config'), '[core]\n\trepositoryformatversion = 0\n')
      execFileSync('/usr/bin/mkfifo', [join(path, '.git', 'refs', 'heads', 'main')])
      return path
    },
    commit(repository, files, at = MONDAY_S, author = 'Ada <ada@example.org>') {
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(dirname(join(repository, path)), { recursive: true })
        writeFileSync(join(repository, path), content)
      }
      git(repository, 'add', '--all')
      runGit(
        repository,
        ['commit', '--quiet', '--allow-empty', '--message=change', `--author=${author}`],
        undefined,
        {
          GIT_AUTHOR_DATE: `${at} +0000`,
          GIT_COMMITTER_DATE: `${at} +0000`,
        },
      )
      return git(repository, 'rev-parse', 'HEAD')
    },
    analyze: (path, options = {}) => analyzeRepository(path, { cacheDir, timeoutMs: 60_000, ...options }),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}

/** git under nobody's configuration. */
export function runGit(
  cwd: string,
  args: readonly string[],
  input?: string | Buffer,
  env: Readonly<Record<string, string>> = {},
): string {
  return execFileSync('git', ['-c', 'protocol.file.allow=always', ...args], {
    cwd,
    input,
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 2 ** 28,
    timeout: 20_000,
    env: {
      PATH: process.env.PATH ?? '',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_CONFIG_GLOBAL: '/dev/null',
      GIT_AUTHOR_NAME: 'Ada',
      GIT_AUTHOR_EMAIL: 'ada@example.org',
      GIT_COMMITTER_NAME: 'Ada',
      GIT_COMMITTER_EMAIL: 'ada@example.org',
      ...env,
    },
  })
    .toString()
    .trimEnd()
}
