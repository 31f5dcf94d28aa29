// What PostgreSQL or the network refused, as the error of a Store: one place that knows SQLSTATEs.

import type { ErrorCode } from '../../errors.ts'
import { PolityError } from '../../errors.ts'

/** What `pg` and `node:net` throw. */
interface Refused {
  readonly message: string
  /** A SQLSTATE (PostgreSQL documentation, appendix A) or an errno name. */
  readonly code?: string
  readonly constraint?: string
}

const asRefused = (error: unknown): Refused => (error instanceof Error ? error : { message: String(error) })

/** Serialization failure and deadlock: nothing was applied, and the same again may succeed. */
const TRANSIENT: ReadonlySet<string> = new Set(['40001', '40P01'])
/** A pooler in transaction mode that gave the statement to a session which never prepared it, or did twice. */
const UNPREPARED: ReadonlySet<string> = new Set(['26000', '42P05'])
const NETWORK: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ERR_STREAM_DESTROYED',
  'ERR_STREAM_WRITE_AFTER_END',
])
/** The server ends sessions: shutdown, crash of a neighbour, start-up, idle too long, idle in a transaction. */
const ENDED: ReadonlySet<string> = new Set(['57P01', '57P02', '57P03', '57P05', '25P03'])
/** `pg` throws these without a code. */
const LOST_MESSAGE =
  /^(Connection terminated|Client (has encountered|was closed)|Query read timeout|timeout e|The server does not support SSL)/

/** What `node:tls` calls a server that does not prove who it is, after OpenSSL's X509_V_ERR_*. */
const UNPROVEN = /CERT|_SIGNATURE$|^INVALID_CA$|^HOSTNAME_MISMATCH$/
const TLS = /^(EPROTO$|ERR_SSL_|ERR_TLS_)/
/** `pg` says without a code that a password is missing, or that the server does not know it either. */
const UNAGREED_MESSAGE = /^SASL: /

/** Whether the session is gone; whether the statement was applied is then open. */
export function isConnectionLost(error: unknown): boolean {
  const { code, message } = asRefused(error)
  if (code === undefined) return LOST_MESSAGE.test(message)
  return NETWORK.has(code) || ENDED.has(code) || code.startsWith('08')
}

export const isTransient = (error: unknown): boolean => TRANSIENT.has(asRefused(error).code ?? '')
export const isUnprepared = (error: unknown): boolean => UNPREPARED.has(asRefused(error).code ?? '')

/** Whether a unique index refused a row. */
export const isUniqueViolation = (error: unknown): boolean => asRefused(error).code === '23505'

const UNREACHABLE = (place: string, message: string) =>
  `the PostgreSQL server at ${place} does not answer (${message}): start it, or correct the address`

/** By SQLSTATE, or its class where the class decides. */
const CODES: Readonly<Record<string, readonly [ErrorCode, (place: string, message: string) => string]>> = {
  '53100': ['store.full', (place, message) => `the disk of ${place} is full: ${message}. Make room there`],
  '25006': [
    'store.readonly',
    (place, message) => `${place} takes no writes (${message}): give the address of the primary server`,
  ],
  '42501': [
    'store.readonly',
    (place, message) => `${place} does not allow this user to do that (${message}): grant it, or use another`,
  ],
  '55P03': ['store.locked', (place, message) => `another program holds a lock at ${place}: ${message}`],
  '22021': ['input.invalid', (_place, message) => `text that PostgreSQL cannot hold: ${message}`],
  '3D000': ['store.unreachable', (place, message) => `${place}: ${message}. Create it with createdb`],
  '53300': [
    'store.unreachable',
    (place, message) => `${place} has no connection to spare (${message}): raise max_connections`,
  ],
  '28000': [
    'store.unreachable',
    (place, message) =>
      `${place} does not let this user in (${message}): correct user and sslmode of the address, or its pg_hba.conf`,
  ],
  '28': [
    'store.unreachable',
    (place, message) => `${place} does not let this user in (${message}): correct user and password`,
  ],
  XX001: ['log.corrupt', (place, message) => `the database ${place} is damaged: ${message}`],
  XX002: ['log.corrupt', (place, message) => `the database ${place} is damaged: ${message}`],
}

/** The cause is kept; the message names the place, and neither of them the password. */
export function storeError(error: unknown, place: string): PolityError {
  if (error instanceof PolityError) return error
  const { code = '', message } = asRefused(error)
  const facts = { place, ...(code === '' ? {} : { postgres: code }) }
  if (isConnectionLost(error))
    return new PolityError('store.unreachable', UNREACHABLE(place, message), facts, error)
  const untrusted = untrustedError(error, place)
  if (untrusted) return untrusted
  const [polity, sentence] = CODES[code] ?? CODES[code.slice(0, 2)] ?? ['store.failed' as const, undefined]
  return new PolityError(polity, sentence?.(place, message) ?? `${place}: ${message}`, facts, error)
}

/** Nobody who waits will find it otherwise: client and server must be told of each other first. */
function untrustedError(error: unknown, place: string): PolityError | undefined {
  const { code = '', message } = asRefused(error)
  const unreachable = (sentence: string) =>
    new PolityError('store.unreachable', sentence, { place, ...(code === '' ? {} : { reason: code }) }, error)
  if (UNPROVEN.test(code))
    return unreachable(
      `the certificate of ${place} proves nothing (${message}): connect under the name it was made for, and give who signed it as sslrootcert`,
    )
  if (TLS.test(code)) return unreachable(`${place} and this hub agree on no encryption (${message})`)
  if (code === '' && UNAGREED_MESSAGE.test(message))
    return unreachable(
      `${place} and this hub agree on no password (${message}): write the right one into the address`,
    )
  return undefined
}
