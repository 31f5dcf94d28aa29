// Carries requests from Fastify to the routes and their answers back: who may pass, what is refused, what is logged.

import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { Permit } from '../../kernel/catalog/ask.ts'
import type { Caller } from '../../kernel/catalog/caller.ts'
import { nearest } from '../../kernel/catalog/nearest.ts'
import { PolityError } from '../../kernel/errors.ts'
import { traceparentOf } from './actions.ts'
import { type Authenticate, isLoopback, requireOneHost } from './authentication.ts'
import type { ClientOf } from './client-address.ts'
import type { HttpServer } from './http-server.ts'
import { parseJsonBody } from './json-body.ts'
import type { Metrics } from './metrics.ts'
import { asRequestError, problemAnswer } from './problems.ts'
import type { RawRoute } from './raw-route.ts'
import type { RequestLog } from './request-log.ts'
import type { HttpAnswer, HttpRequest, PrincipalRequest, Route, RouteClass } from './route.ts'

const BODY_SIZE_MAX_BYTES = 1024 * 1024
/** A key has 256 characters, of up to four bytes, each percent-encoded. */
const PATH_PART_MAX_CHARS = 256 * 4 * 3

/** WHATWG Fetch, W3C CSP 3, COOP and CORP: nothing from elsewhere runs in the page, nobody else frames or reads it. */
const SECURITY_HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
} as const

export interface TransportPorts {
  readonly server: HttpServer
  readonly authenticate: Authenticate
  readonly clientOf: ClientOf
  /** Throws `denied`. */
  readonly permit: Permit
  readonly metrics: Metrics
  readonly log: RequestLog
  /** Throws for a request that was sent to another name. */
  readonly checkHost: (request: Pick<HttpRequest, 'headers'>) => void
  /** Aborts when the door closes. */
  readonly closing: AbortSignal
}

export function openTransport(
  ports: TransportPorts,
  routes: readonly Route[],
  rawRoutes: readonly RawRoute[] = [],
): FastifyInstance {
  const errorCodes = new WeakMap<FastifyRequest, string>()
  const classes = new Map<string, RouteClass>([
    ...routes.map((route) => [patternOf(route.path), route.class] as const),
    ...rawRoutes.map((route) => [route.path, route.class] as const),
  ])
  const rawPaths = new Set(rawRoutes.map(({ path }) => path))
  const app = fastify({
    serverFactory: (handler) => ports.server.create(handler),
    clientErrorHandler: (error, socket) => ports.server.refuse(error, socket),
    frameworkErrors: (error, request, reply) => fail(error, request, reply),
    routerOptions: { maxParamLength: PATH_PART_MAX_CHARS },
    bodyLimit: BODY_SIZE_MAX_BYTES,
    exposeHeadRoutes: false,
    genReqId: () => randomUUID(),
    logger: false,
  })
  const fail = (thrown: unknown, request: FastifyRequest, reply: FastifyReply) => {
    const hasGone = request.raw.destroyed && !request.raw.complete
    const error = hasGone ? new PolityError('cancelled', 'the client has gone') : asRequestError(thrown)
    errorCodes.set(request, error.code)
    if (error.code === 'internal') ports.log.failure(error, request.id)
    return send(request, reply, problemAnswer(error, request.id))
  }

  app.decorateRequest('caller', undefined)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (_: FastifyRequest, bytes: Buffer) => parseJsonBody(bytes),
  )
  app.addHook('onRequest', async (request) => {
    requireOneHost(request.raw)
    ports.checkHost(request)
    if (!rawPaths.has(request.routeOptions.url ?? '')) refuseEncoded(request)
  })
  app.addHook('onResponse', async (request, reply) => {
    const route = request.is404 ? 'unknown' : (request.routeOptions.url ?? 'unknown')
    const routeClass = classes.get(route) ?? 'unknown'
    const error = errorCodes.get(request)
    const { statusCode: status, elapsedTime: durationMs } = reply
    ports.metrics.request(routeClass, status, durationMs, error)
    const trace = traceparentOf(request)?.slice(3, 35) ?? request.id
    const line = {
      method: request.method,
      route,
      status,
      durationMs,
      trace,
      client: ports.clientOf(request.raw).address,
      ...(error === undefined ? {} : { error }),
    }
    ports.log.request(line, routeClass === 'health')
  })
  app.setErrorHandler(fail)
  app.setNotFoundHandler((request, reply) => answerUnknown(routes, request, reply))
  for (const route of routes.filter((each) => !each.takesBytes)) addRoute(app, route, ports)
  // Parsers belong to a context of Fastify, so routes that take bytes have one of their own.
  app.register(async (bytes) => {
    bytes.removeAllContentTypeParsers()
    bytes.addContentTypeParser('*', { parseAs: 'buffer' }, async (_: FastifyRequest, body: Buffer) => body)
    for (const route of routes.filter((each) => each.takesBytes)) addRoute(bytes, route, ports)
  })
  for (const route of rawRoutes) addRawRoute(app, route, ports)
  return app
}

/** Before anything is parsed: the body belongs to the route. */
function addRawRoute(app: FastifyInstance, route: RawRoute, { authenticate, server }: TransportPorts): void {
  app.all(route.path, {
    onRequest: async (request, reply) => {
      const isUnsafe = request.method !== 'GET' && request.method !== 'HEAD'
      const caller = await authenticate(request.headers, isUnsafe)
      const begin = () => {
        reply.hijack()
        return reply.raw
      }
      const { id, raw } = request
      const unbindBody = () => server.unbindBody(raw)
      await route.handle({ id, caller, raw, response: reply.raw, begin, unbindBody })
    },
    handler: () => {
      throw new PolityError('internal', `nothing was answered at ${route.path}`)
    },
  })
}

/** `/v1/state/{key}` -> `/v1/state/:key`; `{rest*}` -> `*`. */
const patternOf = (path: string): string =>
  path.replace(/\{[^}*]+\*\}$/, '*').replaceAll(/\{([^}]+)\}/g, ':$1')

function addRoute(app: FastifyInstance, route: Route, ports: TransportPorts): void {
  const { log } = ports
  app.route({
    method: route.method === 'GET' ? ['GET', 'HEAD'] : route.method,
    url: patternOf(route.path),
    ...(route.bodySizeMaxBytes === undefined ? {} : { bodyLimit: route.bodySizeMaxBytes }),
    // Before the body is read: strangers do not get to send one.
    onRequest: async (request) => {
      request.setDecorator('caller', await callerOf(route, request, ports))
    },
    handler: async (request, reply) => {
      const asked = requestOf(route, request, reply, ports)
      const answer =
        route.access === 'principal' ? await route.handle(withCaller(asked)) : await route.handle(asked)
      // Its headers are out, so the reader cannot be told.
      if (answer.body instanceof Readable) answer.body.on('error', (error) => log.failure(error, request.id))
      return send(request, reply, answer)
    },
  })
}

async function callerOf(
  route: Route,
  request: FastifyRequest,
  { authenticate, permit }: Pick<TransportPorts, 'authenticate' | 'permit'>,
): Promise<Caller | undefined> {
  switch (route.access) {
    case 'open':
      return undefined
    case 'loopback': {
      const caller = isFromHere(request) ? undefined : await authenticate(request.headers, false)
      if (route.permission !== undefined) await permit(caller ?? HUB, route.permission)
      return caller
    }
    case 'optional':
      return identified(request, authenticate)
    case 'principal': {
      const caller = await authenticate(request.headers, route.method !== 'GET')
      if (route.permission !== undefined) await permit(caller, route.permission)
      return caller
    }
  }
}

/** Whoever is on this machine and shows no token sees what the hub itself may see. */
const HUB: Caller = { chain: [{ kind: 'hub', id: 'polity', roles: [] }] }

const PASSED_ON_BY: readonly string[] = ['via', 'forwarded', 'x-forwarded-for', 'x-real-ip']

/** What a proxy on this machine passes on, our own gateway included, comes from elsewhere: also through a trusted one. */
const isFromHere = ({ socket, headers }: FastifyRequest): boolean =>
  isLoopback(socket.remoteAddress ?? '') && !PASSED_ON_BY.some((name) => headers[name] !== undefined)

/** Where anybody may come in, credentials that are missing or no longer valid are no obstacle. */
async function identified(request: FastifyRequest, authenticate: Authenticate): Promise<Caller | undefined> {
  try {
    return await authenticate(request.headers, false)
  } catch (error) {
    if (error instanceof PolityError && error.status === 401) return undefined
    throw error
  }
}

function requestOf(
  { path }: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  { clientOf, closing }: Pick<TransportPorts, 'clientOf' | 'closing'>,
): HttpRequest {
  const { '*': rest, ...named } = request.params as Record<string, string>
  const restName = /\{([^}*]+)\*\}$/.exec(path)?.[1]
  const queryAt = request.url.indexOf('?')
  return {
    id: request.id,
    caller: request.getDecorator<Caller | undefined>('caller'),
    headers: request.headers,
    client: clientOf(request.raw),
    params: restName === undefined ? named : { ...named, [restName]: rest ?? '' },
    search: new URLSearchParams(queryAt < 0 ? '' : request.url.slice(queryAt + 1)),
    body: request.body,
    signal: endOf(reply, closing),
  }
}

function withCaller(request: HttpRequest): PrincipalRequest {
  const { caller } = request
  if (caller === undefined)
    throw new PolityError('internal', 'a route for principals was reached without one')
  return { ...request, caller }
}

/** Aborts when the answer is over or cannot arrive any more, and when the door closes. */
function endOf({ raw }: FastifyReply, closing: AbortSignal): AbortSignal {
  const ended = new AbortController()
  const end = () => {
    closing.removeEventListener('abort', end)
    ended.abort()
  }
  closing.addEventListener('abort', end, { once: true })
  raw.once('close', end)
  if (closing.aborted || raw.closed) end()
  return ended.signal
}

function send(
  request: FastifyRequest,
  reply: FastifyReply,
  { status, headers = {}, body }: HttpAnswer,
): FastifyReply {
  reply.code(status).headers({ ...SECURITY_HEADERS, ...headers })
  if (!(body instanceof Readable))
    return reply.send(
      body instanceof Uint8Array ? Buffer.from(body.buffer, body.byteOffset, body.byteLength) : body,
    )
  if (request.method === 'HEAD') {
    body.destroy()
    return reply.send()
  }
  // A reader that takes nothing for this long has its place taken away; it can resume.
  request.raw.socket.setTimeout(STALLED_MAX_MS, () => request.raw.socket.destroy())
  return reply.send(body)
}

const STALLED_MAX_MS = 60_000

/** RFC 9110 section 8.4: encodings that this door does not undo. */
function refuseEncoded({ headers }: FastifyRequest): void {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new PolityError('body.media-type', 'send the body without Content-Encoding')
}

/** No such path: say which comes closest. Another method: say which there are (RFC 9110 sections 9.3.7, 15.5.6). */
function answerUnknown(routes: readonly Route[], request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const [path = ''] = request.url.split('?')
  // Strangers may ask this too: a path of slashes only is taken apart once, not once per route.
  const parts = path.split('/')
  const methods = new Set(
    routes
      .filter((route) => matches(route.path, parts))
      .flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])),
  )
  if (methods.size === 0) {
    const suggestions = nearestPaths(routes, path)
    const hint = suggestions.length > 0 ? `: did you mean ${suggestions.join(' or ')}?` : ''
    throw new PolityError('route.unknown', `there is no ${request.method} ${path.slice(0, 128)}${hint}`, {
      suggestions,
    })
  }
  const allow = [...methods, 'OPTIONS'].join(', ')
  if (request.method === 'OPTIONS') return send(request, reply, { status: 204, headers: { allow } })
  reply.header('allow', allow)
  throw new PolityError('method.not-allowed', `${request.method} is not possible here: ${allow}`, { allow })
}

function matches(pattern: string, given: readonly string[]): boolean {
  const parts = pattern.split('/')
  const isOpenEnded = pattern.endsWith('*}')
  if (isOpenEnded ? given.length < parts.length : given.length !== parts.length) return false
  return parts.every((part, at) => part.startsWith('{') || part === given[at])
}

const COMPARED_MAX_CHARS = 128

/** Parts that may be anything are taken as typed, so that only the fixed words are compared. */
function nearestPaths(routes: readonly Route[], path: string): string[] {
  if (path.length > COMPARED_MAX_CHARS) return []
  const given = path.split('/')
  const known = routes
    .map((route) => route.path.split('/'))
    .filter((parts) => parts.length === given.length)
    .map((parts) => parts.map((part, at) => (part.startsWith('{') ? (given[at] ?? '') : part)).join('/'))
  return nearest(path, [...new Set(known)])
}
