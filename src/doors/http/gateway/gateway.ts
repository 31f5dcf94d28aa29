// The service gateway: /svc/{id}/... for principals, decided by the gate, streamed to an instance of the component.

import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Caller } from '../../../kernel/catalog/caller.ts'
import { actorOf } from '../../../kernel/catalog/recorder.ts'
import { asPolityError, PolityError } from '../../../kernel/errors.ts'
import { gatewayRequest, services } from '../../../modules/components/contract.ts'
import { pathClassOf } from '../../../modules/components/gateway/path-class.ts'
import type {
  GatewayLimits,
  Instance,
  ServiceGateway,
} from '../../../modules/components/gateway/service-gateway.ts'
import { type Authenticate, requireOneHost } from '../authentication.ts'
import type { ClientOf } from '../client-address.ts'
import type { Upgrades } from '../http-server.ts'
import type { RawRequest, RawRoute } from '../raw-route.ts'
import type { RequestLine } from '../request-log.ts'
import type { HttpRequest } from '../route.ts'
import type { ServedHub } from '../served-hub.ts'
import { lingerAfterAnswer } from './early-answer.ts'
import { carryOut } from './exchange.ts'
import type { Sender } from './headers.ts'
import { type Liveness, openLiveness } from './liveness.ts'
import { type Connections, openConnections } from './outgoing.ts'
import { type GatewayTarget, gatewayTargetOf } from './target.ts'
import { carryUpgrade, isWebSocketRequest, refuseUpgrade } from './upgrade.ts'

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const READING: readonly string[] = ['GET', 'HEAD']
/** What rules know a handshake by: bytes go both ways after it, so it is no reading. */
const WEBSOCKET = 'WEBSOCKET'
const ROUTE = '/svc/*'

export interface GatewayPorts {
  readonly authenticate: Authenticate
  readonly clientOf: ClientOf
  /** Throws for a request that was sent to another name. */
  readonly checkHost: (request: Pick<HttpRequest, 'headers'>) => void
  /** An upgrade that is over: it passes by what counts requests. */
  readonly finished: (line: RequestLine) => void
  /** Aborts when the door closes. */
  readonly closing: AbortSignal
}

export interface Gateway {
  readonly route: RawRoute
  readonly upgrades: Upgrades
  readonly metrics: () => readonly string[]
  close(): void
}

/** undefined where the hub has no registry of components. */
export function openGateway(hub: ServedHub, ports: GatewayPorts): Gateway | undefined {
  const way = hub.face(services)
  if (way === undefined) return undefined
  const door: Door = {
    ...ports,
    permit: hub.permit,
    way,
    connections: openConnections(),
    liveness: openLiveness(),
    places: openPlaces(way.limits),
  }
  return {
    route: { path: ROUTE, class: 'gateway', handle: (request) => serveRequest(door, request) },
    upgrades: {
      isWanted: isWebSocketRequest,
      handle(raw, socket, head) {
        const startedAt = performance.now()
        socket.on('error', () => socket.destroy())
        serveUpgrade(door, raw, socket, head).then((status) =>
          ports.finished({
            method: 'GET',
            route: ROUTE,
            status,
            durationMs: performance.now() - startedAt,
            trace: '-',
            client: ports.clientOf(raw).address,
          }),
        )
      },
    },
    metrics: () => way.metrics(),
    close() {
      door.liveness.close()
      door.connections.close()
    },
  }
}

/** What every exchange works with. */
interface Door extends GatewayPorts {
  readonly permit: ServedHub['permit']
  readonly way: ServiceGateway
  readonly connections: Connections
  readonly liveness: Liveness
  readonly places: { take(caller: Caller): () => void }
}

/** Throws while the answer has not begun. */
async function serveRequest(door: Door, request: RawRequest): Promise<void> {
  const { raw, id, caller } = request
  const { way, connections } = door
  const asked = askedFor(raw, raw.method ?? '', caller)
  lingerAfterAnswer(raw)
  requireMethod(asked.method)
  await requirePermitted(door.permit, asked)
  const leave = door.places.take(caller)
  // Whoever is permitted may take as long as it moves; strangers have the bound of every door.
  const bindBody = request.unbindBody()
  const life = lifeOf(request.response, door.closing)
  const unwatch = door.liveness.watch(watchedOf(door, raw, asked, life.end))
  const noted = openNote(way, asked)
  try {
    await carryOut({
      incoming: raw,
      target: asked.target,
      sender: senderOf(door, raw, caller, id),
      way,
      connections,
      signal: life.signal,
      begin: request.begin,
      answered(instance, status, headers) {
        noted.answered(instance, status)
        // Nothing ends an event stream but its client, so a closing door does not wait for it.
        if (String(headers['content-type']).startsWith('text/event-stream')) life.endOnClosing()
      },
    })
  } catch (error) {
    noted.failed(asPolityError(error).status)
    throw error
  } finally {
    unwatch()
    life.over()
    leave()
    // What of a body nobody took must not hold up the next request of its connection.
    raw.resume()
    bindBody()
  }
}

/** Answers the status of the handshake, once the WebSocket is over. Never rejects. */
async function serveUpgrade(door: Door, raw: IncomingMessage, socket: Duplex, head: Buffer): Promise<number> {
  const id = randomUUID()
  let status = 0
  try {
    requireOneHost(raw)
    door.checkHost(raw)
    const asked = askedFor(raw, WEBSOCKET, await door.authenticate(raw.headers, true))
    await requirePermitted(door.permit, asked)
    await carryWebSocket(door, { raw, socket, head, id }, asked, (answered) => {
      status = answered
    })
  } catch (thrown) {
    if (status === 0) {
      const error = asPolityError(thrown)
      status = error.status
      refuseUpgrade(socket, error, id)
    } else socket.destroy()
  }
  return status
}

async function carryWebSocket(
  door: Door,
  {
    raw,
    socket,
    head,
    id,
  }: { readonly raw: IncomingMessage; readonly socket: Duplex; readonly head: Buffer; readonly id: string },
  asked: Asked,
  onAnswer: (status: number) => void,
): Promise<void> {
  const { way, connections, closing } = door
  const leave = door.places.take(asked.caller)
  const ended = new AbortController()
  const end = () => ended.abort()
  socket.once('close', end)
  closing.addEventListener('abort', end, { once: true })
  if (closing.aborted || socket.destroyed) end()
  const unwatch = door.liveness.watch(watchedOf(door, raw, asked, end))
  const noted = openNote(way, asked)
  try {
    await carryUpgrade({
      incoming: raw,
      socket,
      head,
      target: asked.target,
      sender: senderOf(door, raw, asked.caller, id),
      way,
      connections,
      signal: ended.signal,
      answered(instance, status) {
        onAnswer(status)
        noted.answered(instance, status)
      },
    })
  } catch (error) {
    noted.failed(asPolityError(error).status)
    throw error
  } finally {
    unwatch()
    closing.removeEventListener('abort', end)
    leave()
  }
}

interface Asked {
  readonly caller: Caller
  readonly method: string
  readonly target: GatewayTarget
  readonly pathClass: string
}

function askedFor(raw: IncomingMessage, method: string, caller: Caller): Asked {
  const target = gatewayTargetOf(raw.url ?? '')
  return { caller, method, target, pathClass: pathClassOf(target.path) }
}

function requireMethod(method: string): void {
  if (!METHODS.includes(method))
    throw new PolityError('method.not-allowed', `the gateway passes on ${METHODS.join(', ')}`, {
      allow: METHODS.join(', '),
    })
}

/** Throws `denied`; the denial is recorded, what is permitted is counted only. */
async function requirePermitted(
  permit: ServedHub['permit'],
  { caller, method, target, pathClass }: Asked,
): Promise<void> {
  const input = { component: target.service, method, path: pathClass }
  await permit(caller, gatewayRequest.name, { input, risk: READING.includes(method) ? 'low' : 'medium' })
}

/** The same credentials for the same thing are asked about once, however many streams they hold open. */
const watchedOf = (
  { permit, authenticate }: Door,
  { headers }: IncomingMessage,
  asked: Asked,
  end: () => void,
) => ({
  key: JSON.stringify([
    headers.authorization,
    headers.cookie,
    asked.target.service,
    asked.method,
    asked.pathClass,
  ]),
  check: async () =>
    requirePermitted(permit, {
      ...asked,
      caller: await authenticate(headers, !READING.includes(asked.method)),
    }),
  end,
})

const senderOf = (
  { clientOf }: Pick<Door, 'clientOf'>,
  raw: IncomingMessage,
  { chain }: Caller,
  requestId: string,
): Sender => {
  const { address, scheme } = clientOf(raw)
  return { address, scheme, host: raw.headers.host, principal: actorOf(chain), requestId }
}

/** How long an exchange may go on: until its client has gone, or somebody says so. */
function lifeOf(response: RawRequest['response'], closing: AbortSignal) {
  const ended = new AbortController()
  const end = () => {
    ended.abort()
    if (response.headersSent) response.destroy()
  }
  const onClose = () => ended.abort()
  response.once('close', onClose)
  if (response.closed) onClose()
  return {
    signal: ended.signal,
    end,
    endOnClosing() {
      closing.addEventListener('abort', end, { once: true })
      if (closing.aborted) end()
    },
    over() {
      closing.removeEventListener('abort', end)
      response.off('close', onClose)
    },
  }
}

/** Of the places of the gateway: however many streams one principal holds open, there is room for others. */
const OWN_SHARE_MAX = 0.75

function openPlaces(limits: Pick<GatewayLimits, 'exchangesMax'>) {
  const own = new Map<string, number>()
  let count = 0
  return {
    take({ chain }: Caller): () => void {
      const principal = actorOf(chain)
      const mine = own.get(principal) ?? 0
      const { exchangesMax: max } = limits
      const ownMax = Math.ceil(max * OWN_SHARE_MAX)
      if (count >= max || mine >= ownMax)
        throw new PolityError(
          'limit',
          `${Math.min(count, max)} requests are under way through the gateway, ${mine} of them yours: try again later`,
        )
      count += 1
      own.set(principal, mine + 1)
      return () => {
        count -= 1
        const left = (own.get(principal) ?? 1) - 1
        if (left > 0) own.set(principal, left)
        else own.delete(principal)
      }
    },
  }
}

/** One sample per request, for the component that answered; requests to what is not registered are not counted by name. */
function openNote(way: ServiceGateway, { method, pathClass, target }: Asked) {
  const startedAt = performance.now()
  const note = (component: string, status: number) =>
    way.note({
      component,
      method: method === WEBSOCKET ? 'GET' : method,
      path: pathClass,
      status,
      latencyMs: performance.now() - startedAt,
    })
  let isNoted = false
  return {
    answered({ component }: Instance, status: number) {
      isNoted = true
      note(component, status)
    },
    failed(status: number) {
      if (isNoted || status === 404 || status === 499) return
      note(target.service, status)
    },
  }
}
