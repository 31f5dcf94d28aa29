// One request through the gateway: an instance, its answer streamed back, and a second instance where that is safe.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { PolityError } from '../../../kernel/errors.ts'
import type { Instance, ServiceGateway } from '../../../modules/components/gateway/service-gateway.ts'
import { passOn, turnOf } from './body.ts'
import { answerFields, answerStatus, bodyOf, isFramedPlainly, requestFields, type Sender } from './headers.ts'
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
  if (!isFramedPlainly(incoming))
    throw new PolityError(
      'gateway.refused',
      'send the body with Transfer-Encoding: chunked alone, in HTTP/1.1',
    )
  const { isThere, sizeBytes = 0 } = bodyOf(incoming.headers)
  if (sizeBytes > way.limits.bodySizeMaxBytes) throw tooLarge(way.limits.bodySizeMaxBytes)
  const body: Body = { isThere, isTaken: false, isCut: false, stop: () => undefined }
  try {
    await carryBody(exchange, body)
  } finally {
    body.stop()
  }
}

async function carryBody(exchange: Exchange, body: Body): Promise<void> {
  const { way, incoming } = exchange
  const tried = new Set<string>()
  const instances = await way.instances(exchange.target.service, 'http')
  for (let attempt = 1; ; ) {
    const instance = way.choose(instances, tried)
    if (instance === undefined) throw new PolityError('internal', 'no instance is left, and none has failed')
    tried.add(instance.url)
    const leave = way.enter(instance)
    try {
      const answered = await tryOne(exchange, instance, body)
      if (!(answered instanceof Refused)) return await passBack(exchange, instance, answered, body)
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

async function tryOne(exchange: Exchange, instance: Instance, body: Body): Promise<Answered | Refused> {
  const { way } = exchange
  const begin = () => {
    const asking = ask(exchange, instance, body)
    return body.isThere ? inTime(asking, way.limits.headMs) : asking
  }
  try {
    return await way.through(instance, begin, countsAgainst)
  } catch (thrown) {
    if (!(thrown instanceof StillSending)) return new Refused(thrown)
    return thrown.asking.catch((error: unknown) => {
      if (error instanceof Unanswered && countsAgainst(error)) way.broke(instance, error.error)
      return new Refused(error)
    })
  }
}

/** Says nothing about the instance yet. */
class StillSending extends Error {
  readonly asking: Promise<Answered>

  constructor(asking: Promise<Answered>) {
    super('the body takes its time')
    this.asking = asking
  }
}

/** A body may take hours, in which neither a place of the instance nor the probe of its breaker is kept for it. */
function inTime(asking: Promise<Answered>, withinMs: number): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const timer = setTimeout(() => reject(new StillSending(asking)), withinMs)
  asking.finally(() => clearTimeout(timer)).then(resolve, reject)
  return promise
}

interface Body {
  readonly isThere: boolean
  isTaken: boolean
  /** The instance takes no more of it; what still comes is thrown away. */
  isCut: boolean
  /** Nothing of it is sent any further. */
  stop: () => void
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
      (outgoing, { onTurn, onCut: cut }) => {
        if (!body.isThere) {
          outgoing.end()
          return
        }
        body.isTaken = true
        const sizeMaxBytes = way.limits.bodySizeMaxBytes
        const onTooMuch = () => tooMuch.abort()
        const onCut = (error: Error) => {
          body.isCut = true
          cut(error)
        }
        body.stop = passOn({ incoming, outgoing, sizeMaxBytes, onTurn, onCut, onTooMuch })
      },
      whole,
    )
  } catch (error) {
    if (tooMuch.signal.aborted) throw tooLarge(way.limits.bodySizeMaxBytes)
    throw error
  }
}

const tooLarge = (sizeMaxBytes: number): PolityError =>
  new PolityError('body.too-large', `a body through the gateway may have ${sizeMaxBytes} bytes`)

/** What says that the instance does not work; what it answers is for its checks to judge. */
const countsAgainst = (error: unknown): boolean => error instanceof Unanswered && error.isOfComponent

const NOT_ASKED: readonly string[] = [
  'target.open',
  'target.busy',
  'components.address',
  'gateway.unreachable',
]

const CLIENTS_OWN: readonly string[] = ['cancelled', 'gateway.silent']

function mayGoElsewhere(thrown: unknown, method: string, isBodyTaken: boolean): boolean {
  if (thrown instanceof Unanswered) {
    if (CLIENTS_OWN.includes(thrown.error.code)) return false
    return !thrown.hasConnected || (IDEMPOTENT.includes(method) && !isBodyTaken)
  }
  return thrown instanceof PolityError && NOT_ASKED.includes(thrown.code)
}

const shown = (thrown: unknown): unknown => (thrown instanceof Unanswered ? thrown.error : thrown)

/** Throws `gateway.unreachable`. */
function headOf(answer: IncomingMessage, instance: Instance, target: GatewayTarget) {
  try {
    const status = answerStatus(answer.statusCode, instance)
    if (!isFramedPlainly(answer))
      throw new PolityError(
        'gateway.unreachable',
        `the answer of ${instance.component} has a transfer coding that nobody asked for`,
        { component: instance.component },
      )
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
  body: Body,
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
  // Where the client owes more of its body and the component has read all of it, both wait for the client.
  const onSilence = () =>
    broken(!body.isCut && turnOf(outgoing) === 'client' ? undefined : new Error('silent'))
  const silence = setTimeout(onSilence, way.limits.idleMs)
  const touch = () => silence.refresh()
  // What is thrown away keeps nothing alive.
  const taken = () => {
    if (!body.isCut) touch()
  }
  const broken = (error: Error | undefined) => {
    if (response.writableFinished) return
    // A client that goes, or that does not read on until the component gives up, is not the component's fault.
    const isOfClient = signal.aborted || response.destroyed || response.writableNeedDrain
    if (error !== undefined && !isOfClient) way.broke(instance, error)
    outgoing.destroy()
    answer.destroy()
    response.destroy()
    resolve()
  }
  incoming.on('data', taken)
  answer.on('data', touch)
  // Who has enough of a body may close, and what it has answered may be lost by that.
  const cut = (error: Error) => broken(outgoing.writableEnded ? error : undefined)
  answer.once('error', cut)
  answer.once('close', () => {
    if (!answer.complete) cut(new Error('the answer broke off'))
  })
  outgoing.on('error', (error) => {
    if (!answer.complete) cut(error)
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
    incoming.off('data', taken)
    // A body that the instance did not wait for is not sent any further.
    if (!outgoing.writableFinished) outgoing.destroy()
  }
}
