// Where a PostgreSQL server is: its URL, read strictly, and the name of a realm's schema there.

import { readFileSync } from 'node:fs'
import type { ClientConfig } from 'pg'
import { PolityError } from '../../errors.ts'

export interface PostgresAddress {
  /** Everything that `pg` needs to connect; holds the password and is never printed. */
  readonly client: Pick<ClientConfig, 'host' | 'port' | 'user' | 'password' | 'database' | 'ssl'>
  /** `host:port/database`, for people. */
  readonly place: string
  /** `polity_<realm>`: the realm's schema and channel, to be quoted, and what its sessions are called. */
  readonly schema: string
}

const URL_SIZE_MAX = 2048
const DEFAULT_PORT = 5432
const PARAMETERS: ReadonlySet<string> = new Set(['sslmode', 'sslrootcert', 'host'])
const LOCAL_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1'])
const TLS_MODES = ['disable', 'require', 'verify-full'] as const
type TlsMode = (typeof TLS_MODES)[number]

/** As `databaseAddress`. Throws `usage`, also for a realm that no schema can be named after. */
export function postgresAddress(text: string, realm: string): PostgresAddress {
  return { schema: schemaOf(realm), ...databaseAddress(text) }
}

/**
 * `postgres://user:password@host:port/database?sslmode=disable|require|verify-full&sslrootcert=FILE`, or
 * `?host=/folder` for a Unix socket (libpq, "Connection URIs"). Without `sslmode`, a server on another machine
 * must prove who it is. Throws `usage`; the message never holds the URL, which may hold a password.
 */
export function databaseAddress(text: string): Omit<PostgresAddress, 'schema'> {
  const url = parsed(text)
  const parameters = parametersOf(url)
  const socket = parameters.get('host')
  if (socket !== undefined && !socket.startsWith('/'))
    throw refusal('its parameter host must be the folder of a Unix socket')
  const host = socket ?? bareHost(url.hostname)
  if (host === '') throw refusal('it names no host')
  const database = decoded(url.pathname.slice(1), 'database')
  if (database === '' || database.includes('/')) throw refusal('it must end in the name of one database')
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port)
  const ssl = tlsOf(parameters, socket !== undefined || LOCAL_HOSTS.has(host))
  return {
    client: {
      host,
      port,
      database,
      ssl,
      ...(url.username === '' ? {} : { user: decoded(url.username, 'user') }),
      ...(url.password === '' ? {} : { password: decoded(url.password, 'password') }),
    },
    place: `${host}:${port}/${database}`,
  }
}

/** PostgreSQL cuts identifiers at 63 bytes, and two realms that are cut alike would share one schema. */
const REALM = /^[A-Za-z0-9][A-Za-z0-9._-]{0,55}$/

function schemaOf(realm: string): string {
  if (!REALM.test(realm))
    throw new PolityError(
      'usage',
      'on PostgreSQL a realm is named with 1 to 56 letters, digits and ._-, starting with a letter or digit',
      { sizeBytes: realm.length },
    )
  return `polity_${realm}`
}

const refusal = (why: string): PolityError =>
  new PolityError(
    'usage',
    `this is no address of a PostgreSQL database: ${why}. Write postgres://user:password@host:5432/database`,
  )

function parsed(text: string): URL {
  // Not the parser's own error: it quotes its input.
  if (text.length > URL_SIZE_MAX || /[\p{Cc}\s]/u.test(text) || !URL.canParse(text))
    throw refusal('it cannot be read')
  const url = new URL(text)
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:')
    throw refusal('it does not begin with postgres://')
  if (text.includes('#')) throw refusal('a # in a password is written %23')
  return url
}

function parametersOf({ searchParams }: URL): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>()
  for (const [name, value] of searchParams) {
    if (!PARAMETERS.has(name) || parameters.has(name))
      throw refusal(`its parameters may be ${[...PARAMETERS].join(', ')}, each of them once`)
    parameters.set(name, value)
  }
  return parameters
}

const bareHost = (host: string): string => decoded(host, 'host').replace(/^\[(.*)\]$/, '$1')

function decoded(text: string, what: string): string {
  try {
    const value = decodeURIComponent(text)
    if (!/\p{Cc}/u.test(value)) return value
  } catch {
    // Said below: the parser's error would quote what may be the password.
  }
  throw refusal(`its ${what} is not percent-encoded text`)
}

/** `require` encrypts without asking who answers, as libpq's mode of that name does. */
function tlsOf(parameters: ReadonlyMap<string, string>, isLocal: boolean): NonNullable<ClientConfig['ssl']> {
  const mode = parameters.get('sslmode') ?? (isLocal ? 'disable' : 'verify-full')
  if (!isTlsMode(mode)) throw refusal(`its sslmode must be ${TLS_MODES.join(', ')}`)
  const rootPath = parameters.get('sslrootcert')
  if (rootPath !== undefined && mode !== 'verify-full')
    throw refusal('sslrootcert is for sslmode=verify-full')
  if (mode === 'disable') return false
  if (mode === 'require') return { rejectUnauthorized: false }
  return { rejectUnauthorized: true, ...(rootPath === undefined ? {} : { ca: rootCertificate(rootPath) }) }
}

const isTlsMode = (text: string): text is TlsMode => (TLS_MODES as readonly string[]).includes(text)

function rootCertificate(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new PolityError(
      'usage',
      `the certificate of sslrootcert cannot be read: ${(error as Error).message}`,
      {},
      error,
    )
  }
}
