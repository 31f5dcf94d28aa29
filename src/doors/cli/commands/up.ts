// `polity up`: a hub in this process, from the ready line to a clean stop.

import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import process from 'node:process'
import { asPolityError } from '../../../kernel/errors.ts'
import { DATA_FILES } from '../../../kernel/log/layout.ts'
import { publishUrl } from '../address.ts'
import type { Call, LogLevel, Server, ServerOptions } from '../command.ts'
import { escapeText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { usage } from '../failure.ts'
import { signingSettings } from '../signing-settings.ts'

const DEFAULT_PORT = 7070
const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_LOG_LEVEL: LogLevel = 'warn'
const STOP_TIMEOUT_MS = 10_000

export async function run(call: Call): Promise<ExitCode> {
  const { options, ports, settings, terminal } = call
  const stopping = stopSignal()
  const server = await ports.openServer(serverOptions(call))
  try {
    const withdrawUrl = publishUrl(settings.dataDir, server.url)
    try {
      await terminal.data(`polity ready at ${server.url}`)
      terminal.note(`sign in once: ${server.signInUrl()}`)
      terminal.note(`admin token:  ${escapeText(join(settings.dataDir, DATA_FILES.adminToken))}`)
      if (options.mirror !== false) void analyzeHere(call, server)
      await Promise.race([stopping, loss(server)])
    } finally {
      withdrawUrl()
    }
  } finally {
    await closeInTime(server, call)
  }
  terminal.note('stopped')
  return EXIT.ok
}

function serverOptions({ options, settings }: Call): ServerOptions {
  const { host, port, anchor, policy, logLevel, publicLog, mlDsa } = options
  return {
    dir: settings.dataDir,
    host: typeof host === 'string' && host !== '' ? host : DEFAULT_HOST,
    port: typeof port === 'number' ? port : DEFAULT_PORT,
    logLevel: (logLevel as LogLevel | undefined) ?? DEFAULT_LOG_LEVEL,
    isLogPublic: publicLog === true || isSwitchedOn('POLITY_LOG_PUBLIC'),
    ...(settings.storeUrl === undefined ? {} : { storeUrl: settings.storeUrl }),
    ...(typeof anchor === 'string' ? { anchorPath: resolve(anchor) } : {}),
    ...(mlDsa === true || isSwitchedOn('POLITY_ML_DSA') ? { isMlDsa: true } : {}),
    ...signingSettings(options),
    ...(typeof policy === 'string' ? { policyDir: resolve(policy) } : {}),
  }
}

/** Commander takes any value for a yes; what opens the log must not be opened by `0`. Throws `usage`. */
function isSwitchedOn(name: string): boolean {
  const value = process.env[name] ?? ''
  if (!['', '0', '1', 'false', 'true'].includes(value)) throw usage(`${name} is 1 or 0`)
  return value === '1' || value === 'true'
}

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/** Resolves at the first signal; the second one ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    let isStopping = false
    for (const signal of STOP_SIGNALS)
      process.on(signal, () => {
        if (isStopping) process.exit(EXIT.failed)
        isStopping = true
        resolve()
      })
  })
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
