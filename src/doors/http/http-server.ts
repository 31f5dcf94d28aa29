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
  /** From the end of its head to the end of its body, where the route does not bound it in another way. */
  readonly bodyMs: number
  readonly keepAliveMs: number
  /** How often the first is looked at. */
  readonly checkMs: number
  /** How long a closing door waits for answers that are under way. */
  readonly drainMs: number
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  headMs: 10_000,
  bodyMs: 60_000,
  keepAliveMs: 72_000,
  checkMs: 2000,
  drainMs: 5000,
}

const HEAD_SIZE_MAX_BYTES = 16_384
const CONNECTIONS_MAX = 4096
/** What a client may take to read why it was refused, before its connection is cut. */
const LAST_WORDS_MS = 2000

export interface HttpServer {
  create(listener: RequestListener): Server
  /** Answers bytes that are no request, after what is still being answered on the same connection. */
  refuse(error: Error & { code?: string }, socket: Socket): void
  /** Takes the bound off the body of a request, for a route that has its own. What is answered puts it on again. */
  unbindBody(request: IncomingMessage): () => void
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
  const refuse = (error: Error & { code?: string }, socket: Socket) => {
    const exchange = exchanges.get(socket)
    const refuseNow = () => {
      if (socket.writable && error.code !== 'ECONNRESET') endWith(socket, refusal(error.code))
      else socket.destroy()
    }
    // A request whose own body is broken gets the refusal as its answer, unless that has begun.
    if (exchange === undefined) refuseNow()
    else if (!exchange.request.complete && exchange.response.headersSent) socket.destroy()
    else if (!exchange.request.complete || exchange.response.writableFinished) refuseNow()
    else exchange.response.once('close', refuseNow)
  }
  const bodies = openBodyBounds(limits.bodyMs, (socket) => refuse(LATE, socket))
  return {
    create(listener) {
      const server = createServer(
        {
          headersTimeout: limits.headMs,
          // It knows no routes, and would end an upload that moves: bodies are bounded below.
          requestTimeout: 0,
          keepAliveTimeout: limits.keepAliveMs,
          connectionsCheckingInterval: limits.checkMs,
          maxHeaderSize: HEAD_SIZE_MAX_BYTES,
          noDelay: true,
          shouldUpgradeCallback: (request: IncomingMessage) => upgrades()?.isWanted(request) ?? false,
        },
        (request, response) => {
          exchanges.set(request.socket, { request, response })
          bodies.bind(request)
          listener(request, response)
        },
      )
      server.maxConnections = CONNECTIONS_MAX
      server.on('upgrade', (request, socket, head) => upgrades()?.handle(request, socket, head))
      // RFC 9110 section 10.1.1. Node's own answer would keep the connection, for a body that nobody bounds.
      server.on('checkExpectation', (_, response) => response.writeHead(417, { connection: 'close' }).end())
      return server
    },
    refuse,
    unbindBody: bodies.unbind,
  }
}

/** One timer for each body, from the head of its request on. */
function openBodyBounds(bodyMs: number, onLate: (socket: Socket) => void) {
  const timers = new WeakMap<IncomingMessage, NodeJS.Timeout>()
  const bind = (request: IncomingMessage) => {
    if (request.complete || request.destroyed || !hasBody(request)) return
    const timer = setTimeout(() => {
      if (!request.complete) onLate(request.socket)
    }, bodyMs).unref()
    timers.set(request, timer)
    request.once('close', () => clearTimeout(timer))
  }
  return {
    bind,
    unbind(request: IncomingMessage): () => void {
      clearTimeout(timers.get(request))
      return () => bind(request)
    },
  }
}

/** RFC 9112 section 6.3. */
const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined

/** The last bytes of a connection; a client that does not close it then has it closed. */
export function endWith(socket: Duplex, bytes: string | Buffer): void {
  const timer = setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref()
  socket.once('close', () => clearTimeout(timer))
  socket.end(bytes)
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
const LATE = Object.assign(new Error('the body did not arrive in time'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
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
