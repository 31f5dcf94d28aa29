// The HTTP/1.1 server under the routes: its time and size limits, and answers to what is no request at all.

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { PolityError } from '../../kernel/errors.ts'
import { problemAnswer } from './problems.ts'

/** Time limits of connections. */
export interface ConnectionLimits {
  /** From the first byte of a request to the end of its head. */
  readonly headMs: number
  /** From the first byte of a request to the end of its body. */
  readonly requestMs: number
  readonly keepAliveMs: number
  /** How often the first two are looked at. */
  readonly checkMs: number
  /** How long a closing door waits for answers that are under way. */
  readonly drainMs: number
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  headMs: 10_000,
  requestMs: 60_000,
  keepAliveMs: 72_000,
  checkMs: 2000,
  drainMs: 5000,
}

const HEAD_SIZE_MAX_BYTES = 16_384
const CONNECTIONS_MAX = 4096

export interface HttpServer {
  create(listener: RequestListener): Server
  /** Answers bytes that are no request, after what is still being answered on the same connection. */
  refuse(error: Error & { code?: string }, socket: Socket): void
}

/** Requests that turn a connection into something else (RFC 9110 section 7.8). */
export interface Upgrades {
  /** What is not wanted is an ordinary request. */
  readonly isWanted: (request: IncomingMessage) => boolean
  /** The socket is its own from then on. */
  readonly handle: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
}

/** `upgrades`: absent, or answering nothing as long as nobody takes them. */
export function openHttpServer(
  limits: ConnectionLimits,
  upgrades: () => Upgrades | undefined = () => undefined,
): HttpServer {
  /** The newest exchange of each connection. */
  const exchanges = new WeakMap<
    Socket,
    { readonly request: IncomingMessage; readonly response: ServerResponse }
  >()
  return {
    create(listener) {
      const server = createServer(
        {
          headersTimeout: limits.headMs,
          requestTimeout: limits.requestMs,
          keepAliveTimeout: limits.keepAliveMs,
          connectionsCheckingInterval: limits.checkMs,
          maxHeaderSize: HEAD_SIZE_MAX_BYTES,
          noDelay: true,
          shouldUpgradeCallback: (request: IncomingMessage) => upgrades()?.isWanted(request) ?? false,
        },
        (request, response) => {
          exchanges.set(request.socket, { request, response })
          listener(request, response)
        },
      )
      server.maxConnections = CONNECTIONS_MAX
      server.on('upgrade', (request, socket, head) => upgrades()?.handle(request, socket, head))
      return server
    },
    refuse(error, socket) {
      const exchange = exchanges.get(socket)
      const refuseNow = () => {
        if (socket.writable && error.code !== 'ECONNRESET') socket.end(refusal(error.code))
        else socket.destroy()
      }
      // A request whose own body is broken gets the refusal as its answer, unless that has begun.
      if (exchange === undefined || exchange.response.writableFinished) refuseNow()
      else if (exchange.request.complete) exchange.response.once('close', refuseNow)
      else if (exchange.response.headersSent) socket.destroy()
      else refuseNow()
    },
  }
}

/** A whole HTTP response: there is no request to answer through. RFC 9112 section 2.2, RFC 6585 section 5. */
function refusal(code: string | undefined): string {
  const [reason, error] = CLIENT_ERRORS[code ?? ''] ?? MALFORMED
  const { headers = {}, body = '' } = problemAnswer(error, '')
  const status = Number(reason.slice(0, 3))
  const text = JSON.stringify({ ...(JSON.parse(String(body)) as object), status })
  const head = Object.entries({ ...headers, connection: 'close', 'content-length': Buffer.byteLength(text) })
  return [`HTTP/1.1 ${reason}`, ...head.map(([name, value]) => `${name}: ${value}`), '', text].join('\r\n')
}

type ClientError = readonly [statusLine: string, error: PolityError]

const MALFORMED: ClientError = [
  '400 Bad Request',
  new PolityError('input.malformed', 'this is not an HTTP/1.1 request'),
]
const CLIENT_ERRORS: Readonly<Record<string, ClientError>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    new PolityError('limit', `the head of a request may have ${HEAD_SIZE_MAX_BYTES} bytes`),
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    '408 Request Timeout',
    new PolityError('timeout', 'the request did not arrive in time'),
  ],
}
