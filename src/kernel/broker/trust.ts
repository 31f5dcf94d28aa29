// Whom a connection to a broker believes over TLS, and how it is told that the other side is not to be believed, or lets nobody in.

import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { serverNameOf } from '../egress/server-name.ts'
import { PolityError } from '../errors.ts'
import type { BrokerAccess } from './access.ts'

export interface TrustOptions {
  /** Whatever NODE_TLS_REJECT_UNAUTHORIZED says. */
  readonly rejectUnauthorized: true
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined
  readonly servername?: string
  readonly ca?: string
}

/** The certificate must be of the host that was configured: libraries that lay TLS over a socket forget an address. */
export const trustOf = ({ host, ca }: BrokerAccess): TrustOptions => ({
  rejectUnauthorized: true,
  checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
  ...serverNameOf(host),
  ...(ca === undefined ? {} : { ca }),
})

/** Codes of the errors with which Node turns a certificate down; those of OpenSSL's verification and its own. */
const CERTIFICATE = /CERT|SIGNATURE|ISSUER|ALTNAME|INVALID_CA|PATH_LENGTH|INVALID_PURPOSE|HOSTNAME_MISMATCH/
const CAUSES_MAX = 5

/** The error to throw where a certificate was turned down; the libraries wrap it in errors of their own. */
export function untrusted(name: string, thrown: unknown): PolityError | undefined {
  let cause = thrown
  for (let depth = 0; depth < CAUSES_MAX && cause instanceof Error; depth++) {
    const { code } = cause as NodeJS.ErrnoException
    if (typeof code === 'string' && CERTIFICATE.test(code))
      return new PolityError(
        'broker.untrusted',
        `the certificate of the broker ${name} is not believed: ${cause.message} (${code}). Name the PEM of its authority with ?ca=file:/path, and the host as it stands in the certificate`,
        { reason: code },
        thrown,
      )
    cause = cause.cause
  }
  return undefined
}

export const denied = (name: string, thrown: Error): PolityError =>
  new PolityError(
    'broker.denied',
    `the broker ${name} does not let this hub in (${thrown.message}): look at the user, password, token or credentials that its URL names`,
    {},
    thrown,
  )
