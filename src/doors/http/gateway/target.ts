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
  return { service, prefix: `${GATEWAY_PREFIX}${service}`, path, query }
}

const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?=\/|\\|%2f|%5c|$)/i

/**
 * The path at an instance. It is not tidied up, so under a base path it must not lead out of it. Throws
 * `gateway.refused`.
 */
export function pathAt({ path, query }: GatewayTarget, basePath: string): string {
  if (basePath !== '' && DOT_SEGMENT.test(path))
    throw new PolityError('gateway.refused', 'the path must not have . or .. as a part')
  return `${basePath}${path === '' ? '/' : path}${query}`
}
