// The Wake over PostgreSQL: LISTEN and NOTIFY on one connection, tested before it is trusted, with timeouts as the way back.

import { Buffer } from 'node:buffer'
import type { Client, Notification } from 'pg'
import { type Env, pause } from '../../env.ts'
import { asPolityError, PolityError } from '../../errors.ts'
import { postgresAddress } from '../../store/postgres/address.ts'
import { quote } from '../../store/postgres/schema.ts'
import { connect } from '../../store/postgres/session.ts'
import { openWaiters, type Waiters } from '../waiters.ts'
import { checkTopic, type Wake } from '../wake.ts'

export interface PostgresWakePorts {
  readonly url: string
  readonly realm: string
  readonly env: Env
  /** Pushing stopped, or never began: waits end by their timeouts. Called once until it works again. */
  readonly onFailure: (error: PolityError) => void
}

/** How long a notification may take to come back to the connection that sent it. */
const SELF_TEST_TIMEOUT_MS = 1_000
/** A connection that looks open may be dead. */
const SELF_TEST_INTERVAL_MS = 30_000
const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 5_000

/**
 * Resolves after the first self-test, whatever its outcome. All hubs of a realm share one channel; a topic is its
 * payload. Throws `usage`.
 */
export async function openPostgresWake(ports: PostgresWakePorts): Promise<Wake> {
  const { env } = ports
  const address = postgresAddress(ports.url, ports.realm)
  const waiters = openWaiters(env)
  const closing = new AbortController()
  const tested = Promise.withResolvers<void>()
  let line: Line | undefined
  let isFailing = false
  let retryMs = RETRY_MIN_MS

  /** One connection, for as long as it delivers. */
  const listen = async () => {
    const opened = openLine(await connect(address), address.schema, waiters, ports)
    try {
      await opened.listen()
      while (!closing.signal.aborted && (await opened.test())) {
        line = opened
        isFailing = false
        retryMs = RETRY_MIN_MS
        tested.resolve()
        await pause(env, SELF_TEST_INTERVAL_MS, AbortSignal.any([closing.signal, opened.ended]))
      }
      if (!closing.signal.aborted) throw opened.ended.aborted ? lost(address.place) : unpushed(address.place)
    } finally {
      line = undefined
      await opened.close()
      // What was notified in between is lost.
      waiters.wakeAll()
    }
  }
  const running = (async () => {
    while (!closing.signal.aborted) {
      try {
        await listen()
      } catch (error) {
        if (!isFailing) ports.onFailure(asPolityError(error, 'store.unreachable'))
        isFailing = true
      }
      tested.resolve()
      await pause(env, retryMs, closing.signal)
      retryMs = Math.min(2 * retryMs, RETRY_MAX_MS)
    }
  })()

  await tested.promise
  return {
    notify(topic) {
      checkTopic(topic)
      waiters.wake(topic)
      line?.send(topic)
    },
    wait: waiters.wait,
    isPushed: () => line !== undefined,
    async close() {
      closing.abort()
      waiters.close()
      await running
    },
  }
}

const unpushed = (place: string): PolityError =>
  new PolityError(
    'store.unreachable',
    `${place} does not push (LISTEN found nothing within ${SELF_TEST_TIMEOUT_MS} ms), so hubs ask in intervals: give the address of the server itself, not of a pooler in transaction mode`,
    { place },
  )

const lost = (place: string): PolityError =>
  new PolityError(
    'store.unreachable',
    `the connection that listens at ${place} was lost: hubs ask in intervals until it is back`,
    { place },
  )

/** A listening connection. */
interface Line {
  /** Aborted when the connection is gone. */
  readonly ended: AbortSignal
  listen(): Promise<void>
  /** Whether a notification comes back in time. */
  test(): Promise<boolean>
  /** Never waits: what is sent while something is under way goes together with it, each topic once. */
  send(topic: string): void
  close(): Promise<void>
}

/** No topic begins like this, so a test wakes nobody. */
const TEST_PREFIX = '?'

function openLine(client: Client, channel: string, waiters: Waiters, { env }: PostgresWakePorts): Line {
  const ending = new AbortController()
  const due = new Set<string>()
  let sending: Promise<void> | undefined
  let ownPid: number | undefined
  let expected = ''
  let heard = new AbortController()
  client.on('end', () => ending.abort())
  client.on('error', () => ending.abort())
  client.on('notification', ({ payload = '', processId }: Notification) => {
    if (payload === expected) heard.abort()
    // Who notified here has woken those who wait here already.
    else if (processId !== ownPid && !payload.startsWith(TEST_PREFIX)) waiters.wake(payload)
  })

  const flush = async () => {
    while (due.size > 0 && !ending.signal.aborted) {
      const topics = [...due]
      due.clear()
      await client.query('SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS topic', [channel, topics])
    }
  }
  const push = (): Promise<void> => {
    sending ??= flush()
      // Those who were not told ask by themselves after their timeouts.
      .catch(() => ending.abort())
      .finally(() => {
        sending = undefined
      })
    return sending
  }

  return {
    ended: ending.signal,
    async listen() {
      await client.query(`LISTEN ${quote(channel)}`)
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
      ownPid = rows[0]?.pid
    },
    async test() {
      if (ending.signal.aborted) return false
      heard = new AbortController()
      expected = `${TEST_PREFIX}${Buffer.from(env.random(12)).toString('hex')}`
      due.add(expected)
      await push()
      await pause(env, SELF_TEST_TIMEOUT_MS, AbortSignal.any([heard.signal, ending.signal]))
      return heard.signal.aborted
    },
    send(topic) {
      due.add(topic)
      push()
    },
    async close() {
      ending.abort()
      await client.end().catch(() => undefined)
    },
  }
}
