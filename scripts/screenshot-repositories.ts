// Git repositories with different habits for the README's pictures: recent, small, and the same for the same moment.

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

interface Habits {
  readonly name: string
  /** Commits in each of the last weeks, oldest first. */
  readonly weeks: readonly number[]
  readonly people: readonly string[]
  /** A function too complex to read is changed again and again. */
  readonly isTangled: boolean
  readonly files: Readonly<Record<string, string>>
}

const HOUR_S = 3600
const WEEK_S = 7 * 24 * HOUR_S
const SOURCES = 9
const TANGLED_NESTING = 8

const LICENSE = 'Apache License\nVersion 2.0, January 2004\nhttp://www.apache.org/licenses/\n'
const GOOD_HABITS = {
  'README.md': '# What it does\n',
  LICENSE,
  'CONTRIBUTING.md': 'Tests first.\n',
  'package-lock.json': '{}\n',
  'SECURITY.md':
    'Report vulnerabilities to security@example.com; you get an answer within 5 days. See https://example.com/security for our policy of disclosure.\n',
  '.github/dependabot.yml': 'version: 2\n',
  '.github/workflows/ci.yml':
    'on: push\npermissions:\n  contents: read\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@b4ffde65f46336ab88eb53be808477a3936bae11\n      - run: npm ci && npm test\n',
  'test/ledger.test.ts': "import { it } from 'vitest'\nit('adds', () => {})\n",
  'test/router.test.ts': "import { it } from 'vitest'\nit('routes', () => {})\n",
  'test/queue.test.ts': "import { it } from 'vitest'\nit('queues', () => {})\n",
}
const { 'SECURITY.md': _policy, '.github/dependabot.yml': _updates, ...FAIR_HABITS } = GOOD_HABITS
const POOR_HABITS = {
  'README.md': '# Old\n',
  '.github/workflows/release.yml': `on: pull_request_target\npermissions: write-all\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v3\n        with:\n          ref: \${{ github.event.pull_request.head.sha }}\n      - run: npm install\n`,
}

const STEADY = [3, 2, 4, 3, 3, 2, 4, 3, 2, 3, 4, 3, 3, 4, 3, 2, 3, 4]
const RISING = [0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 2, 3, 4]
const FADING = [5, 4, 5, 4, 3, 4, 3, 2, 2, 1, 1, 1, 0, 0, 1, 0, 0, 1]

const REPOSITORIES: readonly Habits[] = [
  {
    name: 'billing-api',
    weeks: RISING,
    people: ['Ada', 'Grace', 'Edsger'],
    isTangled: false,
    files: GOOD_HABITS,
  },
  {
    name: 'checkout-web',
    weeks: STEADY,
    people: ['Ada', 'Tony', 'Radia', 'Joan'],
    isTangled: false,
    files: GOOD_HABITS,
  },
  { name: 'edge-proxy', weeks: FADING, people: ['Edsger'], isTangled: true, files: POOR_HABITS },
  { name: 'notifications', weeks: STEADY, people: ['Tony', 'Barbara'], isTangled: true, files: FAIR_HABITS },
  { name: 'scratch', weeks: [1, 0, 1, 2], people: ['Joan'], isTangled: false, files: {} },
]

/** Creates them under `dir`, their last commits shortly before `nowMs`, and answers their paths. */
export function createRepositories(dir: string, nowMs: number): string[] {
  return REPOSITORIES.map((habits, at) => {
    const path = join(dir, habits.name)
    mkdirSync(path)
    git(path, ['init', '--quiet', '--initial-branch=main', '.'])
    git(path, ['fast-import', '--quiet'], historyOf(habits, Math.floor(nowMs / 1000) - (at + 1) * 2 * HOUR_S))
    return path
  })
}

/** Lets the head of a repository stand where it stood `weeksAgo`. */
export function rewind(path: string, nowMs: number, weeksAgo: number): void {
  const before = Math.floor(nowMs / 1000) - weeksAgo * WEEK_S
  const [commit] = git(path, ['rev-list', '-1', `--before=${before}`, 'refs/heads/all']).split('\n')
  if (commit) git(path, ['update-ref', 'refs/heads/main', commit])
}

function historyOf({ weeks, people, isTangled, files }: Habits, endS: number): string {
  const commits: string[] = []
  weeks.forEach((count, week) => {
    for (let n = 0; n < count; n += 1) {
      const at = commits.length
      const timeS = endS - (weeks.length - 1 - week) * WEEK_S - (count - 1 - n) * 9 * HOUR_S
      const changed =
        at === 0 ? { ...files, ...allSources(isTangled) } : { [sourcePath(at)]: source(at, isTangled) }
      commits.push(commitOf(people[at % people.length] ?? '', timeS, changed))
    }
  })
  return `${commits.join('')}reset refs/heads/all\nfrom refs/heads/main\n\n`
}

function commitOf(person: string, timeS: number, changed: Readonly<Record<string, string>>): string {
  const edits = Object.entries(changed).map(([path, text]) => `M 100644 inline ${path}\n${dataOf(text)}`)
  const who = `${person} <${person.toLowerCase()}@example.com> ${timeS} +0000`
  return `commit refs/heads/main\nauthor ${who}\ncommitter ${who}\n${dataOf('Change it\n')}${edits.join('')}\n`
}

const dataOf = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`

const sourcePath = (at: number): string => `src/part-${at % SOURCES}.ts`

const allSources = (isTangled: boolean): Record<string, string> =>
  Object.fromEntries(Array.from({ length: SOURCES }, (_, at) => [sourcePath(at), source(at, isTangled)]))

function source(at: number, isTangled: boolean): string {
  const depth = isTangled && at % 3 === 0 ? TANGLED_NESTING : 1
  const open = Array.from(
    { length: depth },
    (_, n) => `${'  '.repeat(n + 1)}if (value > ${at + n}) {\n`,
  ).join('')
  const close = Array.from({ length: depth }, (_, n) => `${'  '.repeat(depth - n)}}\n`).join('')
  return `export function settle(value: number): number {\n${open}${'  '.repeat(depth + 1)}value += ${at}\n${close}  return value\n}\n`
}

const git = (path: string, args: readonly string[], input = ''): string =>
  execFileSync('git', ['-C', path, ...args], { input, encoding: 'utf8' })
