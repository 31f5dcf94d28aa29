// One consumer of a group: what was left behind first, then what is new.

import type { Env } from '../../env.ts'
import { pause } from '../../env.ts'
import { PolityError } from '../../errors.ts'
import type { ReceivedMessage, Receiver, ReceiverOptions } from '../broker.ts'
import { requireReceiveMax } from '../checking.ts'
import type { RedisLink } from './connecting.ts'

/** Nothing else wakes who blocks for news when something left behind is due. */
const BLOCK_MAX_MS = 500
const FIRST = '0-0'
const CONSUMER_PREFIX = 'polity-'
/** Times the wait for an acknowledgement (an hour for a minute): longer than any hub is silent that still works. */
const GONE_AFTER_WAITS = 60
/**
 * Consumers of hubs that were killed. One script, so that none is handed a message between the look and the removal;
 * one that lives after all is made again by its next read. Others may share the group: only names of ours.
 */
const FORGET_GONE = `
local count = 0
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local consumer = {}
  for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
  local isOurs = string.sub(consumer.name, 1, #ARGV[2]) == ARGV[2]
  if isOurs and consumer.pending == 0 and consumer.idle >= tonumber(ARGV[3]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    count = count + 1
  end
end
return count
`

interface Following {
  readonly link: RedisLink
  /** For commands that wait. */
  readonly blocking: RedisLink
  readonly env: Env
  readonly options: ReceiverOptions
}

interface Consumer extends Following {
  readonly name: string
  /** Where XAUTOCLAIM goes on looking. */
  cursor: string
}

/** Makes the group where it is missing. */
export async function openRedisReceiver(following: Following): Promise<Receiver> {
  const { link, blocking, env, options } = following
  const { stream, group } = options
  await makeGroup(link, options)
  await forgetGone(link, options)
  const consumer: Consumer = { ...following, name: `${CONSUMER_PREFIX}${env.id()}`, cursor: FIRST }
  return {
    async receive({ max, waitMs, signal }) {
      requireReceiveMax(max)
      const untilMs = env.monotonic() + waitMs
      for (;;) {
        const got = await withGroup(following, () =>
          takeOnce(consumer, max, untilMs - env.monotonic(), signal),
        )
        if (got.length > 0 || signal.aborted || env.monotonic() >= untilMs) return got
      }
    },
    async ack(tokens) {
      if (tokens.length > 0) await link.call(['XACK', stream, group, ...tokens])
    },
    async nack(token, delayMs) {
      // As if it had been idle for all but the delay: whoever looks for what was left behind finds it then.
      const idleMs = options.ackWaitMs - Math.max(0, Math.min(delayMs, options.ackWaitMs))
      await link.call([
        'XCLAIM',
        stream,
        group,
        consumer.name,
        0,
        token,
        'IDLE',
        Math.trunc(idleMs),
        'JUSTID',
      ])
    },
    backlog: () => backlogOf(link, options),
    async close() {
      await blocking.close()
      // What it still holds must be found by others, so a consumer that holds something stays.
      const own = ownPending(
        await link.call(['XPENDING', stream, group]).catch(() => undefined),
        consumer.name,
      )
      if (own === 0)
        await link.call(['XGROUP', 'DELCONSUMER', stream, group, consumer.name]).catch(() => undefined)
    },
  }
}

async function makeGroup(link: RedisLink, { stream, group, from }: ReceiverOptions): Promise<void> {
  try {
    await link.call(['XGROUP', 'CREATE', stream, group, from === 'start' ? '0' : '$', 'MKSTREAM'])
  } catch (error) {
    if (!isRefusal(error, 'BUSYGROUP')) throw error
  }
}

/** Clearing up: where it is refused (a user without scripts), names stay, and nothing else is different. */
async function forgetGone(link: RedisLink, { stream, group, ackWaitMs }: ReceiverOptions): Promise<void> {
  try {
    await link.call(['EVAL', FORGET_GONE, 1, stream, group, CONSUMER_PREFIX, GONE_AFTER_WAITS * ackWaitMs])
  } catch (error) {
    if (!(error instanceof PolityError) || error.code !== 'broker.refused') throw error
  }
}

/** A stream that somebody deleted took its groups along: all that is in it now is new. */
async function withGroup<T>({ link, options }: Following, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!isRefusal(error, 'NOGROUP')) throw error
    await makeGroup(link, { ...options, from: 'start' })
    return act()
  }
}

const isRefusal = (error: unknown, word: string): boolean =>
  error instanceof PolityError && error.code === 'broker.refused' && error.message.includes(word)

async function takeOnce(
  consumer: Consumer,
  max: number,
  leftMs: number,
  signal: AbortSignal,
): Promise<readonly ReceivedMessage[]> {
  const claimed = await claim(consumer, max)
  const room = max - claimed.length
  if (room === 0 || signal.aborted) return claimed
  const blockMs = claimed.length > 0 ? 0 : Math.trunc(Math.min(Math.max(leftMs, 0), BLOCK_MAX_MS))
  return [...claimed, ...(await readFresh(consumer, room, blockMs, signal))]
}

/** What nobody has settled within the time for it. */
async function claim(consumer: Consumer, max: number): Promise<readonly ReceivedMessage[]> {
  const { link, options, name } = consumer
  const { stream, group, ackWaitMs } = options
  const answer = await link.call([
    ...['XAUTOCLAIM', stream, group, name, ackWaitMs, consumer.cursor, 'COUNT', max],
  ])
  const [cursor, entries] = listOf(answer)
  consumer.cursor = textOf(cursor) || FIRST
  const messages = listOf(entries).flatMap((entry) => messageOf(entry, options.stream))
  return Promise.all(
    messages.map(async (message) => {
      const [one] = listOf(await link.call(['XPENDING', stream, group, message.token, message.token, 1]))
      return { ...message, deliveries: Number(textOf(listOf(one)[3])) || 2 }
    }),
  )
}

async function readFresh(
  { blocking, options, env, name }: Consumer,
  max: number,
  blockMs: number,
  signal: AbortSignal,
): Promise<readonly ReceivedMessage[]> {
  const { stream, group } = options
  const reading = blocking.call(
    [
      ...['XREADGROUP', 'GROUP', group, name, 'COUNT', max],
      // 0 would be for ever.
      ...(blockMs > 0 ? ['BLOCK', blockMs] : []),
      ...['STREAMS', stream, '>'],
    ],
    blockMs,
  )
  const read = reading.then((answer) => {
    const [[, entries] = []] = listOf(answer).map(listOf)
    return listOf(entries).flatMap((entry) => messageOf(entry, stream))
  })
  if (blockMs === 0) return read
  // Whoever stops waiting leaves what comes after all to be claimed.
  const done = new AbortController()
  const stopped = pause(env, blockMs * 4 + 20_000, AbortSignal.any([signal, done.signal])).then(() => [])
  try {
    return await Promise.race([read, stopped])
  } finally {
    done.abort()
    read.catch(() => undefined)
  }
}

/** Fields that are not ours are headers; without `data`, the body is all of them as JSON. */
function messageOf(entry: unknown, stream: string): (ReceivedMessage & { readonly token: string })[] {
  const [position, fields] = listOf(entry)
  const token = textOf(position)
  if (token === '' || !Array.isArray(fields)) return []
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  let id: string | undefined
  let body: Uint8Array | undefined
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const name = textOf(fields[at])
    const value: unknown = fields[at + 1]
    if (name === 'data' && Buffer.isBuffer(value)) body = value
    else if (name === 'id') id = textOf(value)
    else headers[name.toLowerCase()] = textOf(value)
  }
  return [
    {
      place: stream,
      position: token,
      token,
      deliveries: 1,
      headers: body === undefined ? { 'content-type': 'application/json' } : { ...headers },
      body: body ?? Buffer.from(JSON.stringify(headers)),
      ...(id === undefined ? {} : { id }),
    },
  ]
}

async function backlogOf(link: RedisLink, { stream, group }: ReceiverOptions) {
  const groups = listOf(await link.call(['XINFO', 'GROUPS', stream])).map(recordOf)
  const mine = groups.find((one) => textOf(one.name) === group)
  const lag = mine === undefined || mine.lag == null ? undefined : Number(textOf(mine.lag))
  return { waiting: lag, underWay: Number(textOf(mine?.pending ?? 0)) }
}

function ownPending(summary: unknown, name: string): number | undefined {
  const consumers = listOf(summary)[3]
  if (summary === undefined) return undefined
  const own = listOf(consumers)
    .map(listOf)
    .find(([consumer]) => textOf(consumer) === name)
  return own === undefined ? 0 : Number(textOf(own[1]))
}

/** Answers come as lists of bytes, numbers and lists. */
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const textOf = (value: unknown): string =>
  Buffer.isBuffer(value) ? value.toString('utf8') : value == null ? '' : String(value)

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  const flat = listOf(value)
  return Object.fromEntries(
    Array.from({ length: Math.floor(flat.length / 2) }, (_, at) => [textOf(flat[2 * at]), flat[2 * at + 1]]),
  )
}
