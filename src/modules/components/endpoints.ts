// Endpoints and checked URLs: what they must look like, and what is taken from them.

import { isIP } from 'node:net'
import { PolityError } from '../../kernel/errors.ts'
import type { AddressRule } from './addresses.ts'

export interface Place {
  readonly isSecure: boolean
  /** Name or address, IPv6 without brackets. */
  readonly host: string
  readonly port: number
  /** Without a slash at its end: `` or `/api`. */
  readonly basePath: string
  /** `host:port` as a Host header has it; the port only where it is not the usual one. */
  readonly authority: string
}

const SCHEMES: ReadonlyMap<string, readonly string[]> = new Map([
  ['http', ['http:', 'https:']],
  ['ws', ['ws:', 'wss:', 'http:', 'https:']],
  ['tcp', ['tcp:']],
])

/** Throws `input.invalid` for what is no such URL, `components.address` for an address where no component may live. */
export function requireUrl(protocol: string, url: string, rule: AddressRule): Place {
  const place = placeOf(protocol, url)
  if (isIP(place.host) !== 0) rule.requireAllowed(place.host)
  return place
}

/** Throws `input.invalid`. */
export function placeOf(protocol: string, text: string): Place {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const schemes = SCHEMES.get(protocol) ?? []
  if (url === undefined || !schemes.includes(url.protocol) || url.hostname === '')
    throw invalid(text, `must be a URL with ${schemes.map((each) => `${each}//`).join(' or ')}`)
  if (url.username !== '' || url.password !== '') throw invalid(text, 'must not hold a user or password')
  if (url.hash !== '' || (url.search !== '' && protocol !== 'http'))
    throw invalid(text, 'must not have a query or fragment')
  const isSecure = url.protocol === 'https:' || url.protocol === 'wss:'
  const port = url.port === '' ? (isSecure ? 443 : 80) : Number(url.port)
  if (port === 0 || (protocol === 'tcp' && url.port === '')) throw invalid(text, 'must name a port')
  return {
    isSecure,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    basePath: url.pathname.replace(/\/+$/, ''),
    authority: url.host,
  }
}

const invalid = (text: string, message: string): PolityError =>
  new PolityError('input.invalid', `the URL ${JSON.stringify(text.slice(0, 128))} ${message}`, {
    violations: [{ pointer: '/endpoints', message }],
  })
