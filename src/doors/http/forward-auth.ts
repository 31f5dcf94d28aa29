// GET and POST /v1/forward-auth: reverse proxies ask whether a request may pass (Traefik, nginx auth_request, Caddy forward_auth).

import type { Caller } from '../../kernel/catalog/caller.ts'
import { actorOf } from '../../kernel/catalog/recorder.ts'
import { PolityError } from '../../kernel/errors.ts'
import { Closed, Type, validate } from '../../kernel/schema/schema.ts'
import { traceparentOf } from './actions.ts'
import type { Authenticate } from './authentication.ts'
import { fieldsOf } from './fields.ts'
import type { HttpAnswer, HttpRequest, Route, RouteDoc } from './route.ts'
import type { ServedHub } from './served-hub.ts'

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const READING: readonly string[] = ['GET', 'HEAD', 'OPTIONS']
/** A name, and the port behind it, which the client may make up: services behind a proxy go by the name. */
const HOST = /^([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::\d{1,5})?$/
const HOST_MAX_CHARS = 259
const PATH_MAX_CHARS = 180
const PARTS_MAX = 24

/** What the proxy's own configuration says, behind the question mark of the address that it asks. */
const Configured = Closed({
  risk: Type.Optional(
    Type.Union([Type.Literal('low'), Type.Literal('medium'), Type.Literal('high'), Type.Literal('critical')]),
  ),
  autonomous: Type.Optional(Type.Boolean()),
})

export const forwardAuthRoutes = (hub: ServedHub, authenticate: Authenticate): Route[] =>
  (['GET', 'POST'] as const).map((method) => ({
    method,
    path: '/v1/forward-auth',
    class: 'decision',
    // Who asks is the end user, whose credentials are looked at for the request that he made, and not for this one.
    access: 'open',
    takesBytes: true,
    docs: method === 'GET' ? [DOC] : [],
    handle: (request: HttpRequest) => pass(hub, authenticate, request),
  }))

/** Throws `denied`, also for what cannot be understood: then the proxy lets nothing through. */
async function pass(
  hub: Pick<ServedHub, 'ask'>,
  authenticate: Authenticate,
  request: HttpRequest,
): Promise<HttpAnswer> {
  const passing = passingOf(request)
  const { method, host, site, path } = passing
  requireOwnQuery(request)
  const configured = validate(Configured, fieldsOf(Configured.properties, request.search), 'the query')
  const isReading = READING.includes(method)
  const caller = await authenticate({ ...request.headers, host }, !isReading)
  const traceparent = traceparentOf(request)
  await hub.ask(
    caller,
    'outside.check',
    {
      operation: `http.${method.toLowerCase()}`,
      resourceType: 'http',
      resourceId: `${site}${path}`,
      risk: configured.risk ?? (isReading ? 'low' : 'medium'),
      ...(configured.autonomous === undefined ? {} : { autonomous: configured.autonomous }),
    },
    { signal: request.signal, ...(traceparent === undefined ? {} : { traced: { traceparent } }) },
  )
  return { status: 200, headers: headersOf(caller) }
}

/**
 * A proxy that changes the path alone sends the client's own query along, and who made the request would say how bad it
 * may get. Throws `denied`.
 */
function requireOwnQuery({ search, headers }: HttpRequest): void {
  const [, ...query] = one(headers, 'x-forwarded-uri').split('?')
  if (search.size > 0 && `${search}` === `${new URLSearchParams(query.join('?'))}`)
    throw unclear("the query is that of the client's request: end the address that the proxy asks with a ?")
}

/** For the service behind the proxy; the proxy overwrites what the client may have sent under these names. */
const headersOf = ({ chain }: Caller) => ({
  'cache-control': 'no-store',
  'polity-decision': 'allow',
  'polity-principal': actorOf(chain),
})

interface Passing {
  readonly method: string
  /** As the client sent it, in small letters. */
  readonly host: string
  /** The host as rules name it: without its port. */
  readonly site: string
  /** As the service behind will understand it: without escapes, and without the query. */
  readonly path: string
}

/** Throws `denied` for what comes from nobody whom the operator trusts, or can be read in two ways. */
function passingOf({ client, headers }: HttpRequest): Passing {
  if (!client.isPassedOn)
    throw new PolityError(
      'denied',
      'only a proxy that this hub trusts may ask here: name its address in http.trustedProxies',
    )
  const method = one(headers, 'x-forwarded-method')
  const host = one(headers, 'x-forwarded-host').toLowerCase()
  const uri = one(headers, 'x-forwarded-uri')
  if (!METHODS.includes(method)) throw unclear('X-Forwarded-Method is no method')
  const [, site] = host.length > HOST_MAX_CHARS ? [] : (HOST.exec(host) ?? [])
  // A name that ends in a dot is the same one to DNS and to most servers, and another one to rules.
  if (site === undefined) throw unclear('X-Forwarded-Host is no host')
  return { method, host, site, path: pathOf(uri) }
}

/** A proxy says each once: two fields of one name come as a list, with a space in it. */
function one(headers: HttpRequest['headers'], name: string): string {
  const value = headers[name]
  if (typeof value !== 'string' || value === '' || /\s/.test(value))
    throw unclear(`the proxy has to send ${name}, once`)
  return value
}

/**
 * Rules name paths, so what one path may be for this door and another for the service behind it is refused: dots,
 * doubled slashes, backslashes, parameters, escapes of separators and escapes of escapes.
 */
function pathOf(uri: string): string {
  const [path = ''] = uri.split('?')
  if (path.includes('#')) throw unclear('the path can be read in two ways')
  if (!path.startsWith('/')) throw unclear('X-Forwarded-Uri is no path')
  const parts = path.slice(1).split('/')
  // A slash at the end is of the same place.
  if (parts.at(-1) === '') parts.pop()
  const plain = parts.map(plainPart)
  const shown = plain.map((part) => `/${part}`).join('')
  if (shown.length > PATH_MAX_CHARS || plain.length > PARTS_MAX) throw unclear('the path is too long')
  return shown
}

function plainPart(part: string): string {
  let plain: string
  try {
    plain = decodeURIComponent(part)
  } catch {
    throw unclear('the path has an escape that stands for nothing')
  }
  if (plain === '' || plain === '.' || plain === '..' || /[/\\;%\p{Cc}]/u.test(plain))
    throw unclear('the path can be read in two ways')
  return plain
}

const unclear = (why: string) => new PolityError('denied', `${why}, so nothing is let through`)

const DOC: RouteDoc = {
  operationId: 'decisions.forward-auth',
  summary:
    'Whether a request to a service behind a reverse proxy may pass: the proxy sends its method, host and path, and the credentials of whoever made it.',
  tag: 'decisions',
  parameters: [
    ...['X-Forwarded-Method', 'X-Forwarded-Host', 'X-Forwarded-Uri'].map((name) => ({
      name,
      in: 'header' as const,
      description: 'as the client sent it; believed from http.trustedProxies only',
      isRequired: true,
      schema: Type.String(),
    })),
    ...Object.entries(Configured.properties).map(([name, schema]) => ({
      name,
      in: 'query' as const,
      description:
        name === 'risk' ? 'default: low for reading, medium for the rest' : 'whether nobody looks on',
      isRequired: false,
      schema,
    })),
  ],
  answers: {
    200: { description: 'It may pass.', headers: ['Polity-Decision', 'Polity-Principal'] },
  },
  errors: ['denied', 'gate.unavailable', 'auth.missing', 'auth.invalid', 'auth.expired'],
}
