// A connection to Redis that never queues what it cannot send: what is asked of it while it is down fails at once.

import { Redis } from 'ioredis'
import { PolityError } from '../../errors.ts'
import type { BrokerAccess, LoadAccess } from '../access.ts'
import { refused, unreachable } from '../checking.ts'
import { denied, trustOf, untrusted } from '../trust.ts'

const CONNECT_MS = 5_000
/** An answer that is not there by then is not waited for; commands that block are given their own time beside it. */
const ANSWER_MS = 10_000
const RECONNECT_MIN_MS = 50
const RECONNECT_MAX_MS = 2_000

export interface RedisLink {
  /** Throws `broker.unreachable`, `broker.untrusted`, `broker.denied`, `broker.refused`. `blockMs`: how long the command itself may wait. */
  call(command: readonly (string | Buffer | number)[], blockMs?: number): Promise<unknown>
  close(): Promise<void>
}

export function openRedisLink(load: LoadAccess): RedisLink {
  let connecting: Promise<Redis> | undefined
  let client: Redis | undefined
  let isClosed = false
  const connected = async (): Promise<Redis> => {
    if (isClosed) throw unreachable('redis', 'it is closed')
    connecting ??= connect(load).then(
      (fresh) => {
        if (isClosed) fresh.disconnect()
        client = fresh
        // It is not let in any more: its credentials are read anew.
        fresh.once('end', () => {
          connecting = undefined
        })
        return fresh
      },
      (error: unknown) => {
        connecting = undefined
        throw error
      },
    )
    return connecting
  }
  return {
    async call([name = '', ...rest], blockMs = 0) {
      const redis = await connected()
      if (isClosed) throw unreachable('redis', 'it is closed')
      try {
        return await answered(redis, `${name}`, rest, blockMs)
      } catch (error) {
        throw asBrokerError(error)
      }
    },
    async close() {
      isClosed = true
      client?.disconnect()
      await connecting?.catch(() => undefined)
    },
  }
}

async function connect(load: LoadAccess): Promise<Redis> {
  const redis = new Redis(optionsOf(await load()))
  let reason: unknown
  // Every command says for itself what went wrong; why there is no connection is told here only.
  redis.on('error', (error: unknown) => {
    reason = error
    if (isDenial(error)) redis.disconnect()
  })
  try {
    await redis.connect()
    return redis
  } catch (error) {
    redis.disconnect()
    throw asBrokerError(reason ?? error)
  }
}

const optionsOf = (access: BrokerAccess) => ({
  host: access.host,
  port: access.port,
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  disableClientInfo: true,
  protocol: 2 as const,
  connectionName: 'polity',
  connectTimeout: CONNECT_MS,
  retryStrategy: (times: number) => Math.min(RECONNECT_MIN_MS * 2 ** Math.min(times, 10), RECONNECT_MAX_MS),
  ...(access.user === undefined ? {} : { username: access.user }),
  ...(access.password === undefined ? {} : { password: access.password }),
  ...(access.database === undefined ? {} : { db: access.database }),
  ...(access.isEncrypted ? { tls: trustOf(access) } : {}),
})

/** A connection that hangs is ended: behind an answer that is missing, no other can be told apart. */
async function answered(
  redis: Redis,
  name: string,
  rest: readonly (string | Buffer | number)[],
  blockMs: number,
): Promise<unknown> {
  const late = AbortSignal.timeout(blockMs + ANSWER_MS)
  const end = () => redis.disconnect(true)
  late.addEventListener('abort', end, { once: true })
  try {
    return await redis.callBuffer(name, ...rest)
  } finally {
    late.removeEventListener('abort', end)
  }
}

/** The library's errors carry the command that failed with all that was in it: passwords and events. */
const withoutCommand = (thrown: unknown): unknown =>
  thrown instanceof Error && 'command' in thrown ? new Error(thrown.message) : thrown

/** Since Redis 6, and what older ones say. */
const isDenial = (thrown: unknown): boolean =>
  thrown instanceof Error && /^(?:WRONGPASS |NOAUTH |ERR invalid password|ERR AUTH )/.test(thrown.message)

/** What Redis says (`WRONGTYPE ...`, `NOPERM ...`, `OOM ...`) is a refusal; all else, that nobody answers. */
function asBrokerError(raw: unknown): PolityError {
  if (raw instanceof PolityError) return raw
  const thrown = withoutCommand(raw)
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  const distrust = untrusted('redis', thrown)
  if (distrust) return distrust
  if (thrown instanceof Error && isDenial(thrown)) return denied('redis', thrown)
  const [, word = ''] = /^([A-Z]+)(?: |$)/.exec(message) ?? []
  const isPassing = ['LOADING', 'MASTERDOWN', 'READONLY', 'CLUSTERDOWN', 'TRYAGAIN'].includes(word)
  if (word !== '' && !isPassing) return refused(`Redis refuses: ${message}`, thrown)
  return unreachable('redis', thrown)
}
