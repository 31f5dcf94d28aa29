// How a broker is reached: a URL in the configuration, and secrets that are read when a connection is made.

import { PolityError } from '../errors.ts'
import type { BrokerKind } from './broker.ts'

/** What a connection is made with; never kept longer than that. */
export interface BrokerAccess {
  readonly host: string
  readonly port: number
  readonly isEncrypted: boolean
  readonly user?: string
  readonly password?: string
  /** NATS: a bearer token. */
  readonly token?: string
  /** NATS: what stands in a .creds file. */
  readonly credentials?: string
  /** PEM; without it the authorities of this machine are believed. */
  readonly ca?: string
  /** Redis: number of the database. */
  readonly database?: number
}

/** Reads secrets when it is called; a client that reconnects by itself goes on with those it has. Throws `secret.missing`, `config.invalid`. */
export type LoadAccess = () => Promise<BrokerAccess>
type ReadSecret = (reference: string) => Promise<string>

interface Scheme {
  readonly kind: Exclude<BrokerKind, 'memory'>
  readonly port: number
  readonly isEncrypted: boolean
}

const SCHEMES: Readonly<Record<string, Scheme>> = {
  'nats:': { kind: 'nats', port: 4222, isEncrypted: false },
  'tls:': { kind: 'nats', port: 4222, isEncrypted: true },
  'redis:': { kind: 'redis', port: 6379, isEncrypted: false },
  'rediss:': { kind: 'redis', port: 6379, isEncrypted: true },
}
const PARAMETERS: readonly string[] = ['user', 'password', 'token', 'credentials', 'ca']
const REFERENCE = /^(?:env|file):/

/**
 * Which kind of broker a text of the configuration means, and how to reach it. The text is a URL whose parameters
 * `password`, `token`, `credentials`, `ca` are references (`env:`, `file:`), or begins with `nats+` or `redis+` and
 * goes on with a reference to a whole URL, which may then hold a password of its own.
 * Throws `config.invalid`, which never shows the text.
 */
export function parseAccess(text: string, secret: ReadSecret): { kind: Scheme['kind']; load: LoadAccess } {
  const [, kind, reference] = /^(nats|redis)\+((?:env|file):.+)$/s.exec(text) ?? []
  if (reference !== undefined)
    return {
      kind: kind as Scheme['kind'],
      load: async () => {
        const { url, scheme } = parts(await secret(reference))
        if (scheme.kind !== kind) throw invalid(`the URL behind ${reference} is of another kind of broker`)
        return accessOf(url, scheme, secret)
      },
    }
  const { url, scheme } = parts(text)
  if (url.password !== '')
    throw invalid(
      'its password stands in the URL: give `?password=env:NAME` or `?password=file:/path` instead',
    )
  for (const [name, value] of url.searchParams)
    if (name !== 'user' && !REFERENCE.test(value))
      throw invalid(`its parameter ${name} must be a reference, env:NAME or file:/path`)
  return { kind: scheme.kind, load: () => accessOf(url, scheme, secret) }
}

function parts(text: string): { url: URL; scheme: Scheme } {
  const url = URL.parse(text)
  const scheme = url === null || !Object.hasOwn(SCHEMES, url.protocol) ? undefined : SCHEMES[url.protocol]
  if (url === null || scheme === undefined || url.hostname === '')
    throw invalid('it must be a URL that begins with nats://, tls://, redis:// or rediss:// and names a host')
  for (const name of url.searchParams.keys())
    if (!PARAMETERS.includes(name))
      throw invalid(`its parameter ${name.slice(0, 64)} is unknown: there are ${PARAMETERS.join(', ')}`)
  const isPathKnown = scheme.kind === 'redis' ? /^\/?\d{0,4}$/.test(url.pathname) : /^\/?$/.test(url.pathname)
  if (!isPathKnown) throw invalid('only the number of a Redis database may stand behind its host')
  return { url, scheme }
}

async function accessOf(url: URL, { port, isEncrypted }: Scheme, secret: ReadSecret): Promise<BrokerAccess> {
  const named = async (name: string): Promise<string | undefined> => {
    const reference = url.searchParams.get(name)
    return reference === null ? undefined : secret(reference)
  }
  const user = url.searchParams.get('user') ?? decodeURIComponent(url.username)
  const database = url.pathname.slice(1)
  const members = {
    user: user === '' ? undefined : user,
    password:
      (await named('password')) ?? (url.password === '' ? undefined : decodeURIComponent(url.password)),
    token: await named('token'),
    credentials: await named('credentials'),
    ca: await named('ca'),
    database: database === '' ? undefined : Number(database),
  }
  return {
    // Brackets belong to the URL, not to the address (RFC 3986 section 3.2.2).
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? port : Number(url.port),
    isEncrypted,
    ...Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)),
  }
}

const invalid = (why: string): PolityError =>
  new PolityError('config.invalid', `the broker cannot be reached as it is configured: ${why}`)
