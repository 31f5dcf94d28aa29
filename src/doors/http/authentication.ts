// Who is asking: a bearer token or the page's session cookie; and whether the browser that asks is on our own page.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Caller } from '../../kernel/catalog/caller.ts'
import { PolityError } from '../../kernel/errors.ts'
import type { Identity } from '../../kernel/identity/identity.ts'

export const SESSION_COOKIE = 'polity_session'

export type Credentials =
  | { readonly kind: 'token'; readonly secret: string }
  | { readonly kind: 'session'; readonly secret: string }

/**
 * RFC 6750 section 2.1 and RFC 6265 section 4.2; a token wins over a cookie. Undefined when neither
 * was sent; throws `auth.invalid` for another scheme.
 */
export function credentialsOf({ authorization, cookie }: IncomingHttpHeaders): Credentials | undefined {
  if (authorization !== undefined) {
    const [, token] = /^bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization) ?? []
    if (token === undefined)
      throw new PolityError('auth.invalid', 'the Authorization header must be: Bearer TOKEN')
    return { kind: 'token', secret: token }
  }
  const session = cookie
    ?.split(';')
    .map((pair) => pair.trim())
    .find((pair) => pair.startsWith(`${SESSION_COOKIE}=`))
    ?.slice(SESSION_COOKIE.length + 1)
  return session ? { kind: 'session', secret: session } : undefined
}

export type Authenticate = (headers: IncomingHttpHeaders, isUnsafe: boolean) => Promise<Caller>

/** Throws `auth.missing`, `auth.invalid`, `auth.expired`, and `auth.origin` for an unsafe request by cookie from elsewhere. */
export const openAuthenticate =
  (identity: Pick<Identity, 'byToken' | 'bySession'>): Authenticate =>
  async (headers, isUnsafe) => {
    const credentials = credentialsOf(headers)
    if (!credentials)
      throw new PolityError('auth.missing', 'sign in, or send a token: Authorization: Bearer pol_...')
    if (credentials.kind === 'token') return identity.byToken(credentials.secret)
    if (isUnsafe) requireOwnOrigin(headers, true)
    return identity.bySession(credentials.secret)
  }

/**
 * Against forged requests in somebody's name: the browser must say that our own page sent it
 * (Origin, RFC 6454; Sec-Fetch-Site, W3C Fetch Metadata). Throws `auth.origin`.
 */
export function requireOwnOrigin(headers: IncomingHttpHeaders, isOriginRequired: boolean): void {
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  const isOwn = origin === undefined ? !isOriginRequired : isSameHost(origin, host)
  if (!isOwn || (site !== undefined && site !== 'same-origin' && site !== 'none'))
    throw new PolityError(
      'auth.origin',
      'this request comes from another site: only the page of this hub may send it',
    )
}

/** Behind a proxy the browser may speak https while this door does not: name and port decide. */
function isSameHost(origin: string, host: string | undefined): boolean {
  const from = URL.parse(origin)
  return from !== null && host !== undefined && URL.parse(`${from.protocol}//${host}`)?.host === from.host
}

/** RFC 9112 section 3.2: who goes by the first of two would be elsewhere than who goes by the last. Throws `input.malformed`. */
export function requireOneHost({
  headersDistinct: { host = [] },
}: Pick<IncomingMessage, 'headersDistinct'>): void {
  if (host.length > 1) throw new PolityError('input.malformed', 'a request has one Host header field')
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]']

/**
 * A hub that listens on this machine only answers to this machine's names: a web page elsewhere whose
 * name was pointed at 127.0.0.1 (DNS rebinding) sends its own name. Throws `auth.origin`.
 */
export function requireOwnHost({ host }: IncomingHttpHeaders, boundHost: string, port: number): void {
  if (!isLoopback(boundHost)) return
  const names = [...LOOPBACK_NAMES, hostInUrl(boundHost)]
  const allowed = names.flatMap((name) => [`${name}:${port}`, ...(port === 80 ? [name] : [])])
  if (host === undefined || !allowed.includes(host.toLowerCase()))
    throw new PolityError(
      'auth.origin',
      `this hub answers to the name localhost or 127.0.0.1 with port ${port} only`,
    )
}

/** Whether an address or name is of this machine only (RFC 5735, RFC 4291 section 2.5.3, RFC 6761 section 6.3). */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(host) || host === '::1' || host === '[::1]'

/** IPv6 addresses stand in brackets (RFC 3986 section 3.2.2). */
export const hostInUrl = (host: string): string =>
  host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
