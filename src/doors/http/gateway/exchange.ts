// One request through the gateway: an instance, its answer streamed back, and a second instance where that is safe.

import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { PolityError } from '../../../kernel/errors.ts'
import type { Instance, ServiceGateway } from '../../../modules/components/gateway/service-gateway.ts'
import { answerFields, answerStatus, bodyOf, requestFields, type Sender } from './headers.ts'
import { type Answered, answerOf, type Connections, Unanswered } from './outgoing.ts'
import { type GatewayTarget, pathAt } from './target.ts'

/** RFC 9110 section 9.2.2. */
const IDEMPOTENT: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']
const ATTEMPTS_MAX = 2

export interface Exchange {
  readonly incoming: IncomingMessage
  readonly target: GatewayTarget
  readonly sender: Sender
  readonly way: ServiceGateway
  readonly connections: Connections
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal
  /** Takes the response over; from then on only this writes to it. */
  readonly begin: () => ServerResponse
  /** Called with the head of the answer, and where it came from. */
  readonly answered: (instance: Instance, status: number, headers: IncomingMessage['headers']) => void
}

/** Resolves when the answer is over, however it ended. Throws while the answer has not begun. */
export async function carryOut(exchange: Exchange): Promise<void> {
  const { way, incoming } = exchange
  const { isThere, sizeBytes = 0 } = bodyOf(incoming.headers)
  if (sizeBytes > way.limits.bodySizeMaxBytes) throw tooLarge(way.limits.bodySizeMaxBytes)
  const body = { isThere, isTaken: false }
  const tried = new Set<string>()
  const instances = await way.instances(exchange.target.service, 'http')
  for (let attempt = 1; ; ) {
    const instance = way.choose(instances, tried)
    if (instance === undefined) throw new PolityError('internal', 'no instance is left, and none has failed')
    tried.add(instance.url)
    const leave = way.enter(instance)
    try {
      const answered = await tryOne(exchange, instance, body)
      if (!(answered instanceof Refused)) return await passBack(exchange, instance, answered)
      const isLast = way.choose(instances, tried) === undefined
      if (isLast || !mayGoElsewhere(answered.thrown, incoming.method ?? '', body.isTaken))
        throw shown(answered.thrown)
      // Who was not asked at all has cost nothing.
      if (answered.thrown instanceof Unanswered && ++attempt > ATTEMPTS_MAX) throw shown(answered.thrown)
    } finally {
      leave()
    }
  }
}

/** Why there is no answer of this instance. */
class Refused {
  readonly thrown: unknown

  constructor(thrown: unknown) {
    this.thrown = thrown
  }
}

const tryOne = (exchange: Exchange, instance: Instance, body: Body): Promise<Answered | Refused> =>
  exchange.way
    .through(instance, () => ask(exchange, instance, body), countsAgainst)
    .catch((thrown: unknown) => new Refused(thrown))

interface Body {
  readonly isThere: boolean
  isTaken: boolean
}

async function ask(exchange: Exchange, instance: Instance, body: Body): Promise<Answered> {
  const { incoming, target, sender, way, connections, signal } = exchange
  const { method = 'GET' } = incoming
  const fields = requestFields(incoming.rawHeaders, instance, target, sender)
  if (body.isThere && !fields.has('content-length')) fields.set('transfer-encoding', ['chunked'])
  const path = pathAt(target, instance.basePath)
  const address = await way.addressOf(instance)
  const isRepeatable = !body.isThere && IDEMPOTENT.includes(method)
  const asked = { instance, address, method, path, fields, isRepeatable, limits: way.limits, connections }
  const tooMuch = new AbortController()
  const whole = AbortSignal.any([signal, tooMuch.signal])
  try {
    return await answerOf(
      asked,
      (outgoing) => {
        if (!body.isThere) {
          outgoing.end()
          return
        }
        body.isTaken = true
        passOn(incoming, outgoing, way.limits.bodySizeMaxBytes, () => tooMuch.abort())
      },
      whole,
    )
  } catch (error) {
    if (tooMuch.signal.aborted) throw tooLarge(way.limits.bodySizeMaxBytes)
    throw error
  }
}

/** At the pace of the instance, and never more than is allowed. */
function passOn(
  incoming: IncomingMessage,
  outgoing: ClientRequest,
  sizeMaxBytes: number,
  onTooMuch: () => void,
): void {
  let sizeBytes = 0
  incoming.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.length
    if (sizeBytes <= sizeMaxBytes) return
    onTooMuch()
    outgoing.destroy()
  })
  // Half a body must not look like a whole one.
  incoming.once('close', () => {
    if (!incoming.readableEnded) outgoing.destroy()
  })
  // Who streams may wait for an answer before the first byte.
  if (!outgoing.hasHeader('content-length')) outgoing.flushHeaders()
  incoming.pipe(outgoing)
}

const tooLarge = (sizeMaxBytes: number): PolityError =>
  new PolityError('body.too-large', `a body through the gateway may have ${sizeMaxBytes} bytes`)

/** What says that the instance does not work; what it answers is for its checks to judge. */
const countsAgainst = (error: unknown): boolean =>
  error instanceof Unanswered && error.error.code !== 'cancelled'

const NOT_ASKED: readonly string[] = [
  'target.open',
  'target.busy',
  'components.address',
  'gateway.unreachable',
]

function mayGoElsewhere(thrown: unknown, method: string, isBodyTaken: boolean): boolean {
  if (thrown instanceof Unanswered) {
    if (thrown.error.code === 'cancelled') return false
    return !thrown.hasConnected || (IDEMPOTENT.includes(method) && !isBodyTaken)
  }
  return thrown instanceof PolityError && NOT_ASKED.includes(thrown.code)
}

const shown = (thrown: unknown): unknown => (thrown instanceof Unanswered ? thrown.error : thrown)

/** Throws `gateway.unreachable`. */
function headOf(answer: IncomingMessage, instance: Instance, target: GatewayTarget) {
  try {
    const status = answerStatus(answer.statusCode, instance)
    const raw = answer.rawHeaders
    // RFC 9110 section 8.6: a length there would make somebody wait for a body, or take the next answer for it.
    const shown = status === 204 ? raw.filter((_, at) => !isLength(raw[at - (at % 2)])) : raw
    return { status, fields: answerFields(shown, instance, target) }
  } catch (error) {
    answer.destroy()
    throw error
  }
}

const isLength = (name: string | undefined): boolean => name?.toLowerCase() === 'content-length'

/** Streams the answer. What breaks now can only be shown by breaking off. */
async function passBack(
  exchange: Exchange,
  instance: Instance,
  { outgoing, answer, upgraded }: Answered,
): Promise<void> {
  const { incoming, target, way, begin, signal } = exchange
  if (upgraded !== undefined) {
    upgraded.socket.destroy()
    throw new PolityError(
      'gateway.unreachable',
      `${instance.component} switches to a protocol nobody asked for`,
    )
  }
  const { status, fields } = headOf(answer, instance, target)
  const response = begin()
  exchange.answered(instance, status, answer.headers)
  response.writeHead(status, fields)
  if (answer.headers['content-length'] === undefined) response.flushHeaders()
  const { promise, resolve } = Promise.withResolvers<void>()
  const silence = setTimeout(() => broken(new Error('silent')), way.limits.idleMs)
  const touch = () => silence.refresh()
  const broken = (error: Error | undefined) => {
    if (response.writableFinished) return
    // The client's own going is nobody's fault.
    if (error !== undefined && !signal.aborted && !response.destroyed) way.broke(instance, error)
    outgoing.destroy()
    answer.destroy()
    response.destroy()
    resolve()
  }
  incoming.on('data', touch)
  answer.on('data', touch)
  answer.once('error', broken)
  answer.once('close', () => {
    if (!answer.complete) broken(new Error('the answer broke off'))
  })
  outgoing.on('error', (error) => {
    if (!answer.complete) broken(error)
  })
  response.once('error', () => broken(undefined))
  response.once('close', () => {
    if (!answer.complete) broken(undefined)
    resolve()
  })
  answer.pipe(response)
  try {
    await promise
  } finally {
    clearTimeout(silence)
    incoming.off('data', touch)
    // A body that the instance did not wait for is not sent any further.
    if (!outgoing.writableFinished) outgoing.destroy()
  }
}
