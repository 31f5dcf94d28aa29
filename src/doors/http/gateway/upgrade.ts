// WebSockets through the gateway (RFC 6455): the handshake is decided like a request, then bytes go both ways as they are.

import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { PolityError } from '../../../kernel/errors.ts'
import type { Instance, ServiceGateway } from '../../../modules/components/gateway/service-gateway.ts'
import { endWith } from '../http-server.ts'
import { problemAnswer } from '../problems.ts'
import { answerFields, answerStatus, requestFields, type Sender } from './headers.ts'
import { type Answered, answerOf, type Connections, Unanswered } from './outgoing.ts'
import { GATEWAY_PREFIX, type GatewayTarget, pathAt } from './target.ts'

/** Whether Node shall hand the connection over; every other Upgrade is an ordinary request that ignores it. */
export const isWebSocketRequest = ({ url = '', method, headers }: IncomingMessage): boolean =>
  method === 'GET' && url.startsWith(GATEWAY_PREFIX) && headers.upgrade?.trim().toLowerCase() === 'websocket'

export interface Handshake {
  readonly incoming: IncomingMessage
  readonly socket: Duplex
  /** What the client sent already. */
  readonly head: Buffer
  readonly target: GatewayTarget
  readonly sender: Sender
  readonly way: ServiceGateway
  readonly connections: Connections
  /** Aborts when the client has gone, or must not go on. */
  readonly signal: AbortSignal
  readonly answered: (instance: Instance, status: number) => void
}

/** Resolves when the WebSocket is over. Throws while nothing has been answered. */
export async function carryUpgrade(handshake: Handshake): Promise<void> {
  const { way, incoming, target } = handshake
  requireHandshake(incoming)
  const instances = await way.instances(target.service, 'ws')
  const tried = new Set<string>()
  for (;;) {
    const instance = way.choose(instances, tried)
    if (instance === undefined) throw new PolityError('internal', 'no instance is left, and none has failed')
    tried.add(instance.url)
    const leave = way.enter(instance)
    try {
      const answered = await way.through(instance, () => ask(handshake, instance), countsAgainst)
      return await carry(handshake, instance, answered)
    } catch (thrown) {
      // A handshake has no body, and only one that never arrived is sent to another instance.
      const isElsewhere = thrown instanceof Unanswered ? !thrown.hasConnected : isRefusal(thrown)
      if (!isElsewhere || way.choose(instances, tried) === undefined)
        throw thrown instanceof Unanswered ? thrown.error : thrown
    } finally {
      leave()
    }
  }
}

/** RFC 6455 section 4.2.1. */
function requireHandshake({ headers, httpVersion }: IncomingMessage): void {
  const isUpgrade = (headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .some((each) => each.trim() === 'upgrade')
  const key = headers['sec-websocket-key'] ?? ''
  if (
    httpVersion !== '1.1' ||
    !isUpgrade ||
    headers['sec-websocket-version'] !== '13' ||
    !/^[A-Za-z0-9+/]{22}==$/.test(key) ||
    headers['content-length'] !== undefined ||
    headers['transfer-encoding'] !== undefined
  )
    throw new PolityError(
      'gateway.refused',
      'this is not the handshake of a WebSocket (RFC 6455, version 13)',
    )
}

const countsAgainst = (error: unknown): boolean => error instanceof Unanswered && error.isOfComponent
const isRefusal = (thrown: unknown): boolean =>
  thrown instanceof PolityError && (thrown.code === 'target.open' || thrown.code === 'target.busy')

async function ask(handshake: Handshake, instance: Instance): Promise<Answered> {
  const { incoming, target, sender, way, connections, signal } = handshake
  const fields = requestFields(incoming.rawHeaders, instance, target, sender)
  fields.set('connection', ['Upgrade'])
  fields.set('upgrade', ['websocket'])
  const path = pathAt(target, instance.basePath)
  const address = await way.addressOf(instance)
  return answerOf(
    { instance, address, method: 'GET', path, fields, isRepeatable: false, limits: way.limits, connections },
    (outgoing) => outgoing.end(),
    signal,
  )
}

async function carry(
  handshake: Handshake,
  instance: Instance,
  { outgoing, answer, upgraded }: Answered,
): Promise<void> {
  const { socket, head, way, target, signal } = handshake
  const other = upgraded?.socket ?? answer
  const { status, fields } = checkedHead(answer, instance, target, other)
  handshake.answered(instance, status)
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = () => {
    socket.destroy()
    other.destroy()
    outgoing.destroy()
    resolve()
  }
  const silence = setTimeout(end, way.limits.idleMs)
  signal.addEventListener('abort', end, { once: true })
  for (const each of [socket, other]) {
    each.on('data', () => silence.refresh())
    each.on('error', end)
    each.once('close', end)
  }
  const isSwitched = upgraded !== undefined && status === 101
  socket.write(
    headOf(
      status,
      isSwitched
        ? [...fields, 'connection', 'Upgrade', 'upgrade', 'websocket']
        : [...fields, 'connection', 'close'],
    ),
  )
  if (isSwitched && upgraded !== undefined) {
    if (upgraded.head.length > 0) socket.write(upgraded.head)
    if (head.length > 0) upgraded.socket.write(head)
    socket.pipe(upgraded.socket)
  }
  other.pipe(socket)
  if (signal.aborted) end()
  try {
    await promise
  } finally {
    clearTimeout(silence)
    signal.removeEventListener('abort', end)
  }
}

/** Throws `gateway.unreachable`, and does not leave the connection behind. */
function checkedHead(
  { statusCode, rawHeaders }: IncomingMessage,
  instance: Instance,
  target: GatewayTarget,
  connection: Socket | IncomingMessage,
) {
  try {
    return {
      status: answerStatus(statusCode, instance),
      fields: answerFields(rawHeaders, instance, target),
    }
  } catch (error) {
    connection.destroy()
    throw error
  }
}

/** RFC 9112 section 4. Names and values come out of Node's parser, which lets no line end through. */
function headOf(status: number, fields: readonly string[]): string {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}`]
  for (let at = 0; at + 1 < fields.length; at += 2) lines.push(`${fields[at]}: ${fields[at + 1]}`)
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** The answer to a handshake that did not come to one. */
export function refuseUpgrade(socket: Duplex, error: PolityError, requestId: string): void {
  const { status, headers = {}, body } = problemAnswer(error, requestId)
  const bytes = Buffer.from(typeof body === 'string' ? body : '')
  const fields = { ...headers, connection: 'close', 'content-length': String(bytes.length) }
  endWith(socket, Buffer.concat([Buffer.from(headOf(status, Object.entries(fields).flat())), bytes]))
}
