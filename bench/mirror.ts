// The cost of analysing repositories: cold and warm through the command line, and the history scan beside git itself.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { openRepository } from '../src/modules/mirror/git/repository.ts'
import { scanHistory } from '../src/modules/mirror/history/scan.ts'
import { generateRepositories } from './fixtures/generate-repositories.ts'
import { type HubProcess, isolated, POLITY, startHub } from './hub-process.ts'
import { ms, openReport, percentile, timed } from './report.ts'

const REPOSITORIES = 100
const COMMITS = 1000
const SEED = 1
const WARM_RUNS = 5
const MEMORY_INTERVAL_MS = 250
/** Repositories in the comparison with git, which runs one after the other. */
const COMPARED = 20

const run = promisify(execFile)
type Report = ReturnType<typeof openReport>

export async function benchMirror(): Promise<void> {
  const report = openReport('mirror')
  const dir = mkdtempSync(join(tmpdir(), 'polity-bench-mirror-'))
  try {
    process.stderr.write(`  generating ${REPOSITORIES} repositories x ${COMMITS} commits ...\n`)
    const paths = await generateRepositories(join(dir, 'repositories'), {
      count: REPOSITORIES,
      commits: COMMITS,
      seed: SEED,
    })
    await throughTheCommand(report, dir, paths)
    await besideGit(report, dir, paths.slice(0, COMPARED))
    for (const path of (process.env.POLITY_BENCH_REPOSITORIES ?? '').split(':').filter(Boolean))
      await realRepository(report, dir, path)
    report.print()
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function throughTheCommand(report: Report, dir: string, paths: readonly string[]): Promise<void> {
  const hub = await startHub(dir)
  const method = `\`polity mirror\` over ${REPOSITORIES} generated repositories of ${COMMITS} commits, from the start of the command to its end, hub running`
  const cold = await mirrored(hub, dir, paths)
  report.add({
    name: 'mirror, cold',
    value: ms(cold.spentMs),
    target: '< 10,000 ms',
    isMet: cold.spentMs < 10_000,
    method: `${method}; nothing remembered`,
  })
  const warm: number[] = []
  for (let time = 0; time < WARM_RUNS; time++) warm.push((await mirrored(hub, dir, paths)).spentMs)
  const warmMs = percentile(warm, 0.5)
  report.add({
    name: 'mirror, warm',
    value: ms(warmMs),
    target: '< 2,000 ms',
    isMet: warmMs < 2000,
    method: `${method}; the same again, median of ${WARM_RUNS}`,
  })
  report.add({
    name: 'mirror, memory',
    value: `${cold.peakMiB} MiB`,
    target: '< 512 MiB',
    isMet: cold.peakMiB < 512,
    method: `largest sum of PSS over the hub and its children (git included), sampled every ${MEMORY_INTERVAL_MS} ms of the cold run`,
  })
  await hub.stop()
}

async function mirrored(
  hub: HubProcess,
  dir: string,
  paths: readonly string[],
): Promise<{ spentMs: number; peakMiB: number }> {
  let peakMiB = 0
  const timer = setInterval(() => {
    peakMiB = Math.max(peakMiB, hub.treeMiB())
  }, MEMORY_INTERVAL_MS)
  const startMs = performance.now()
  const child = spawn(POLITY, ['mirror', '--json', '--url', hub.url, '--data', hub.dataDir, ...paths], {
    cwd: dir,
    env: isolated(dir),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  const spentMs = performance.now() - startMs
  clearInterval(timer)
  if (code !== 0) throw new Error(`polity mirror ended with ${code}`)
  return { spentMs, peakMiB }
}

/** Git and our scan take turns, repository by repository, so that both meet the same machine. */
async function besideGit(report: Report, dir: string, paths: readonly string[]): Promise<void> {
  let gitMs = 0
  let oursMs = 0
  for (const path of paths) {
    gitMs += await timed(() =>
      run('git', ['-C', path, 'log', '--raw', '--numstat', '--format=%H'], { maxBuffer: 2 ** 30 }),
    )
    oursMs += await timed(() => scanned(path, mkCache(dir)))
  }
  const ratio = oursMs / gitMs
  report.add({
    name: 'history scan / git log',
    value: ratio.toFixed(2),
    target: '<= 1.5',
    isMet: ratio <= 1.5,
    method: `cold scan of ${paths.length} repositories (process, parse, facts written) over \`git log --raw --numstat\` alone, taking turns: ${ms(oursMs)} and ${ms(gitMs)}`,
  })
}

let caches = 0
function mkCache(dir: string): string {
  const path = join(dir, `cache-${caches++}`)
  mkdirSync(path)
  return path
}

async function scanned(path: string, cacheDir: string): Promise<void> {
  const session = { signal: new AbortController().signal }
  const repository = await openRepository(session, path, cacheDir)
  await scanHistory(session, repository, { cacheDir, detail: 'lines', onCommits: () => undefined })
}

async function realRepository(report: Report, dir: string, path: string): Promise<void> {
  const hub = await startHub(mkCache(dir))
  const cold = await mirrored(hub, dir, [path])
  const warm = await mirrored(hub, dir, [path])
  await hub.stop()
  const { stdout } = await run('git', ['-C', path, 'rev-list', '--count', 'HEAD'])
  report.add({
    name: `real repository ${path.split('/').at(-1)}`,
    value: `${ms(cold.spentMs)} cold, ${ms(warm.spentMs)} warm`,
    method: `\`polity mirror\` of ${stdout.trim()} commits, peak ${cold.peakMiB} MiB`,
  })
}
