// Redis Streams: XADD once per id, consumer groups, and no trimming. Lost is what Redis loses: `probe` says when.

import type { Env } from '../../env.ts'
import { PolityError } from '../../errors.ts'
import type { LoadAccess } from '../access.ts'
import { type Broker, type OutgoingMessage, REPEAT_WINDOW_MS, type SendOutcome } from '../broker.ts'
import { refusalOf, refused, requireBatch } from '../checking.ts'
import { openRedisLink, type RedisLink } from './connecting.ts'
import { probeRedis } from './probe.ts'
import { openRedisReceiver } from './receiver.ts'

const KEY_MAX_CHARS = 256
/**
 * One message, unless its id was seen within the window. Both keys are in one slot of a cluster. The mark is set first
 * and gone again if the message is refused, so that a repetition is not taken for known.
 */
const SEND_ONCE = `
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[1]) then return 0 end
local fields = {}
for i = 2, #ARGV do fields[i - 1] = ARGV[i] end
local added = redis.pcall('XADD', KEYS[1], '*', unpack(fields))
if type(added) == 'table' and added.err then
  redis.call('DEL', KEYS[2])
  return added
end
return 1
`

export function openRedisBroker(load: LoadAccess, env: Env): Broker {
  const link = openRedisLink(load)
  const receiving = new Set<RedisLink>()
  return {
    kind: 'redis',
    probe: (places) => probeRedis(link, places),
    async send(messages) {
      requireBatch(messages)
      // One connection keeps their order.
      return Promise.all(messages.map((message) => sendOne(link, message)))
    },
    async follow(options) {
      requireKey(options.stream)
      // A command that blocks holds up what comes after it on its connection.
      const blocking = openRedisLink(load)
      receiving.add(blocking)
      try {
        const receiver = await openRedisReceiver({ link, blocking, env, options })
        return {
          ...receiver,
          async close() {
            receiving.delete(blocking)
            await receiver.close()
          },
        }
      } catch (error) {
        receiving.delete(blocking)
        await blocking.close()
        throw error
      }
    },
    async close() {
      await Promise.all([link, ...receiving].map((each) => each.close()))
    },
  }
}

async function sendOne(link: RedisLink, message: OutgoingMessage): Promise<SendOutcome> {
  const wrong = refusalOf(message) ?? keyRefusal(message.place)
  if (wrong) return wrong
  const { id, place, headers, body } = message
  const fields = ['id', id, ...Object.entries(headers).flat(), 'data', Buffer.from(body)]
  try {
    const added = await link.call([
      ...['EVAL', SEND_ONCE, 2, place, markOf(place, id), REPEAT_WINDOW_MS],
      ...fields,
    ])
    return Number(added) === 1 ? 'stored' : 'known'
  } catch (error) {
    if (error instanceof PolityError && error.code === 'broker.refused') return error
    throw error
  }
}

/** With the stream as its hash tag (Redis Cluster, "Hash tags"), unless that brings one of its own. */
const markOf = (stream: string, id: string): string =>
  /\{[^}]+\}/.test(stream) ? `${stream}:sent:${id}` : `{${stream}}:sent:${id}`

function requireKey(stream: string): void {
  const wrong = keyRefusal(stream)
  if (wrong) throw wrong
}

const keyRefusal = (key: string): PolityError | undefined =>
  key === '' || key.length > KEY_MAX_CHARS || /[\p{Cc}{}]/u.test(key.replace(/^[^{}]*\{[^{}]+\}[^{}]*$/, ''))
    ? refused(
        `the key of a stream has 1 to ${KEY_MAX_CHARS} characters, no control characters and one {tag} at most`,
      )
    : undefined
