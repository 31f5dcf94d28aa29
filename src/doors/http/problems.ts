// How failures are answered: problem details (RFC 9457) with a code, and never the insides of the hub.

import { asPolityError, type ErrorCode, PolityError, problemOf } from '../../kernel/errors.ts'
import type { HttpAnswer } from './route.ts'

const RETRY_SECONDS = '1'
/** What passes by itself. */
const PASSING: readonly ErrorCode[] = [
  'limit',
  'gate.failed',
  'gate.unavailable',
  'log.saturated',
  'run.limit',
  'hub.starting',
  'idempotency.running',
]

/** `requestId` goes into answers about internal errors, whose details are in the hub's own log only. */
export function problemAnswer(error: PolityError, requestId: string): HttpAnswer {
  const shown =
    error.code === 'internal'
      ? new PolityError('internal', `the hub failed at this; its log has the details under ${requestId}`, {
          request: requestId,
        })
      : error
  return {
    status: shown.status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      // RFC 9110 section 11.6.1: a 401 names a scheme.
      ...(shown.status === 401 ? { 'www-authenticate': 'Bearer realm="polity"' } : {}),
      // RFC 9110 section 15.5.9: the rest of the request is not waited for.
      ...(shown.status === 408 ? { connection: 'close' } : {}),
      ...(PASSING.includes(shown.code) ? { 'retry-after': retryAfterOf(shown) } : {}),
    },
    body: JSON.stringify(problemOf(shown)),
  }
}

/** In seconds, where the error knows. */
const retryAfterOf = ({ facts: { retryAfterSeconds } }: PolityError): string =>
  typeof retryAfterSeconds === 'number' ? String(retryAfterSeconds) : RETRY_SECONDS

/** What was thrown on the way of a request, as a coded error; Fastify's own errors by their codes. */
export function asRequestError(thrown: unknown): PolityError {
  const code = (thrown as { code?: unknown } | undefined)?.code
  const known = typeof code === 'string' ? FASTIFY_ERRORS[code] : undefined
  return known ? new PolityError(known[0], known[1]) : asPolityError(thrown)
}

const FASTIFY_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['body.too-large', 'the body is larger than this route takes'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['body.media-type', 'the body must be application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'input.malformed',
    'the body has another length than Content-Length says',
  ],
  FST_ERR_BAD_URL: ['input.malformed', 'the path is not a valid URL path'],
  FST_ERR_MAX_PARAM_LENGTH: ['input.malformed', 'a part of the path is too long'],
}
