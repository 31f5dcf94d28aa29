// `polity up`: a hub in this process, from the ready line to a clean stop.

import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { asPolityError } from '../../../kernel/errors.ts'
import { DATA_FILES } from '../../../kernel/log/layout.ts'
import { publishUrl } from '../address.ts'
import type { Call, Server } from '../command.ts'
import { escapeText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

const STOP_TIMEOUT_MS = 10_000

export async function run(call: Call): Promise<ExitCode> {
  const { ports, terminal } = call
  const signals = openSignals()
  const server = await opened(ports.openServer({ sources: await call.sources(), signal: signals.starting }))
  if (server === undefined) return EXIT.ok
  try {
    const withdrawUrl = publishUrl(server.dataDir, server.url)
    try {
      for (const warning of server.warnings) terminal.note(`warning: ${escapeText(warning)}`)
      await terminal.data(`polity ready at ${server.url}`)
      terminal.note(`sign in once: ${server.signInUrl()}`)
      terminal.note(`admin token:  ${escapeText(join(server.dataDir, DATA_FILES.adminToken))}`)
      if (server.isMirrorAtStart) void analyzeHere(call, server)
      reloadOnHangup(call, server, signals)
      await Promise.race([signals.stopping, loss(server)])
    } finally {
      withdrawUrl()
    }
  } finally {
    await closeInTime(server, call)
  }
  terminal.note('stopped')
  return EXIT.ok
}

/** undefined: a signal came before it was open. */
async function opened(opening: Promise<Server>): Promise<Server | undefined> {
  try {
    return await opening
  } catch (error) {
    if (asPolityError(error).code === 'cancelled') return undefined
    throw error
  }
}

interface Signals {
  /** Resolves at the first signal to stop; the second one ends the process at once. */
  readonly stopping: Promise<void>
  /** Aborted with it: a start is given up. */
  readonly starting: AbortSignal
  /** What SIGHUP does from now on, in the place of stopping. */
  onHangup(act: () => void): void
}

function openSignals(): Signals {
  const { promise, resolve } = Promise.withResolvers<void>()
  const starting = new AbortController()
  let hangup: (() => void) | undefined
  const stop = () => {
    if (starting.signal.aborted) process.exit(EXIT.failed)
    starting.abort()
    resolve()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
  process.on('SIGHUP', () => (hangup ?? stop)())
  return {
    stopping: promise,
    starting: starting.signal,
    onHangup: (act) => {
      hangup = act
    },
  }
}

/** Without a file there is nothing to read again, and SIGHUP means that the terminal is gone. */
function reloadOnHangup({ terminal }: Call, server: Server, signals: Signals): void {
  const tell = (sentence: string) => terminal.note(escapeText(sentence))
  server.onReload(tell)
  if (server.hasFiles) signals.onHangup(() => void server.reload().then(tell))
}

/** Never resolves; rejects with the reason when the hub can write no more. */
function loss({ lost }: Server): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = () => reject(lost.reason)
    if (lost.aborted) end()
    else lost.addEventListener('abort', end, { once: true })
  })
}

/** What does not end in time is ended: everything acknowledged is on disk, and the next start finishes the rest. */
async function closeInTime(server: Server, { terminal }: Call): Promise<void> {
  const timer = setTimeout(() => {
    terminal.note(`polity: the hub did not stop within ${STOP_TIMEOUT_MS / 1000} s and is ended`)
    process.exit(EXIT.failed)
  }, STOP_TIMEOUT_MS)
  await server.close().finally(() => clearTimeout(timer))
}

/** A look at the repository this was started in; that there is none, or that it fails, stops nothing. */
async function analyzeHere({ terminal }: Call, server: Server): Promise<void> {
  const repository = repositoryAround(startFolder())
  if (repository === undefined)
    return terminal.note('this folder is in no git repository; analyse one with: polity mirror PATH')
  try {
    const { name, status, health, grade, findings, message = '' } = await server.analyze(repository)
    if (status === 'failed')
      return terminal.note(`warning: ${escapeText(name)} was not analysed: ${escapeText(message)}`)
    const score = health === null ? 'unknown' : health.toFixed(1)
    terminal.note(
      `analysed ${escapeText(name)}: health ${score}, grade ${escapeText(grade)}, findings ${findings}`,
    )
  } catch (error) {
    const { code, message } = asPolityError(error)
    // A hub that stops in the middle goes on with the run when it starts again.
    if (code !== 'cancelled' && code !== 'log.closed')
      terminal.note(`warning: ${escapeText(repository)} was not analysed: ${escapeText(message)}`)
  }
}

/** npm runs scripts in the package's folder, and says where it was called itself. */
function startFolder(): string {
  const { npm_lifecycle_event: script, INIT_CWD: calledIn } = process.env
  return script === 'start' && calledIn !== undefined ? calledIn : process.cwd()
}

/** The nearest folder upwards that git takes for a repository. */
function repositoryAround(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(join(at, '.git')) || isBare(at)) return at
    if (dirname(at) === at) return undefined
  }
}

const isBare = (folder: string): boolean =>
  ['HEAD', 'objects', 'refs'].every((name) => existsSync(join(folder, name)))
