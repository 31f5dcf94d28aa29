// NATS JetStream: publications with their acknowledgement, durable pull consumers, CloudEvents in binary mode.

import { headers as natsHeaders } from '@nats-io/transport-node'
import type { Env } from '../../env.ts'
import type { PolityError } from '../../errors.ts'
import type { LoadAccess } from '../access.ts'
import type { Broker, OutgoingMessage, SendOutcome } from '../broker.ts'
import { refusalOf, refused, requireBatch, tooLarge } from '../checking.ts'
import { ANSWER_MS, isRefusal, type Live, openNatsLink, refusalBy } from './connecting.ts'
import { natsNames } from './content-type.ts'
import { probeNats } from './probe.ts'
import { openNatsReceiver } from './receiver.ts'

const SUBJECT_MAX_CHARS = 256
const TOKEN = /^[^\s\p{Cc}.*>]+$/u
/** For headers, where the server counts them with the body. */
const HEADERS_ROOM_BYTES = 8 * 1024

export function openNatsBroker(load: LoadAccess, env: Env): Broker {
  const link = openNatsLink(load)
  return {
    kind: 'nats',
    probe: (places) => link.use((live) => probeNats(live, places)),
    send(messages) {
      return link.use(async (live) => {
        requireBatch(messages)
        // All are written before any is answered, in this order; a connection that ends cuts off the last ones only.
        return Promise.all(messages.map((message) => sendOne(live, message)))
      })
    },
    follow: (options) => openNatsReceiver(link, env, options),
    close: () => link.close(),
  }
}

async function sendOne({ connection, client }: Live, message: OutgoingMessage): Promise<SendOutcome> {
  const { id, place, headers, body } = message
  const wrong = refusalOf(message) ?? subjectRefusal(place)
  if (wrong) return wrong
  const maxBytes = (connection.info?.max_payload ?? Number.POSITIVE_INFINITY) - HEADERS_ROOM_BYTES
  if (body.length > maxBytes) return tooLarge(body.length, maxBytes)
  const sent = natsHeaders()
  for (const [name, value] of Object.entries(natsNames(headers))) sent.set(name, value)
  try {
    const { duplicate } = await client.publish(place, body, { msgID: id, headers: sent, timeout: ANSWER_MS })
    return duplicate ? 'known' : 'stored'
  } catch (error) {
    if (isNobody(error))
      return refused(
        `no stream of NATS takes the subject ${place}: make one, or send to another subject`,
        error,
      )
    if (isRefusal(error)) return refusalBy(error)
    throw error
  }
}

/** A server without a stream for the subject answers at once (503, "no responders"). */
const isNobody = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'NoRespondersError' || isNobody(error.cause))

const subjectRefusal = (subject: string): PolityError | undefined =>
  subject.length > SUBJECT_MAX_CHARS ||
  subject.startsWith('$') ||
  !subject.split('.').every((token) => TOKEN.test(token))
    ? refused(
        `a subject has up to ${SUBJECT_MAX_CHARS} characters: words without spaces, * and >, joined by dots`,
      )
    : undefined
