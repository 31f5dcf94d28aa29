// Header fields on their way through: what ends here, what we say ourselves, and what a component may not tell a browser.

import { type IncomingHttpHeaders, type IncomingMessage, validateHeaderValue } from 'node:http'
import { PolityError } from '../../../kernel/errors.ts'
import type { Instance } from '../../../modules/components/gateway/service-gateway.ts'
import { SESSION_COOKIE } from '../authentication.ts'
import type { GatewayTarget } from './target.ts'

/** By small name, in the order of their first appearance. */
export type HeaderFields = Map<string, string[]>

/** RFC 9110 section 7.6.1, and what older proxies add to it. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
])

/**
 * The caller's credentials are for the hub. What says where a request comes from is ours to say. Another method or path
 * than the one that was decided is nobody's to say; and `Proxy` becomes HTTP_PROXY where a component is a CGI program.
 */
const NOT_PASSED_ON = new RegExp(
  `^(?:${[
    ...['authorization', 'host', 'expect', 'polity-.*', 'proxy'],
    ...['forwarded', 'x-forwarded', 'x-forwarded-.*', 'x-real-ip', 'x-host', 'x-remote-(?:ip|addr|user)'],
    ...['(?:x-|true-)?client-ip', 'x-(?:cluster-client|originating)-ip', 'cf-connecting-ip', 'remote-user'],
    ...['x-http-method', 'x-http-method-override', 'x-method-override', 'x-original-ur[il]', 'x-rewrite-url'],
  ].join('|')})$`,
)

/** A component speaks for itself and not for the hub, on whose origin a browser sees its answer. */
const NOT_PASSED_BACK = new Set([
  'alt-svc',
  'clear-site-data',
  'nel',
  'public-key-pins',
  'report-to',
  'reporting-endpoints',
  'service-worker-allowed',
  'set-cookie2',
  'strict-transport-security',
  'www-authenticate',
])

const FIELDS_MAX = 256
const VIA = '1.1 polity'

export interface Sender {
  /** Address of the client. */
  readonly address: string
  /** How the client came. */
  readonly scheme: 'http' | 'https'
  /** Host as the client named it. */
  readonly host: string | undefined
  /** The chain, `user:owner > agent:bot`. */
  readonly principal: string
  readonly requestId: string
}

/** Throws `gateway.refused` for more fields than a request needs. */
function fieldsOf(raw: readonly string[]): HeaderFields {
  if (raw.length > 2 * FIELDS_MAX)
    throw new PolityError('gateway.refused', `a head may have ${FIELDS_MAX} header fields`)
  const fields: HeaderFields = new Map()
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase()
    fields.set(name, [...(fields.get(name) ?? []), raw[at + 1] ?? ''])
  }
  return fields
}

/** Without what ends at each hop; whatever Connection names ends as well. */
function endToEnd(fields: HeaderFields): HeaderFields {
  const named = (fields.get('connection') ?? []).flatMap((value) => value.split(','))
  const ending = new Set([...HOP_BY_HOP, ...named.map((each) => each.trim().toLowerCase())])
  return new Map([...fields].filter(([name]) => !ending.has(name)))
}

/** What the component gets to see. */
export function requestFields(
  raw: readonly string[],
  instance: Instance,
  { prefix }: GatewayTarget,
  sender: Sender,
): HeaderFields {
  const fields = endToEnd(fieldsOf(raw))
  for (const name of [...fields.keys()]) if (isOursToSay(name)) fields.delete(name)
  const cookies = withoutSession(fields.get('cookie') ?? [])
  fields.delete('cookie')
  if (cookies !== '') fields.set('cookie', [cookies])
  // Last, so that nothing the client named in Connection can take it away.
  fields.set('host', [instance.authority])
  fields.set('via', [[...(fields.get('via') ?? []), VIA].join(', ')])
  for (const [name, value] of forwardedFields(sender, prefix)) fields.set(name, [value])
  fields.set('polity-principal', [sender.principal])
  fields.set('polity-request-id', [sender.requestId])
  return fields
}

/** Some servers read X_Forwarded_For as X-Forwarded-For, and Transfer_Encoding as what says where the body ends. */
function isOursToSay(name: string): boolean {
  const meant = name.replaceAll('_', '-')
  if (NOT_PASSED_ON.test(meant)) return true
  return meant !== name && (HOP_BY_HOP.has(meant) || meant === 'content-length')
}

/** What may stand in quotes, and in a Host field (RFC 3986 section 3.2). */
const HOST = /^[A-Za-z0-9._:[\]-]{1,260}$/

function forwardedFields({ address, scheme, host: named }: Sender, prefix: string): [string, string][] {
  const host = named !== undefined && HOST.test(named) ? named : undefined
  const node = address.includes(':') ? `"[${address}]"` : address
  return [
    [
      'forwarded',
      [`for=${node}`, ...(host === undefined ? [] : [`host="${host}"`]), `proto=${scheme}`].join(';'),
    ],
    ['x-forwarded-for', address],
    ...(host === undefined ? [] : [['x-forwarded-host', host] as [string, string]]),
    ['x-forwarded-proto', scheme],
    ['x-forwarded-prefix', prefix],
  ]
}

const withoutSession = (cookies: readonly string[]): string =>
  cookies
    .flatMap((line) => line.split(';'))
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && pair.split('=', 1)[0]?.trim() !== SESSION_COOKIE)
    .join('; ')

/**
 * Scripts of a component run without the hub's origin (W3C CSP 3 section 6.3.2, sandbox): in a browser its pages
 * cannot act as whoever is signed in.
 */
const SANDBOX = 'sandbox allow-scripts allow-forms allow-popups allow-downloads'

/** RFC 9110 section 15: 200 to 599, and 101 where it was asked for. Throws `gateway.unreachable`. */
export function answerStatus(status: number | undefined, { component }: Instance): number {
  if (status !== undefined && ((status >= 200 && status <= 599) || status === 101)) return status
  throw new PolityError('gateway.unreachable', `the answer of ${component} has no status that there is`, {
    component,
  })
}

/** What the client gets to see, as Node takes it: names and values in turn. Throws `gateway.unreachable`. */
export function answerFields(
  raw: readonly string[],
  instance: Instance,
  target: Pick<GatewayTarget, 'prefix'>,
): string[] {
  try {
    const fields = [...shownFields(raw, instance, target)].flatMap(([name, values]) =>
      values.flatMap((value) => [name, value]),
    )
    for (let at = 0; at + 1 < fields.length; at += 2)
      validateHeaderValue(fields[at] ?? '', fields[at + 1] ?? '')
    return fields
  } catch (error) {
    const { component } = instance
    throw new PolityError(
      'gateway.unreachable',
      `the answer of ${component} is no HTTP`,
      { component },
      error,
    )
  }
}

function shownFields(
  raw: readonly string[],
  instance: Instance,
  target: Pick<GatewayTarget, 'prefix'>,
): HeaderFields {
  const fields = endToEnd(fieldsOf(raw))
  for (const name of NOT_PASSED_BACK) fields.delete(name)
  for (const name of [...fields.keys()]) if (name.startsWith('polity-')) fields.delete(name)
  const location = fields.get('location')
  if (location !== undefined)
    fields.set(
      'location',
      location.map((each) => locationFor(each, instance, target)),
    )
  const kept = (fields.get('set-cookie') ?? []).filter((each) => !isOurCookie(each))
  fields.delete('set-cookie')
  if (kept.length > 0)
    fields.set(
      'set-cookie',
      kept.map((each) => cookieFor(each, instance, target)),
    )
  fields.set('content-security-policy', [...(fields.get('content-security-policy') ?? []), SANDBOX])
  fields.set('x-content-type-options', ['nosniff'])
  return fields
}

/** RFC 6265 section 4.1: a cookie comes back to the component that set it, and to nobody else behind this origin. */
function cookieFor(
  cookie: string,
  { basePath }: Instance,
  { prefix }: Pick<GatewayTarget, 'prefix'>,
): string {
  const [pair = '', ...attributes] = cookie.split(';').map((part) => part.trim())
  const nameOf = (attribute: string) => attribute.split('=', 1)[0]?.trim().toLowerCase() ?? ''
  const asked = attributes.findLast((each) => nameOf(each) === 'path')?.replace(/^[^=]*=?\s*/, '') ?? ''
  const isInside = asked.startsWith(`${basePath}/`) && /^[\x21-\x7e]*$/.test(asked)
  const path = prefix + (isInside ? asked.slice(basePath.length).replace(/\/+$/, '') : '')
  const others = attributes.filter((each) => !['path', 'domain', ''].includes(nameOf(each)))
  return [pair, ...others, `Path=${path}`].join('; ')
}

/** A cookie without a name comes back as if its value were one. */
const isOurCookie = (cookie: string): boolean =>
  cookie
    .replace(/^[\s=]+/, '')
    .split(/[=;]/, 1)[0]
    ?.trim() === SESSION_COOKIE

/** RFC 9110 section 10.2.2: within the component the client's way is through us; elsewhere it is not ours to say. */
export function locationFor(
  location: string,
  { isSecure, authority, basePath }: Instance,
  { prefix }: Pick<GatewayTarget, 'prefix'>,
): string {
  const origin = `${isSecure ? 'https' : 'http'}://${authority}`
  const isAbsolute = /^[a-z][a-z0-9+.-]*:/i.test(location)
  if (!isAbsolute && !location.startsWith('/')) return location
  const url = URL.parse(location, origin)
  if (url === null || url.origin !== URL.parse(origin)?.origin) return location
  const isInside = url.pathname === basePath || url.pathname.startsWith(`${basePath}/`)
  return isInside ? `${prefix}${url.pathname.slice(basePath.length)}${url.search}${url.hash}` : location
}

/**
 * RFC 9112 section 6.1: HTTP/1.0 knows no transfer codings, and another one than chunked would be passed on without its
 * name, so that what is behind took coded bytes for plain ones.
 */
export const isFramedPlainly = ({
  headers,
  httpVersion,
}: Pick<IncomingMessage, 'headers' | 'httpVersion'>): boolean => {
  const coding = headers['transfer-encoding']
  return coding === undefined || (httpVersion === '1.1' && coding.trim().toLowerCase() === 'chunked')
}

/** Whether a body follows a request head (RFC 9112 section 6.3), and how long it says it is. */
export function bodyOf(headers: IncomingHttpHeaders): {
  readonly isThere: boolean
  readonly sizeBytes?: number
} {
  const length = headers['content-length']
  if (headers['transfer-encoding'] !== undefined) return { isThere: true }
  return length === undefined || Number(length) === 0
    ? { isThere: false }
    : { isThere: true, sizeBytes: Number(length) }
}
