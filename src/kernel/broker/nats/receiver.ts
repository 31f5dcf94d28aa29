// One of those who pull from a durable consumer: the group is the consumer, and the server remembers for it.

import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream'
import { createInbox, type Msg, nanos } from '@nats-io/transport-node'
import { type Env, pause } from '../../env.ts'
import { PolityError } from '../../errors.ts'
import type { ReceivedMessage, Receiver, ReceiverOptions } from '../broker.ts'
import { refused, requireReceiveMax, unreachable } from '../checking.ts'
import { ANSWER_MS, type Live, type NatsLink } from './connecting.ts'
import { plainNames } from './content-type.ts'

const NAME = /^[A-Za-z0-9_-]{1,128}$/
/** Handed over and not settled, over all receivers of a group. */
const ACK_PENDING_MAX = 1024
const API = '$JS.API'
const CONSUMER_NOT_FOUND = 10014
/** An answer to a request that has expired is on its way for no longer than this. */
const GRACE_MS = 2_000

/** Throws `broker.refused` for a stream that is not there: streams are made by whoever runs the broker. */
export async function openNatsReceiver(
  link: NatsLink,
  env: Env,
  options: ReceiverOptions,
): Promise<Receiver> {
  const { stream, group } = options
  for (const name of [stream, group])
    if (!NAME.test(name))
      throw refused(`${JSON.stringify(name.slice(0, 64))} is no name: letters, digits, - and _`)
  await link.use((live) => makeConsumer(live, options))
  let isClosed = false
  const use = <T>(act: (live: Live) => Promise<T>) => {
    if (isClosed) throw unreachable('nats', 'the receiver is closed')
    return link.use(act)
  }
  return {
    async receive({ max, waitMs, signal }) {
      requireReceiveMax(max)
      return use(async (live) => {
        const pulling = { live, env, options, signal }
        const ready = await pull(pulling, { batch: max, no_wait: true }, ANSWER_MS)
        if (ready.length > 0 || waitMs <= 0 || signal.aborted) return ready
        const first = await pull(pulling, { batch: 1, expires: nanos(waitMs) }, waitMs + GRACE_MS)
        if (first.length === 0 || max === 1) return first
        return [...first, ...(await pull(pulling, { batch: max - 1, no_wait: true }, ANSWER_MS))]
      })
    },
    ack: (tokens) => use((live) => settle(live, tokens, '+ACK')),
    async nack(token, delayMs) {
      const delayNs = nanos(Math.trunc(Math.max(0, Math.min(delayMs, options.ackWaitMs))))
      await use((live) => settle(live, [token], `-NAK ${JSON.stringify({ delay: delayNs })}`))
    },
    backlog: () =>
      use(async (live) => {
        const info = await (await live.manager()).consumers.info(stream, group)
        return { waiting: info.num_pending, underWay: info.num_ack_pending }
      }),
    async close() {
      isClosed = true
    },
  }
}

/** A consumer that is there already stays as it is: what it has handed over is known to it alone. */
async function makeConsumer({ manager }: Live, options: ReceiverOptions): Promise<void> {
  const { stream, group, subject, ackWaitMs, from } = options
  const { consumers } = await manager()
  try {
    await consumers.info(stream, group)
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== CONSUMER_NOT_FOUND) throw error
    await consumers.add(stream, {
      durable_name: group,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ackWaitMs),
      // What cannot be used is set aside by the receiver, never dropped by the server.
      max_deliver: -1,
      max_ack_pending: ACK_PENDING_MAX,
      deliver_policy: from === 'start' ? DeliverPolicy.All : DeliverPolicy.New,
      ...(subject === undefined ? {} : { filter_subject: subject }),
    })
  }
}

interface Pulling {
  readonly live: Live
  readonly env: Env
  readonly options: ReceiverOptions
  readonly signal: AbortSignal
}

/** One request for the next messages; the server says when there are no more. */
async function pull(
  { live, env, options, signal }: Pulling,
  request: { readonly batch: number; readonly no_wait?: true; readonly expires?: number },
  forMs: number,
): Promise<readonly ReceivedMessage[]> {
  const { stream, group } = options
  const { connection } = live
  const inbox = createInbox()
  const got: ReceivedMessage[] = []
  const done = new AbortController()
  let failure: PolityError | undefined
  const subscription = connection.subscribe(inbox, {
    callback(error, message) {
      const ended = error ? 'failed' : take(message, got)
      if (error) failure = unreachable('nats', error)
      else if (typeof ended === 'object') failure = ended
      if (ended !== undefined || got.length >= request.batch) done.abort()
    },
  })
  try {
    connection.publish(`${API}.CONSUMER.MSG.NEXT.${stream}.${group}`, JSON.stringify(request), {
      reply: inbox,
    })
    const closed = connection.closed().then(() => done.abort())
    closed.catch(() => undefined)
    await pause(env, forMs, AbortSignal.any([signal, done.signal]))
  } finally {
    subscription.unsubscribe()
  }
  if (failure && got.length === 0) throw failure
  return got
}

/** What of the answer ends it: a status, or why it is refused. */
function take(message: Msg, got: ReceivedMessage[]): 'ended' | PolityError | undefined {
  const { headers } = message
  const code = headers?.code ?? 0
  if (code === 0) {
    const received = messageOf(message)
    if (received) got.push(received)
    return undefined
  }
  // 404 no messages, 408 expired, 409 with many meanings, 503 nobody answers.
  if (code === 404 || code === 408) return 'ended'
  const description = headers?.description ?? ''
  if (code === 409 && !/deleted|push based/i.test(description)) return 'ended'
  return code === 503
    ? refused('NATS refuses: the stream or its consumer is gone')
    : refused(`NATS refuses: ${code} ${description}`)
}

/** NATS by example, "$JS.ACK.<stream>.<consumer>.<deliveries>.<stream seq>..."; servers may put domain and account in between. */
function messageOf({ subject, reply, headers, data }: Msg): ReceivedMessage | undefined {
  const tokens = reply?.split('.') ?? []
  const at = tokens.length >= 11 ? 4 : 2
  const [deliveries, sequence, storedAt] = [Number(tokens[at + 2]), tokens[at + 3], tokens[at + 5]]
  if (
    reply === undefined ||
    tokens[0] !== '$JS' ||
    storedAt === undefined ||
    !Number.isSafeInteger(deliveries)
  )
    return undefined
  const names = Object.create(null) as Record<string, string>
  for (const name of headers?.keys() ?? []) names[name.toLowerCase()] = headers?.get(name) ?? ''
  const { 'nats-msg-id': id, ...own } = names
  return {
    place: subject,
    // A stream that is made anew counts from 1 again; when a message was stored tells them apart.
    position: `${sequence}-${storedAt}`,
    deliveries,
    token: reply,
    headers: plainNames(own),
    // The buffer beneath belongs to the connection.
    body: data.slice(),
    ...(id === undefined ? {} : { id }),
  }
}

/** Asked for an answer, the server says when it knows. One connection keeps their order. */
async function settle({ connection }: Live, tokens: readonly string[], word: string): Promise<void> {
  for (const token of tokens)
    if (!token.startsWith('$JS.ACK.'))
      throw new PolityError('input.invalid', 'this is no token of a delivery')
  await Promise.all(tokens.map((token) => connection.request(token, word, { timeout: ANSWER_MS })))
}
