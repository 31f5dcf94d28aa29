// A PostgreSQL server of a test's own, made and run by the programs that this machine has: to be crashed, misconfigured and encrypted at will.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { Client, type ClientConfig } from 'pg'
import { describe, it } from 'vitest'

export interface Cluster {
  readonly port: number
  /** Through TCP, by default on 127.0.0.1 with the right password. */
  url(access?: Access): string
  /** The folder of its Unix socket. */
  readonly socketDir: string
  /** A folder that the server may read, for certificates. */
  readonly folder: string
  /** Resolves when it answers. `settings`: over those that it was made with. */
  start(settings?: Settings): Promise<void>
  /** What a power cut leaves behind: nothing is finished, and the next start recovers from the write-ahead log. */
  crash(): Promise<void>
  /** Finishes what is under way and writes everything down. */
  stop(): Promise<void>
  /** A connection that is none of the product's. */
  query<R extends object>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** Changes a setting for the sessions that are there, too. */
  set(name: string, value: string): Promise<void>
  /** Ends it, whatever state it is in, and removes its folder. */
  remove(): Promise<void>
}

interface Access {
  readonly host?: string
  /** Empty: none. */
  readonly password?: string
  readonly database?: string
  /** As in a URL, such as `sslmode=require`. */
  readonly parameters?: string
}

export type Settings = Readonly<Record<string, string>>

interface ClusterOptions {
  readonly settings?: Settings
  /** Without it everybody on this machine is let in. */
  readonly password?: string
  /** PEM; with it the server takes no unencrypted connection through TCP. */
  readonly tls?: { readonly key: string; readonly certificate: string }
}

/** Defines the tests where a server can be made; says loudly why where none can. */
export function describeOnCluster(name: string, define: () => void): void {
  const why = refusal()
  if (why === undefined) {
    describe(name, define)
    return
  }
  console.warn(`SKIPPED: ${name}: ${why}. Install PostgreSQL's server (Debian: apt-get install postgresql).`)
  describe(name, () => it.skip('needs the programs of a PostgreSQL server', () => undefined))
}

/** Whom the server runs as: it refuses to run as root. */
interface Account {
  readonly uid: number
  readonly gid: number
}

const ACCOUNT = 'postgres'
const START_WAIT_MAX_MS = 30_000
const START_POLL_MS = 20

function refusal(): string | undefined {
  const programs = programsDir()
  if (programs === undefined) return 'this machine has no initdb and postgres'
  let folder: string | undefined
  try {
    const account = accountOf()
    folder = mkdtempSync(join(tmpdir(), 'polity-cluster-'))
    give(folder, account)
    execFileSync(join(programs, 'postgres'), ['--version'], { ...account, cwd: folder, stdio: 'pipe' })
    return undefined
  } catch (error) {
    return `no server can be run here (${(error as Error).message.trim()})`
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true })
  }
}

const DEBIAN_ROOT = '/usr/lib/postgresql'

/** The newest of Debian's, or whatever the search path leads to. */
function programsDir(): string | undefined {
  const versions = namesIn(DEBIAN_ROOT).toSorted((a, b) => Number(b) - Number(a))
  const dirs = [
    ...versions.map((version) => join(DEBIAN_ROOT, version, 'bin')),
    ...(process.env.PATH ?? '').split(delimiter),
  ]
  return dirs.find((dir) => {
    const names = namesIn(dir)
    return names.includes('initdb') && names.includes('postgres')
  })
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

/** Nobody else than us, unless we are root. Throws without the account that PostgreSQL's packages make. */
function accountOf(): Partial<Account> {
  if (process.getuid?.() !== 0) return {}
  const idOf = (flag: string) =>
    Number(execFileSync('id', [flag, ACCOUNT], { stdio: ['ignore', 'pipe', 'pipe'] }))
  return { uid: idOf('-u'), gid: idOf('-g') }
}

function give(path: string, { uid, gid }: Partial<Account>): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid)
}

/**
 * Makes a cluster and starts it. Whoever asks removes it; a test process that ends without takes its server along.
 * Rejects with what the server wrote when it does not start.
 */
export async function openCluster({ settings = {}, password, tls }: ClusterOptions = {}): Promise<Cluster> {
  const programs = programsDir()
  if (programs === undefined) throw new Error('there is no PostgreSQL here: use describeOnCluster')
  const account = accountOf()
  const folder = mkdtempSync(join(tmpdir(), 'polity-cluster-'))
  const place: Place = { folder, programs, account, port: await freePort() }
  let server: ChildProcess | undefined
  const end = async (signal: NodeJS.Signals) => {
    const ending = server
    server = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    ending.kill(signal)
    await once(ending, 'exit')
  }
  const endNow = () => server?.kill('SIGQUIT')
  process.on('exit', endNow)
  const client = { ...clientOf(place), ...(password === undefined ? {} : { password }) }
  const query = <R extends object>(text: string, values: readonly unknown[] = []) =>
    asked<R>(client, text, values)
  const cluster: Cluster = {
    port: place.port,
    folder,
    socketDir: folder,
    url: (access = {}) => urlOf(place, password, access),
    async start(more = {}) {
      server = launch(place, { ...settings, ...more })
      await answering(server, client, place)
    },
    crash: () => end('SIGQUIT'),
    stop: () => end('SIGINT'),
    query,
    async set(name, value) {
      await query(`ALTER SYSTEM SET ${name} = ${value}`)
      await query('SELECT pg_reload_conf()')
    },
    async remove() {
      await end('SIGQUIT')
      process.off('exit', endNow)
      rmSync(folder, { recursive: true, force: true })
    },
  }
  try {
    give(folder, account)
    make(place, password, tls)
    await cluster.start()
    return cluster
  } catch (error) {
    await cluster.remove()
    throw error
  }
}

interface Place {
  readonly folder: string
  readonly programs: string
  readonly account: Partial<Account>
  readonly port: number
}

const HOST = '127.0.0.1'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}

const dataOf = ({ folder }: Place): string => join(folder, 'data')
const serverLogOf = ({ folder }: Place): string => join(folder, 'server.log')

/** Files of a new cluster; what it holds need not survive this machine. */
function make(place: Place, password: string | undefined, tls: ClusterOptions['tls']): void {
  const { folder, programs, account } = place
  const passwordPath = join(folder, 'password')
  const method = password === undefined ? 'trust' : 'scram-sha-256'
  if (password !== undefined) writeOwn(passwordPath, `${password}\n`, account)
  mkdirSync(dataOf(place), { mode: 0o700 })
  give(dataOf(place), account)
  execFileSync(
    join(programs, 'initdb'),
    [
      ...['-D', dataOf(place), '-U', ACCOUNT, '-A', method, '-E', 'UTF8', '--locale=C', '--no-sync'],
      ...(password === undefined ? [] : [`--pwfile=${passwordPath}`]),
    ],
    { ...account, cwd: folder, stdio: 'pipe' },
  )
  const kind = tls === undefined ? 'host' : 'hostssl'
  const hosts = [`${HOST}/32`, '::1/128'].map((net) => `${kind} all all ${net} ${method}\n`)
  writeOwn(join(dataOf(place), 'pg_hba.conf'), `local all all ${method}\n${hosts.join('')}`, account)
  if (!tls) return
  writeOwn(join(folder, 'server.key'), tls.key, account)
  writeOwn(join(folder, 'server.crt'), tls.certificate, account)
  const config = join(dataOf(place), 'postgresql.auto.conf')
  const names = `ssl_key_file = '${join(folder, 'server.key')}'\nssl_cert_file = '${join(folder, 'server.crt')}'\n`
  writeOwn(config, `ssl = on\n${names}`, account)
}

function writeOwn(path: string, text: string, account: Partial<Account>): void {
  writeFileSync(path, text)
  chmodSync(path, 0o600)
  give(path, account)
}

/** A child of this process, so nobody else's server is ever signalled. */
function launch(place: Place, settings: Settings): ChildProcess {
  const { folder, programs, account, port } = place
  const fixed = {
    listen_addresses: HOST,
    port: `${port}`,
    unix_socket_directories: folder,
    max_connections: '60',
    shared_buffers: '16MB',
  }
  const flags = Object.entries({ ...fixed, ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ])
  const output = openSync(serverLogOf(place), 'a')
  try {
    return spawn(join(programs, 'postgres'), ['-D', dataOf(place), ...flags], {
      ...account,
      cwd: folder,
      stdio: ['ignore', output, output],
    })
  } finally {
    closeSync(output)
  }
}

const DATABASE = 'postgres'

const clientOf = ({ folder, port }: Place): ClientConfig => ({
  host: folder,
  port,
  user: ACCOUNT,
  database: DATABASE,
  connectionTimeoutMillis: 5_000,
})

async function answering(server: ChildProcess, client: ClientConfig, place: Place): Promise<void> {
  const deadline = performance.now() + START_WAIT_MAX_MS
  for (;;) {
    try {
      await asked(client, 'SELECT 1', [])
      return
    } catch (error) {
      if (server.exitCode !== null || server.signalCode !== null || performance.now() > deadline)
        throw new Error(
          `the server does not start: ${readFileSync(serverLogOf(place), 'utf8').slice(-2000)}`,
          {
            cause: error,
          },
        )
      await setTimeout(START_POLL_MS)
    }
  }
}

async function asked<R extends object>(
  config: ClientConfig,
  text: string,
  values: readonly unknown[],
): Promise<R[]> {
  const client = new Client(config)
  // A crash is said by the statement that meets it.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query<R>(text, [...values])).rows
  } finally {
    await client.end()
  }
}

function urlOf(
  { port }: Place,
  known: string | undefined,
  { host = HOST, password = known ?? '', database = DATABASE, parameters = '' }: Access,
): string {
  const secret = password === '' ? '' : `:${encodeURIComponent(password)}`
  const query = parameters === '' ? '' : `?${parameters}`
  return `postgres://${ACCOUNT}${secret}@${host}:${port}/${database}${query}`
}
