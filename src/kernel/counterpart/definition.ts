// A counterpart as it is declared: where it is, who we are to it, how patient we are, and how much depends on it.

import type { Priority } from '../../kit/degradation.ts'
import { holds, networkOf, readAddress } from '../egress/networks.ts'
import { checkedUrl } from '../egress/request-check.ts'
import { PolityError } from '../errors.ts'
import type { RetryPolicy } from '../targets/retry.ts'
import type { TargetPolicy } from '../targets/targets.ts'

export interface CounterpartOptions {
  /** Letters, digits, `_` and `-`; the name of its breaker too. */
  readonly name: string
  /** `http:` or `https:`; paths are appended to it. */
  readonly url: string
  /** Reference of the token that is sent as `Authorization: Bearer`. */
  readonly token?: string
  readonly priority: Priority
  /** Of one attempt. */
  readonly timeoutMs?: number
  readonly retry?: RetryPolicy
  readonly breaker?: TargetPolicy
  /** Answers 200 while it is healthy. */
  readonly probePath?: string
  readonly probeIntervalMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface CounterpartDefinition extends CounterpartOptions {
  readonly timeoutMs: number
  readonly retry: RetryPolicy
  readonly breaker: TargetPolicy
  readonly probePath: string
  readonly probeIntervalMs: number
  readonly headers: Readonly<Record<string, string>>
}

const DEFAULTS = {
  timeoutMs: 30_000,
  /** One second doubling up to thirty. */
  retry: { attemptsMax: 3, baseMs: 1000, capMs: 30_000 },
  breaker: {},
  probePath: '/health',
  probeIntervalMs: 60_000,
  headers: {},
} satisfies Partial<CounterpartDefinition>

const NAME = /^[a-z][a-z0-9_-]{0,63}$/
const REFERENCE = /^(?:env|file|vault):./

/** Throws `egress.invalid` for the URL, also where it would show the token to the network, `secret.plaintext` for a token, `input.invalid` for the rest. */
export function defineCounterpart(options: CounterpartOptions): CounterpartDefinition {
  const { name, token } = options
  if (!NAME.test(name))
    throw new PolityError('input.invalid', 'the name of a counterpart is of small letters, digits, _ and -', {
      name: name.slice(0, 64).toWellFormed(),
    })
  if (token !== undefined && !REFERENCE.test(token))
    throw new PolityError(
      'secret.plaintext',
      `the token of ${name} is a reference such as env:NAME or file:/path, never the token itself`,
      { counterpart: name },
    )
  const url = options.url.replace(/\/+$/, '')
  const { origin } = checkedUrl(url)
  if (/[?#]/.test(url))
    throw new PolityError('egress.invalid', `the URL of ${name} has a query or a fragment: leave it out`, {
      counterpart: name,
    })
  if (token !== undefined && !isSheltered(origin))
    throw new PolityError(
      'egress.invalid',
      `the token of ${name} would travel in the open to ${origin}: use https:, or leave the token out`,
      { counterpart: name, origin },
    )
  return Object.freeze({ ...DEFAULTS, ...options, url })
}

const LOOPBACK = [networkOf('127.0.0.0/8'), networkOf('::1')]

/** Encrypted, or on this machine (RFC 6750 section 5.3: bearer tokens go over TLS). */
function isSheltered(origin: string): boolean {
  const { protocol, hostname } = new URL(origin)
  if (protocol === 'https:' || hostname === 'localhost') return true
  const address = readAddress(hostname.replace(/^\[|\]$/g, ''))
  return address !== undefined && LOOPBACK.some((network) => network !== undefined && holds(network, address))
}
