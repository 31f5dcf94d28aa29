// Connections to the outside: the address is checked where it is connected to, so what a name meant earlier does not matter.

import { lookup as systemLookup } from 'node:dns/promises'
import { isIP, type LookupFunction, Socket } from 'node:net'
import type { Agent, buildConnector } from 'undici'
import { asPolityError, PolityError } from '../errors.ts'
import type { Reach } from './addresses.ts'
import { checkedUrl } from './request-check.ts'

export interface FoundAddress {
  readonly address: string
  readonly family: number
}

/** All addresses of a host name. */
export type Lookup = (host: string) => Promise<readonly FoundAddress[]>

export const resolveBySystem: Lookup = (host) => systemLookup(host, { all: true, order: 'verbatim' })

/** Per origin; more exchanges wait for one of them. */
const CONNECTIONS_MAX = 16
/** Origins with a connection at a time. */
const ORIGINS_MAX = 256
const CONNECT_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 10_000
/** Whatever the other side hints. */
const KEEP_ALIVE_MAX_MS = 60_000

/** Pooled connections that are kept alive, and end with `closing`. The library is loaded by whoever speaks first. */
export async function openAgent(reach: Reach, lookup: Lookup, closing: AbortSignal): Promise<Agent> {
  const { Agent: Pool, buildConnector: build } = await import('undici')
  return new Pool({
    connect: checkedConnector(
      build({
        allowH2: false,
        timeout: CONNECT_TIMEOUT_MS,
        // Whatever NODE_TLS_REJECT_UNAUTHORIZED says.
        rejectUnauthorized: true,
        lookup: checkedLookup(reach, lookup),
      } as buildConnector.BuildOptions),
      reach,
      closing,
    ),
    connections: CONNECTIONS_MAX,
    maxOrigins: ORIGINS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    // The exchange has a timeout of its own.
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
  })
}

/** Throws `egress.invalid`, `egress.refused`. Nothing is looked up: a name may mean something else by the time it is asked. */
export function requireUrl(reach: Reach, url: string): void {
  const host = hostOf(new URL(checkedUrl(url).origin))
  if (isIP(host) !== 0 && !isAllowed(reach, host, host)) throw refused(host)
}

/** Brackets belong to the URL, not to the address (RFC 3986 section 3.2.2). */
const hostOf = ({ hostname }: Pick<URL, 'hostname'>): string => hostname.replace(/^\[|\]$/g, '')

const isAllowed = (reach: Reach, host: string, address: string): boolean =>
  reach.isHostAllowed(host) || reach.isAddressAllowed(address)

/** Literal addresses are never looked up, so they are checked here; and what was connected to, once more. */
const checkedConnector =
  (connect: buildConnector.connector, reach: Reach, closing: AbortSignal): buildConnector.connector =>
  (options, callback) => {
    const host = hostOf(options)
    if (isIP(host) !== 0 && !isAllowed(reach, host, host)) {
      queueMicrotask(() => callback(refused(host), null))
      return
    }
    const connected = new AbortController()
    // The library answers the socket, which its types do not say.
    const connecting: unknown = connect(options, (error, socket) => {
      connected.abort()
      if (error !== null) return callback(error, null)
      if (isAllowed(reach, host, socket.remoteAddress ?? '')) return callback(null, socket)
      socket.destroy()
      callback(refused(host), null)
    })
    // Whoever closes does not wait until a name is found or a host answers.
    const giveUp = () => connecting instanceof Socket && connecting.destroy(asPolityError(closing.reason))
    closing.addEventListener('abort', giveUp, { once: true, signal: connected.signal })
  }

/** Only what is allowed reaches the network stack, which connects to what it gets without asking again. */
const checkedLookup =
  (reach: Reach, lookup: Lookup): LookupFunction =>
  (host, options, callback) => {
    const wantedFamily = options.family === 4 || options.family === 6 ? options.family : 0
    const allowed = async () => {
      const found = await lookup(host)
      const usable = reach.isHostAllowed(host)
        ? found
        : found.filter(({ address }) => reach.isAddressAllowed(address))
      const [first] = usable.filter(({ family }) => wantedFamily === 0 || family === wantedFamily)
      if (first === undefined) throw found.length === 0 ? unknown(host) : refused(host)
      return { usable: [...usable], first }
    }
    allowed().then(
      ({ usable, first }) =>
        options.all === true ? callback(null, usable) : callback(null, first.address, first.family),
      (error: unknown) => callback(error as NodeJS.ErrnoException, ''),
    )
  }

/** Says nothing about the address: whoever asked may not know the network inside. */
const refused = (host: string): PolityError =>
  new PolityError(
    'egress.refused',
    `${host} is not asked: it leads to an address inside the network. An operator may allow it under egress.allow`,
    { host },
  )

const unknown = (host: string): PolityError =>
  new PolityError('egress.unreachable', `${host} has no address`, { host })
