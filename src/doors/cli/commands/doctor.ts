// `polity doctor`: what a hub needs on this machine, each line with what to do about it.

import { execFile } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { promisify } from 'node:util'
import { asPolityError } from '../../../kernel/errors.ts'
import { readAnchor } from '../../../kernel/log/anchor.ts'
import {
  type DataPaths,
  dataPaths,
  defaultAnchorPath,
  LOG_META,
  ORIGIN_KEY,
} from '../../../kernel/log/layout.ts'
import { openStored } from '../../../kernel/realm/stored.ts'
import { sqliteStore } from '../../../kernel/store/sqlite/sqlite-store.ts'
import { addressOf, isLoopback } from '../address.ts'
import { brokerVerdicts } from '../broker-checks.ts'
import type { Call } from '../command.ts'
import { escapeText, jsonText } from '../escape.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { openHubClient } from '../hub-client.ts'
import { DEFAULT_URL, placeOf, type Settings } from '../settings.ts'
import { padText } from '../text-width.ts'

interface Finding {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly message: string
  readonly todo?: string
}

type Verdict = Omit<Finding, 'name'>

const NODE_MAJOR_MIN = 26
const GIT_MINOR_MIN = 30
const DISK_FREE_MIN_BYTES = 100 * 1024 * 1024
const TOOL_TIMEOUT_MS = 5_000
const NAME_WIDTH = 12

const ok = (message: string): Verdict => ({ status: 'ok', message })
const warn = (message: string, todo: string): Verdict => ({ status: 'warn', message, todo })
const fail = (message: string, todo: string): Verdict => ({ status: 'fail', message, todo })

export async function run(call: Call): Promise<ExitCode> {
  const { options, settings } = call
  const paths = dataPaths(settings.dataDir)
  const anchorPath = typeof options.anchor === 'string' ? options.anchor : undefined
  const checks: readonly (readonly [string, () => Verdict | Promise<Verdict>])[] = [
    ['node', checkNode],
    ['git', checkGit],
    ['data', () => checkData(settings.dataDir)],
    ['permissions', () => checkPermissions(settings.dataDir, paths)],
    ['disk', () => checkDisk(settings.dataDir)],
    ...(settings.storeUrl === undefined
      ? [['anchor', () => checkAnchor(paths, anchorPath)] as const]
      : [['database', () => checkDatabase(settings)] as const]),
    ['hub', () => checkHub(settings, paths)],
  ]
  const findings: Finding[] = []
  for (const [name, check] of checks) findings.push({ name, ...(await verdictOf(check)) })
  findings.push(...(await brokerFindings(call)))
  await show(call, findings)
  return findings.some(({ status }) => status === 'fail') ? EXIT.failed : EXIT.ok
}

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
async function brokerFindings(call: Call): Promise<readonly Finding[]> {
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

function isAllowed(path: string, mode: number): boolean {
  try {
    accessSync(path, mode)
    return true
  } catch {
    // Whatever keeps us out, we are out.
    return false
  }
}

function nearestFolder(path: string): string {
  let at = path
  while (!existsSync(at)) at = dirname(at)
  return at
}

const SECRET_FILES = [
  'signingKey',
  'mlDsaKey',
  'statementKey',
  'witnessKey',
  'vaultKey',
  'adminToken',
] as const
const OTHERS_MASK = 0o077

function checkPermissions(dir: string, paths: DataPaths): Verdict {
  const open = SECRET_FILES.map((name) => paths[name]).filter(
    (path) => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & OTHERS_MASK) !== 0,
  )
  if (open.length > 0) return fail(`others can read ${open.join(', ')}`, `chmod 600 ${open.join(' ')}`)
  const mode = statSync(dir, { throwIfNoEntry: false })?.mode ?? 0
  return (mode & OTHERS_MASK) === 0
    ? ok('keys and tokens are yours alone')
    : warn(`others can look into ${dir}`, `chmod 700 ${dir}`)
}

function checkDisk(dir: string): Verdict {
  const { bavail, bsize } = statfsSync(nearestFolder(dir))
  const freeBytes = bavail * bsize
  const message = `${Math.floor(freeBytes / 1024 / 1024)} MB free`
  return freeBytes >= DISK_FREE_MIN_BYTES
    ? ok(message)
    : fail(message, 'make room: without it the hub refuses writes')
}

async function checkAnchor({ database }: DataPaths, given: string | undefined): Promise<Verdict> {
  const origin = existsSync(database) ? await originOf(database) : undefined
  // Without a log its name is not known, but every default place is in the same folder.
  const place = defaultAnchorPath(origin ?? '', process.env)
  const path = given ?? (origin === undefined ? join(dirname(place), 'ANCHOR') : place)
  const obstacle = obstacleTo(path)
  if (obstacle !== undefined)
    return fail(`${path} cannot be written: ${obstacle}`, 'choose another place with --anchor PATH')
  if (origin === undefined) return ok('will be made with the log')
  if (readAnchor(path) !== undefined) return ok(path)
  return warn(
    `there is none at ${path}`,
    'start the hub with the --anchor it had; without any, a rollback of the folder goes unseen until the next start',
  )
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

async function originOf(database: string): Promise<string | undefined> {
  const store = sqliteStore(database, 'read')
  try {
    const origin = (await store.load(LOG_META, [ORIGIN_KEY])).value.get(ORIGIN_KEY)?.value
    return origin == null ? undefined : String(JSON.parse(origin))
  } finally {
    await store.close()
  }
}

/** Why nothing can be written there, as far as looking tells. */
function obstacleTo(path: string): string | undefined {
  const at = nearestFolder(path)
  const isThere = at === path
  const isFolder = statSync(at).isDirectory()
  if (isThere && isFolder) return 'it is a folder'
  if (!isThere && !isFolder) return `${at} is no folder`
  return isAllowed(at, isThere ? constants.R_OK | constants.W_OK : constants.W_OK | constants.X_OK)
    ? undefined
    : `permission denied for ${at}`
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
  for (const { name, status, message, todo } of findings) {
    await terminal.data(
      `${terminal.styleData(STYLES[status], padText(status, 4))}  ${padText(name, NAME_WIDTH)}  ${escapeText(message)}`,
    )
    if (todo !== undefined) await terminal.data(`      ${padText('', NAME_WIDTH)}  ${escapeText(todo)}`)
  }
}
