// The service gateway: /svc/{id}/... for principals, decided by the gate, streamed to an instance of the component.

import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Caller } from '../../../kernel/catalog/decide.ts'
import { actorOf } from '../../../kernel/catalog/recorder.ts'
import { asPolityError, PolityError } from '../../../kernel/errors.ts'
import { gatewayRequest, services } from '../../../modules/components/contract.ts'
import { pathClassOf } from '../../../modules/components/gateway/path-class.ts'
import type { Instance, ServiceGateway } from '../../../modules/components/gateway/service-gateway.ts'
import type { Authenticate } from '../authentication.ts'
import type { Upgrades } from '../http-server.ts'
import type { RawRequest, RawRoute } from '../raw-route.ts'
import type { RequestLine } from '../request-log.ts'
import type { HttpRequest } from '../route.ts'
import type { ServedHub } from '../served-hub.ts'
import { carryOut } from './exchange.ts'
import type { Sender } from './headers.ts'
import { openLiveness } from './liveness.ts'
import { openConnections } from './outgoing.ts'
import { type GatewayTarget, gatewayTargetOf } from './target.ts'
import { carryUpgrade, isWebSocketRequest, refuseUpgrade } from './upgrade.ts'

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const READING: readonly string[] = ['GET', 'HEAD']
/** What rules know a handshake by: bytes go both ways after it, so it is no reading. */
const WEBSOCKET = 'WEBSOCKET'
const ROUTE = '/svc/*'

export interface GatewayPorts {
  readonly authenticate: Authenticate
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
  const connections = openConnections()
  const liveness = openLiveness()
  const places = openPlaces(way.limits.exchangesMax)
  const { permit } = hub
  const asker = { permit, authenticate: ports.authenticate }

  const handle = async (request: RawRequest): Promise<void> => {
    const { raw, id, caller } = request
    const asked = askedFor(raw, raw.method ?? '', caller)
    requireMethod(asked.method)
    requirePermitted(permit, asked)
    const leave = places.take()
    const life = lifeOf(request.response, ports.closing)
    const unwatch = liveness.watch(watchedOf(asker, raw, asked, () => life.end()))
    const { target, sender } = { target: asked.target, sender: senderOf(raw, caller, id) }
    const noted = openNote(way, asked)
    try {
      await carryOut({
        incoming: raw,
        target,
        sender,
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
    }
  }

  const upgrade = async (raw: IncomingMessage, socket: Duplex, head: Buffer): Promise<number> => {
    const id = randomUUID()
    let status = 0
    try {
      ports.checkHost(raw)
      const caller = await ports.authenticate(raw.headers, true)
      const asked = askedFor(raw, WEBSOCKET, caller)
      requirePermitted(permit, asked)
      const leave = places.take()
      const ended = new AbortController()
      const end = () => ended.abort()
      socket.once('close', end)
      ports.closing.addEventListener('abort', end, { once: true })
      if (ports.closing.aborted || socket.destroyed) end()
      const unwatch = liveness.watch(watchedOf(asker, raw, asked, end))
      const noted = openNote(way, asked)
      try {
        await carryUpgrade({
          incoming: raw,
          socket,
          head,
          target: asked.target,
          sender: senderOf(raw, caller, id),
          way,
          connections,
          signal: ended.signal,
          answered(instance, answered) {
            status = answered
            noted.answered(instance, answered)
          },
        })
      } catch (error) {
        noted.failed(asPolityError(error).status)
        throw error
      } finally {
        unwatch()
        ports.closing.removeEventListener('abort', end)
        leave()
      }
    } catch (thrown) {
      if (status !== 0) socket.destroy()
      else {
        const error = asPolityError(thrown)
        status = error.status
        refuseUpgrade(socket, error, id)
      }
    }
    return status
  }

  return {
    route: { path: ROUTE, class: 'gateway', handle },
    upgrades: {
      isWanted: isWebSocketRequest,
      handle(raw, socket, head) {
        const startedAt = performance.now()
        socket.on('error', () => socket.destroy())
        upgrade(raw, socket, head).then((status) =>
          ports.finished({
            method: 'GET',
            route: ROUTE,
            status,
            durationMs: performance.now() - startedAt,
            trace: '-',
          }),
        )
      },
    },
    metrics: () => way.metrics(),
    close() {
      liveness.close()
      connections.close()
    },
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
function requirePermitted(permit: ServedHub['permit'], { caller, method, target, pathClass }: Asked): void {
  const input = { component: target.service, method, path: pathClass }
  permit(caller, gatewayRequest.name, { input, risk: READING.includes(method) ? 'low' : 'medium' })
}

interface Asker {
  readonly permit: ServedHub['permit']
  readonly authenticate: Authenticate
}

/** The same credentials for the same thing are asked about once, however many streams they hold open. */
const watchedOf = (
  { permit, authenticate }: Asker,
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

const senderOf = ({ socket, headers }: IncomingMessage, { chain }: Caller, requestId: string): Sender => ({
  address: socket.remoteAddress?.replace(/^::ffff:/, '') ?? 'unknown',
  host: headers.host,
  principal: actorOf(chain),
  requestId,
})

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

function openPlaces(max: number) {
  let count = 0
  return {
    take(): () => void {
      if (count >= max)
        throw new PolityError('limit', `${max} requests are under way through the gateway: try again later`)
      count += 1
      return () => {
        count -= 1
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
