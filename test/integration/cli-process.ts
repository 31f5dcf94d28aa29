// The real program in processes of its own, in a folder where nothing of the user's is touched.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'

export const POLITY = join(import.meta.dirname, '../../bin/polity')
/** Compiled code is shared by all tests of one machine, as it is by all starts of one user. */
const COMPILE_CACHE = join(tmpdir(), 'polity-test-compile')

export interface Finished {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly stdin?: string
  readonly env?: NodeJS.ProcessEnv
  /** Of the hub; default: `data` in the sandbox. */
  readonly dataDir?: string
}

export interface RunningHub {
  readonly url: string
  readonly dataDir: string
  readonly child: ChildProcess
  /** Everything it wrote so far. */
  stdout(): string
  stderr(): string
  /** Resolves with the first match on stderr, which may be there already. */
  says(pattern: RegExp): Promise<RegExpExecArray>
  stop(signal?: NodeJS.Signals): Promise<number | null>
  /** Resolves with the exit code when it ends by itself. */
  readonly ended: Promise<number | null>
}

export interface Sandbox {
  readonly dir: string
  readonly env: NodeJS.ProcessEnv
  polity(args: readonly string[], options?: RunOptions): Promise<Finished>
  /** `polity up` on a free port, once it is ready. */
  up(args?: readonly string[], options?: RunOptions): Promise<RunningHub>
  /** Ends what still runs and removes the folder. */
  remove(): Promise<void>
}

export function openSandbox(): Sandbox {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'polity cli-')))
  const env = isolatedEnv(dir)
  const children = new Set<ChildProcess>()
  const start = (args: readonly string[], { cwd = dir, env: more = {} }: RunOptions) => {
    const child = spawn(POLITY, args, { cwd, env: { ...env, ...more }, stdio: ['pipe', 'pipe', 'pipe'] })
    children.add(child)
    child.once('close', () => children.delete(child))
    return child
  }
  return {
    dir,
    env,
    async polity(args, options = {}) {
      const child = start(args, options)
      child.stdin?.end(options.stdin ?? '')
      const [stdout, stderr, [exitCode]] = await Promise.all([
        textOf(child.stdout),
        textOf(child.stderr),
        once(child, 'close'),
      ])
      return { exitCode, stdout, stderr }
    },
    async up(args = [], options = {}) {
      const { dataDir = join(dir, 'data') } = options
      return ready(start(['up', '--data', dataDir, '--port', '0', ...args], options), dataDir)
    },
    async remove() {
      for (const child of children) {
        child.kill('SIGKILL')
        await once(child, 'close')
      }
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

/** Only what a program needs to run at all: what a CI or a desktop sets (CI, COLORTERM ...) must not decide a test. */
const INHERITED = ['PATH', 'LANG', 'TMPDIR', 'USER', 'LOGNAME', 'SHELL'] as const

function isolatedEnv(dir: string): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]] as const],
  )
  return {
    ...Object.fromEntries(inherited),
    HOME: dir,
    XDG_STATE_HOME: join(dir, 'state'),
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    GIT_CONFIG_NOSYSTEM: '1',
  }
}

const textOf = (stream: ChildProcess['stdout']): Promise<string> =>
  stream === null ? Promise.resolve('') : text(stream)

async function ready(child: ChildProcess, dataDir: string): Promise<RunningHub> {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (part) => {
    stdout += part
  })
  child.stderr?.on('data', (part) => {
    stderr += part
  })
  const closed = once(child, 'close')
  const url = await Promise.race([readyUrl(child), closed.then(() => undefined)])
  if (url === undefined) throw new Error(`the hub ended before it was ready: ${stderr}`)
  const says = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const found = pattern.exec(stderr)
      if (found) return found
      if (child.stderr === null || child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the hub never said ${pattern}: ${stderr}`)
      await Promise.race([once(child.stderr, 'data'), closed])
    }
  }
  return {
    url,
    dataDir,
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    says,
    ended: closed.then(([exitCode]) => exitCode),
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      const [exitCode] = await closed
      return exitCode
    },
  }
}

async function readyUrl(child: ChildProcess): Promise<string | undefined> {
  if (child.stdout === null) return undefined
  for await (const line of createInterface({ input: child.stdout })) {
    const [, url] = /^polity ready at (\S+)$/.exec(line) ?? []
    if (url !== undefined) return url
  }
  return undefined
}
