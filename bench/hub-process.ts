// A hub as users start it: bin/polity in a process of its own, timed to its ready line, weighed with all its children.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export const POLITY = fileURLToPath(new URL('../bin/polity', import.meta.url))

export interface HubProcess {
  readonly url: string
  readonly readyMs: number
  readonly dataDir: string
  /** Memory of the process and its descendants now, MiB: proportional set size where the kernel tells it. */
  treeMiB(): number
  stop(): Promise<void>
}

/** Environment in which nothing of the user's own state is touched. */
export const isolated = (dir: string): NodeJS.ProcessEnv => ({
  ...process.env,
  XDG_STATE_HOME: join(dir, 'state'),
  NO_COLOR: '1',
})

/** @param settings as environment variables */
export async function startHub(dir: string, settings: NodeJS.ProcessEnv = {}): Promise<HubProcess> {
  const dataDir = join(dir, 'data')
  const startMs = performance.now()
  const child = spawn(POLITY, ['up', '--data', dataDir, '--port', '0', '--no-mirror'], {
    cwd: dir,
    env: { ...isolated(dir), ...settings },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const url = await readyLine(child)
  const readyMs = performance.now() - startMs
  return {
    url,
    readyMs,
    dataDir,
    treeMiB: () => treeMiB(child.pid ?? 0),
    async stop() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

async function readyLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the hub has no stdout')
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /^polity ready at (\S+)$/.exec(line) ?? []
    if (url) return url
  }
  throw new Error('the hub ended before it was ready')
}

function treeMiB(root: number): number {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      // proc(5): the fields after the command's closing parenthesis are state and parent.
      const [, parent = '0'] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
      parents.set(Number(name), Number(parent))
    } catch {
      // The process ended while we looked.
    }
  }
  const isInTree = (pid: number): boolean =>
    pid === root || (parents.has(pid) && isInTree(parents.get(pid) ?? 0))
  return Math.round(
    [...parents.keys()].filter(isInTree).reduce((sum, pid) => sum + processKiB(pid), 0) / 1024,
  )
}

function processKiB(pid: number): number {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
  } catch {
    return 0
  }
}
