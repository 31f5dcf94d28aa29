// Where a request comes from: the address of the connection, and what proxies say that the operator trusts.

import type { IncomingMessage } from 'node:http'
import { holds, type Network, networkOf, readAddress } from '../../kernel/egress/networks.ts'
import { PolityError } from '../../kernel/errors.ts'

export interface Client {
  /** Without port, zone or brackets; `unknown` for a connection that is gone. */
  readonly address: string
  /** Whether a proxy that the operator trusts has passed the request on: only then X-Forwarded-* means anything. */
  readonly isPassedOn: boolean
  /** How the client came: as the proxy says that the operator trusts. The hub's own listener speaks no TLS. */
  readonly scheme: 'http' | 'https'
}

export type ClientOf = (request: Pick<IncomingMessage, 'headersDistinct' | 'socket'>) => Client

const PROXIES_MAX = 256
/** A chain of proxies is short; what stands further to the left was written by somebody else anyway. */
const HOPS_MAX = 32

/** @param trusted networks (CIDR) and addresses of proxies. Throws `config.invalid` for anything else. */
export function openClientOf(trusted: readonly string[] = []): ClientOf {
  const networks = networksOf(trusted)
  const isTrusted = (text: string) => {
    const address = readAddress(text)
    return address !== undefined && networks.some((network) => holds(network, address))
  }
  return ({ socket, headersDistinct }) => {
    const peer = shownAddress(socket.remoteAddress) ?? 'unknown'
    if (!isTrusted(peer)) return { address: peer, isPassedOn: false, scheme: 'http' }
    return {
      address: furthest(peer, hopsOf(headersDistinct['x-forwarded-for']), isTrusted),
      isPassedOn: true,
      scheme: schemeOf(headersDistinct['x-forwarded-proto']),
    }
  }
}

/** The last one: whatever stands before it was there when the proxy that asks us added its own. */
const schemeOf = (fields: readonly string[] | undefined): 'http' | 'https' =>
  hopsOf(fields).at(-1)?.toLowerCase() === 'https' ? 'https' : 'http'

/** Throws `config.invalid`. */
export function networksOf(trusted: readonly string[]): readonly Network[] {
  if (trusted.length > PROXIES_MAX)
    throw new PolityError('config.invalid', `http.trustedProxies has more than ${PROXIES_MAX} entries`)
  return trusted.map((text) => {
    const network = networkOf(text)
    if (network !== undefined) return network
    throw new PolityError(
      'config.invalid',
      `http.trustedProxies: ${text.slice(0, 64)} is neither a network (10.0.0.0/8) nor an address`,
    )
  })
}

/**
 * From the right, because each proxy adds the address that it was asked from: the first one that is no trusted proxy.
 * What cannot be read ends the walk at the proxy that said so: nothing to the left of it is anybody's word.
 */
function furthest(peer: string, hops: readonly string[], isTrusted: (address: string) => boolean): string {
  let known = peer
  for (const hop of hops.toReversed()) {
    const address = shownAddress(hop)
    if (address === undefined) return known
    known = address
    if (!isTrusted(address)) return known
  }
  return known
}

/** Fields of one name are one list (RFC 9110 section 5.3). */
const hopsOf = (fields: readonly string[] = []): readonly string[] =>
  fields
    .join(',')
    .split(',')
    .slice(-HOPS_MAX)
    .map((hop) => hop.trim())

/** `192.0.2.1:4711` and `[2001:db8::1]:443` have ports; an IPv4 address may come as an IPv6 one (RFC 4291 section 2.5.5.2). */
function shownAddress(text: string | undefined): string | undefined {
  const [, bracketed, dotted] = /^(?:\[([^\]]*)\]|(\d+\.\d+\.\d+\.\d+))(?::\d{1,5})?$/.exec(text ?? '') ?? []
  const bare = (bracketed ?? dotted ?? text ?? '').replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '')
  return readAddress(bare) === undefined ? undefined : bare.toLowerCase()
}
