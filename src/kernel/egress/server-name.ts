// Whom a TLS connection asks for.

import { isIP } from 'node:net'

/** The option of that name, for a host that is reached at another address. An address is no server name (RFC 6066 section 3). */
export const serverNameOf = (host: string): { readonly servername?: string } =>
  isIP(host) === 0 ? { servername: host } : {}
