// The http door: REST, the log's public files, the live stream and the page, all derived from the hub's catalog.

import { setMaxListeners } from 'node:events'
import { PolityError } from '../../kernel/errors.ts'
import { actionRoutes } from './actions.ts'
import { hostInUrl, openAuthenticate, requireOwnHost } from './authentication.ts'
import { openClientOf } from './client-address.ts'
import { compatibilityRoutes } from './compatibility.ts'
import { decisionRoutes } from './decisions.ts'
import { openStreams } from './events.ts'
import { forwardAuthRoutes } from './forward-auth.ts'
import { gateMetrics } from './gate-metrics.ts'
import { openGateway } from './gateway/gateway.ts'
import { healthRoutes } from './health.ts'
import { hookMetrics, hookRoutes } from './hooks.ts'
import { CONNECTION_LIMITS, type ConnectionLimits, openHttpServer } from './http-server.ts'
import { logEntryRoutes } from './log-entries.ts'
import { logFileRoutes } from './log-files.ts'
import { logRetentionRoutes } from './log-retention.ts'
import { meshMetrics, meshRoutes } from './mesh.ts'
import { metricsRoute, openMetrics } from './metrics.ts'
import { openApiRoute } from './openapi.ts'
import { queryRoutes } from './queries.ts'
import { type LogLevel, openRequestLog } from './request-log.ts'
import { resourceRoutes } from './resources.ts'
import type { HttpRequest, Route } from './route.ts'
import { runRoutes } from './runs.ts'
import type { ServedHub } from './served-hub.ts'
import { sessionRoutes } from './session.ts'
import { pageRoutes } from './static.ts'
import { openTransport } from './transport.ts'
import { witnessRoutes } from './witness.ts'

export interface HttpDoorOptions {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Folder of the page's files; absent: no page. */
  readonly webDir?: string
  /** Entries and proofs for everybody; checkpoint, key and hashes always are. */
  readonly isLogPublic?: boolean
  /** Default `warn`: only what failed here. A function is asked for every line. */
  readonly logLevel?: LogLevel | (() => LogLevel)
  /** Takes one line of JSON with its line end; default: stderr. */
  readonly writeLog?: (line: string) => void
  readonly connectionLimits?: ConnectionLimits
  /** Networks and addresses of proxies whose X-Forwarded-* counts; default: none. */
  readonly trustedProxies?: readonly string[]
  /** Live streams at a time. */
  readonly streamsMax?: number
}

export interface HttpDoor {
  /** `http://127.0.0.1:7070` */
  readonly url: string
  /** What it serves, for whoever audits it: who may come in where. */
  readonly routes: readonly Pick<Route, 'method' | 'path' | 'access' | 'permission'>[]
  /** A single-use link that signs a browser in as the owner. */
  signInUrl(): string
  /** Ends the live streams, finishes what is being answered, and cuts what takes longer than 5 s. */
  close(): Promise<void>
}

/** Throws `port.taken` when it cannot listen there and `usage` when the page's folder cannot be read. */
export async function openHttpDoor(hub: ServedHub, options: HttpDoorOptions): Promise<HttpDoor> {
  const limits = options.connectionLimits ?? CONNECTION_LIMITS
  const closing = new AbortController()
  // Every request in flight listens.
  setMaxListeners(0, closing.signal)
  const authenticate = openAuthenticate(hub.identity)
  const clientOf = openClientOf(options.trustedProxies)
  const streams = openStreams(hub, authenticate, options.streamsMax)
  const log = openRequestLog(levelOf(options), options.writeLog)
  const metrics = openMetrics(hub, streams.count, () => [
    ...(gateway?.metrics() ?? []),
    ...meshMetrics(hub),
    ...hookMetrics(hub),
  ])
  let port = options.port
  const checkHost = ({ headers }: Pick<HttpRequest, 'headers'>) => requireOwnHost(headers, options.host, port)
  const gateway = openGateway(hub, {
    authenticate,
    clientOf,
    checkHost,
    finished(line) {
      metrics.request('gateway', line.status, line.durationMs, undefined)
      log.request(line, false)
    },
    closing: closing.signal,
  })
  const routes: Route[] = [
    ...(options.webDir === undefined ? [] : pageRoutes(options.webDir)),
    ...healthRoutes(hub, streams.count),
    metricsRoute(metrics, () => gateMetrics(hub.watched)),
    ...sessionRoutes(hub),
    ...actionRoutes(hub),
    ...queryRoutes(hub),
    ...resourceRoutes(hub),
    ...compatibilityRoutes(hub),
    ...runRoutes(hub),
    ...decisionRoutes(hub),
    ...forwardAuthRoutes(hub, authenticate),
    ...logEntryRoutes(hub),
    streams.route,
    ...meshRoutes(hub, authenticate),
    ...hookRoutes(hub),
    ...witnessRoutes(hub),
    ...logFileRoutes(hub, options.isLogPublic ?? false),
    ...logRetentionRoutes(hub, options.isLogPublic ?? false),
  ]
  const served = [...routes, openApiRoute(routes, hub.release)]
  const app = openTransport(
    {
      server: openHttpServer(limits, () => gateway?.upgrades),
      authenticate,
      clientOf,
      permit: hub.permit,
      metrics,
      log,
      checkHost,
      closing: closing.signal,
    },
    served,
    gateway === undefined ? [] : [gateway.route],
  )
  try {
    await app.listen({ host: options.host, port })
  } catch (error) {
    await app.close()
    gateway?.close()
    throw cannotListen(error as NodeJS.ErrnoException, options)
  }
  const address = app.server.address()
  if (typeof address === 'object' && address !== null) port = address.port
  const url = `http://${shownHost(options.host)}:${port}`
  return {
    url,
    routes: served.map(({ method, path, access, permission = '' }) => ({
      method,
      path,
      access,
      ...(permission === '' ? {} : { permission }),
    })),
    signInUrl: () => `${url}/#signin=${hub.identity.signInCode(hub.owner).code}`,
    async close() {
      closing.abort()
      const cut = setTimeout(() => app.server.closeAllConnections(), limits.drainMs)
      await app.close()
      clearTimeout(cut)
      gateway?.close()
    },
  }
}

const levelOf = ({ logLevel = 'warn' }: HttpDoorOptions): (() => LogLevel) =>
  typeof logLevel === 'function' ? logLevel : () => logLevel

/** Every address of the machine is reached by its own name here. */
const shownHost = (host: string): string =>
  host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : hostInUrl(host)

function cannotListen(
  { code, message }: NodeJS.ErrnoException,
  { host, port }: HttpDoorOptions,
): PolityError {
  const facts = { host, port, cause: code ?? message }
  switch (code) {
    case 'EADDRINUSE':
      return new PolityError(
        'port.taken',
        `port ${port} on ${host} is taken: stop what uses it, or pass --port with another one`,
        facts,
      )
    case 'EACCES':
      return new PolityError(
        'port.taken',
        `port ${port} may not be used by this user: pass --port with 1024 or more`,
        facts,
      )
    default:
      return new PolityError(
        'port.taken',
        `cannot listen at ${host} port ${port} (${code ?? message}): pass --host and --port of this machine`,
        facts,
      )
  }
}
