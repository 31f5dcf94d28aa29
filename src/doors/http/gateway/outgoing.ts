// One request to one instance, up to the head of its answer: connection, deadlines, and the client's body on its way.

import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { serverNameOf } from '../../../kernel/egress/server-name.ts'
import { PolityError } from '../../../kernel/errors.ts'
import type { GatewayLimits, Instance } from '../../../modules/components/gateway/service-gateway.ts'
import type { Turn } from './body.ts'
import { CLOSED } from './early-answer.ts'
import type { HeaderFields } from './headers.ts'

const IDLE_CONNECTIONS_MAX = 32
const IDLE_CONNECTION_MS = 15_000
const ANSWER_HEAD_MAX_BYTES = 32_768
/** Interim answers (RFC 9110 section 15.2) before the one that counts: they cost their component nothing. */
const INTERIM_MAX = 64
/** After a component has closed its side: what it answered before that has arrived by then, or never does. */
const EARLY_ANSWER_MS = 2000

export interface Connections {
  readonly http: HttpAgent
  readonly https: HttpsAgent
  close(): void
}

/** Connections that wait for a next request, of this door alone. */
export function openConnections(): Connections {
  const shared = {
    keepAlive: true,
    maxFreeSockets: IDLE_CONNECTIONS_MAX,
    timeout: IDLE_CONNECTION_MS,
  } as const
  const http = new HttpAgent(shared)
  const https = new HttpsAgent(shared)
  return {
    http,
    https,
    close() {
      http.destroy()
      https.destroy()
    },
  }
}

export interface Outgoing {
  readonly instance: Instance
  /** Checked; the connection goes there and not to the name again. */
  readonly address: string
  readonly method: string
  readonly path: string
  readonly fields: HeaderFields
  /** A connection that was used before may have ended unseen: only for what may be sent twice. */
  readonly isRepeatable: boolean
  readonly limits: Pick<GatewayLimits, 'connectMs' | 'headMs' | 'idleMs'>
  readonly connections: Connections
}

/** What was sent before it failed decides whether it may be tried elsewhere. */
export class Unanswered extends Error {
  readonly error: PolityError
  readonly hasConnected: boolean
  /** Tells something about the component: what a client does or leaves undone must not keep others from it. */
  readonly isOfComponent: boolean

  constructor(error: PolityError, hasConnected: boolean, isOfComponent: boolean) {
    super(error.message, { cause: error })
    this.error = error
    this.hasConnected = hasConnected
    this.isOfComponent = isOfComponent
  }
}

export interface Answered {
  readonly outgoing: ClientRequest
  readonly answer: IncomingMessage
  /** After a switch of protocols (RFC 9110 section 7.8): the connection, and what already came on it. */
  readonly upgraded?: { readonly socket: Socket; readonly head: Buffer }
}

/** What is told about a body on its way. */
export interface Progress {
  /** Whenever one of the two has moved. */
  readonly onTurn: (turn: Turn) => void
  /** The component takes no more of it; it may have answered. */
  readonly onCut: (error: Error) => void
}

/** `onConnected` begins to send the body, or ends the request. Throws `Unanswered`. */
export function answerOf(
  asked: Outgoing,
  onConnected: (outgoing: ClientRequest, progress: Progress) => void,
  signal: AbortSignal,
): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const { limits, instance } = asked
  let hasConnected = false
  let isOver = false
  const fail = (error: PolityError, isOfComponent = true) => {
    if (isOver) return
    settle()
    outgoing.destroy()
    reject(new Unanswered(error, hasConnected, isOfComponent))
  }
  const late = (sentence: string) => () =>
    fail(
      new PolityError('gateway.timeout', `${instance.component} ${sentence}`, {
        component: instance.component,
      }),
    )
  const outgoing = begin(asked)
  const connecting = setTimeout(late('takes no connection'), limits.connectMs)
  const waiting = openWaiting(limits, {
    component: late('did not answer in time'),
    client: () => fail(silent(limits.idleMs), false),
  })
  let early: NodeJS.Timeout | undefined
  const onCut = (error: Error) => {
    if (!isOver) early = setTimeout(() => fail(unreachable(instance, error), false), EARLY_ANSWER_MS)
  }
  const onAbort = () => fail(new PolityError('cancelled', 'the client has gone'), false)
  const settle = () => {
    isOver = true
    clearTimeout(connecting)
    clearTimeout(early)
    waiting.over()
    signal.removeEventListener('abort', onAbort)
  }
  const done = (answered: Answered) => {
    if (isOver) return answered.answer.destroy()
    settle()
    resolve(answered)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    // Who has enough of a body, or of waiting for it, may close: clients could make a component do that at will.
    const isEnough = hasConnected && !outgoing.writableEnded && CLOSED.includes(error.code ?? '')
    fail(unreachable(instance, error), !isEnough)
  })
  let interim = 0
  outgoing.on('information', () => {
    interim += 1
    if (interim > INTERIM_MAX) fail(unreachable(instance, new Error('interim answers without end')))
  })
  outgoing.once('response', (answer) => done({ outgoing, answer }))
  outgoing.once('upgrade', (answer, socket, head) =>
    done({ outgoing, answer, upgraded: { socket: socket as Socket, head } }),
  )
  outgoing.once('socket', (socket) => {
    const connected = () => {
      hasConnected = true
      clearTimeout(connecting)
      if (!isOver) onConnected(outgoing, { onTurn: waiting.on, onCut })
    }
    if (socket.connecting) socket.once(instance.isSecure ? 'secureConnect' : 'connect', connected)
    else connected()
  })
  return promise
}

/** For whoever has to move next; the component at first. */
function openWaiting(
  { headMs, idleMs }: Pick<GatewayLimits, 'headMs' | 'idleMs'>,
  onSilence: Readonly<Record<Turn, () => void>>,
) {
  let turn: Turn = 'component'
  let timer = setTimeout(onSilence.component, headMs)
  let isOver = false
  return {
    on(next: Turn): void {
      if (isOver) return
      if (next === turn) {
        timer.refresh()
        return
      }
      turn = next
      clearTimeout(timer)
      timer = setTimeout(onSilence[next], next === 'client' ? idleMs : headMs)
    },
    over(): void {
      isOver = true
      clearTimeout(timer)
    },
  }
}

const silent = (idleMs: number): PolityError =>
  new PolityError(
    'gateway.silent',
    `nothing of the body came for ${idleMs} ms: send the request again, without such a pause`,
  )

function begin({
  instance,
  address,
  method,
  path,
  fields,
  isRepeatable,
  connections,
}: Outgoing): ClientRequest {
  const { isSecure, port, host } = instance
  const pool = isSecure ? connections.https : connections.http
  const headers: Record<string, string | string[]> = Object.create(null)
  for (const [name, values] of fields) headers[name] = values.length === 1 ? (values[0] ?? '') : values
  try {
    return (isSecure ? httpsRequest : httpRequest)({
      host: address,
      port,
      ...serverNameOf(host),
      method,
      path,
      headers,
      setHost: false,
      maxHeaderSize: ANSWER_HEAD_MAX_BYTES,
      agent: isRepeatable ? pool : false,
    })
  } catch (error) {
    throw new PolityError(
      'gateway.refused',
      'the path or a header field holds what HTTP does not allow',
      {},
      error,
    )
  }
}

/** What Node says about the connection; nothing of it was written by the other side. */
const unreachable = ({ component }: Instance, error: Error & { code?: string }): PolityError =>
  new PolityError(
    'gateway.unreachable',
    `${component} cannot be reached, or its answer is no HTTP (${error.code ?? error.message})`,
    { component, cause: error.code ?? 'unknown' },
    error,
  )
