// Where a request to /svc/... wants to go: the service, and the rest of its path as it was written.

import { PolityError } from '../../../kernel/errors.ts'

export const GATEWAY_PREFIX = '/svc/'

export interface GatewayTarget {
  /** The id of a component, or `capability:x`. */
  readonly service: string
  /** `/svc/{service}`: in front of paths when the client shall use them. */
  readonly prefix: string
  /** Literal, with its leading slash; empty when there was none. */
  readonly path: string
  /** Literal, with its question mark; empty when there was none. */
  readonly query: string
}

const FORM = /^\/svc\/((?:capability(?::|%3A))?[a-z0-9][a-z0-9._-]{0,127})(\/[^?#]*)?(\?[^#]*)?$/i

/** Throws `gateway.refused`. */
export function gatewayTargetOf(url: string): GatewayTarget {
  const [, written, path = '', query = ''] = FORM.exec(url) ?? []
  const service = written?.replace(/%3A/i, ':')
  if (service === undefined || service !== service.toLowerCase())
    throw new PolityError(
      'gateway.refused',
      'the path must be /svc/ID/... or /svc/capability:NAME/..., with the id as it is registered',
    )
  if (DOT_SEGMENT.test(path))
    throw new PolityError('gateway.refused', 'the path must not have . or .. as a part')
  if (PARAMETER.test(path))
    throw new PolityError(
      'gateway.refused',
      'the path must not have a semicolon: send what follows it in the query',
    )
  if (path.includes('\\'))
    throw new PolityError(
      'gateway.refused',
      'the path must not have a backslash, which is no part of any URL',
    )
  return { service, prefix: `${GATEWAY_PREFIX}${service}`, path, query }
}

/**
 * The path is not tidied up, and rules decide by it: whoever resolves dots behind us must come to no other one.
 * Some servers take escapes and backslashes for slashes, and leave out what follows a semicolon (RFC 3986 section 3.3).
 */
const DOT_SEGMENT = /(?:\/|\\|%2f|%5c)(?:\.|%2e){1,2}(?=\/|\\|;|%2f|%5c|%3b|$)/i

/**
 * Servlet containers take `/admin;x` for `/admin`, others do not (RFC 3986 section 3.3 leaves it to them), so no name is
 * right for both. As it is written, what forbids `/admin` would not bind; without its parameters, what permits `/public`
 * would open `/public;x` where that is another thing. So it is refused, as at the forward-auth endpoint.
 */
const PARAMETER = /;|%3b/i

/** The path at an instance. */
export const pathAt = ({ path, query }: GatewayTarget, basePath: string): string =>
  `${basePath}${path === '' ? '/' : path}${query}`
