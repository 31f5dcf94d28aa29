// `polity doctor`: what a hub needs on this machine, each line with what to do about it.

import { execFile } from 'node:child_process'
import { constants, existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import process from 'node:process'
import { promisify } from 'node:util'
import { asPolityError } from '../../../kernel/errors.ts'
import { type DataPaths, dataPaths } from '../../../kernel/log/layout.ts'
import { openStored } from '../../../kernel/realm/stored.ts'
import { addressOf, isLoopback } from '../address.ts'
import { checkAnchor, isAllowed, nearestFolder } from '../anchor-check.ts'
import { brokerVerdicts } from '../broker-checks.ts'
import type { Call } from '../command.ts'
import { checkConfiguration } from '../configuration-checks.ts'
import { escapeText, jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openHubClient } from '../hub-client.ts'
import { checkKeys, checkPermissions } from '../key-checks.ts'
import { DEFAULT_URL, placeOf, type Settings } from '../settings.ts'
import { padText, wrapText } from '../text-width.ts'
import { fail, ok, type Verdict, warn } from '../verdict.ts'

interface Finding extends Verdict {
  readonly name: string
}

const NODE_MAJOR_MIN = 26
const GIT_MINOR_MIN = 30
const DISK_FREE_MIN_BYTES = 100 * 1024 * 1024
const TOOL_TIMEOUT_MS = 5_000
const STATUS_WIDTH = 4
const NAME_WIDTH = 12
const SENTENCE_INDENT = STATUS_WIDTH + 2 + NAME_WIDTH + 2
/** What to do stands apart from what is wrong. */
const TODO_INDENT = 2
/** A narrower terminal wraps by itself. */
const SENTENCE_WIDTH_MIN = 20
/** Of a pipe, which is read by people, too: programs ask for --json. */
const WIDTH_USUAL = 80

export async function run(call: Call): Promise<ExitCode> {
  const { settings, text, verdicts } = await checkConfiguration(call)
  const paths = dataPaths(settings.dataDir)
  const checks: readonly (readonly [string, () => Verdict | Promise<Verdict>])[] = [
    ['data', () => checkData(settings.dataDir)],
    ['permissions', () => checkPermissions(settings.dataDir)],
    ['disk', () => checkDisk(settings.dataDir)],
    ...(settings.storeUrl === undefined
      ? [
          ['keys', () => checkKeys(paths, text('signerCommand') !== undefined)] as const,
          ['anchor', () => checkAnchor(paths, text('anchor') ?? anchorOf(call))] as const,
        ]
      : [['database', () => checkDatabase(settings)] as const]),
    ['hub', () => checkHub(settings, paths)],
  ]
  const findings: Finding[] = [
    { name: 'node', ...checkNode() },
    { name: 'git', ...(await checkGit()) },
    ...verdicts.map((verdict) => ({ name: 'settings', ...verdict })),
  ]
  for (const [name, check] of checks) findings.push({ name, ...(await verdictOf(check)) })
  findings.push(...(await brokerFindings(call, verdicts)))
  await show(call, findings)
  return findings.some(({ status }) => status === 'fail') ? EXIT.failed : EXIT.ok
}

/** Where the configuration is refused, the line still says it. */
const anchorOf = ({ options: { anchor } }: Call): string | undefined =>
  typeof anchor === 'string' ? anchor : undefined

/** A check that cannot be made is a finding of its own. */
async function verdictOf(check: () => Verdict | Promise<Verdict>): Promise<Verdict> {
  try {
    return await check()
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException
    return code !== undefined && FORBIDDEN.has(code)
      ? forbidden(path ?? 'a file of the hub')
      : fail(asPolityError(error).message, 'see the message')
  }
}

/** None where no broker is configured. */
async function brokerFindings(call: Call, configured: readonly Verdict[]): Promise<readonly Finding[]> {
  // Which ones there are is not known then, and why was said.
  if (configured.some(({ status }) => status === 'fail')) return []
  try {
    return (await brokerVerdicts(call)).map((verdict) => ({ name: 'broker', ...verdict }))
  } catch (error) {
    return [{ name: 'broker', ...fail(asPolityError(error).message, 'see the message') }]
  }
}

const FORBIDDEN: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS'])

const forbidden = (path: string): Verdict =>
  fail(`${path}: permission denied`, 'give yourself access to it, or name another folder with --data DIR')

function checkNode(): Verdict {
  const { node } = process.versions
  if (Number.parseInt(node, 10) >= NODE_MAJOR_MIN) return ok(node)
  return fail(node, `install Node ${NODE_MAJOR_MIN} or newer; \`npm ci\` brings one along where there is one`)
}

async function checkGit(): Promise<Verdict> {
  try {
    const { stdout } = await promisify(execFile)('git', ['--version'], { timeout: TOOL_TIMEOUT_MS })
    const [version = 'unknown', major = '0', minor = '0'] = /(\d+)\.(\d+)[.\d]*/.exec(stdout) ?? []
    const isOld = Number(major) < 2 || (Number(major) === 2 && Number(minor) < GIT_MINOR_MIN)
    return isOld
      ? warn(version, `repositories are analysed with git 2.${GIT_MINOR_MIN} or newer`)
      : ok(version)
  } catch (error) {
    return warn(
      `git does not run: ${(error as Error).message.split('\n')[0]}`,
      'install git to analyse repositories; everything else works without',
    )
  }
}

function checkData(dir: string): Verdict {
  if (!existsSync(dir)) {
    const parent = nearestFolder(dir)
    if (!isAllowed(parent, constants.W_OK | constants.X_OK)) return forbidden(parent)
    return ok(`${dir} will be made by \`polity up\``)
  }
  if (!statSync(dir).isDirectory()) return fail(`${dir} is not a folder`, 'name another with --data DIR')
  if (!isAllowed(dir, constants.R_OK | constants.W_OK | constants.X_OK)) return forbidden(dir)
  const { database } = dataPaths(dir)
  if (!existsSync(database)) return ok(`${dir}, without a log yet`)
  return isAllowed(database, constants.R_OK | constants.W_OK) ? ok(dir) : forbidden(database)
}

function checkDisk(dir: string): Verdict {
  const { bavail, bsize } = statfsSync(nearestFolder(dir))
  const freeBytes = bavail * bsize
  const message = `${Math.floor(freeBytes / 1024 / 1024)} MB free`
  return freeBytes >= DISK_FREE_MIN_BYTES
    ? ok(message)
    : fail(message, 'make room: without it the hub refuses writes')
}

/** What the server would refuse a hub with; see `openPostgres`. */
async function checkDatabase(settings: Settings): Promise<Verdict> {
  try {
    const { store, place, close } = await openStored(placeOf(settings), 'read')
    try {
      return ok(`${place}, ${await store.size()} entries`)
    } finally {
      await close()
    }
  } catch (error) {
    return fail(asPolityError(error).message, 'see the message, and --store or POLITY_STORE')
  }
}

async function checkHub(settings: Settings, { vkey }: DataPaths): Promise<Verdict> {
  const { url, token } = addressOf(settings)
  let logKey: string
  try {
    logKey = (await openHubClient({ url }).text('/log/vkey')).trim()
  } catch (error) {
    const port = Number(URL.parse(url)?.port || 80)
    if (!isLoopback(url) || (await isFree(port)))
      return warn(asPolityError(error).message, 'start one with `polity up`')
    const todo = url === DEFAULT_URL ? '`polity up --port 0` takes a free port' : 'name the hub with --url'
    return fail(`something that is no hub listens at ${url}`, todo)
  }
  const ownKey = existsSync(vkey) ? readFileSync(vkey, 'utf8').trim() : undefined
  if (settings.url === undefined && logKey !== ownKey)
    return warn(
      `another hub, whose data is not in ${settings.dataDir}, answers at ${url}`,
      'name its folder with --data DIR to use it; `polity up --port 0` starts one here on a free port',
    )
  if (token === undefined)
    return warn(
      `a hub answers at ${url}, and there is no token for it`,
      'pass --token, or name its folder with --data DIR',
    )
  await openHubClient({ url, token }).query('hub.status@1', {})
  return ok(`a hub answers at ${url}`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}

const STYLES = { ok: 'green', warn: 'yellow', fail: 'red' } as const

async function show({ settings, terminal }: Call, findings: readonly Finding[]): Promise<void> {
  if (settings.isJson) return terminal.data(jsonText({ checks: findings }))
  const width = terminal.width ?? WIDTH_USUAL
  for (const { name, status, message, todo } of findings) {
    const head = `${terminal.styleData(STYLES[status], padText(status, STATUS_WIDTH))}  ${padText(name, NAME_WIDTH)}  `
    const [first = '', ...more] = foldedBelow(message, SENTENCE_INDENT, width)
    const lines = [head + first.trimStart(), ...more]
    if (todo !== undefined) lines.push(...foldedBelow(todo, SENTENCE_INDENT + TODO_INDENT, width))
    for (const line of lines) await terminal.data(line)
  }
}

/** Lines below what stands on the left of them. Words stay whole: a path is there to be copied. */
const foldedBelow = (sentence: string, indent: number, width: number): string[] =>
  wrapText(escapeText(sentence), Math.max(SENTENCE_WIDTH_MIN, width - indent)).map(
    (line) => ' '.repeat(indent) + line,
  )
