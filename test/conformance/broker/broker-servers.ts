// The brokers that tests may use: streams of their own there, removed when they are done.

import { randomBytes } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import { describe, it } from 'vitest'

export const NATS_PORT = 4222
export const REDIS_PORT = 6379
const HOST = '127.0.0.1'
const ANSWER_MS = 2000

/** Defines the tests where a server answers; says loudly where none does. */
export async function describeOnServer(name: string, port: number, define: () => void): Promise<void> {
  if (await answers(port)) {
    describe(name, define)
    return
  }
  console.warn(`SKIPPED: ${name}: nothing answers on ${HOST}:${port}. Start a server there.`)
  describe(name, () => it.skip('needs a server', () => undefined))
}

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connectTcp({ port, host: HOST, timeout: ANSWER_MS })
    const end = (isThere: boolean) => {
      socket.destroy()
      resolve(isThere)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
  })

export const randomName = (): string => `polity-test-${randomBytes(6).toString('hex')}`

/** A client that is none of the product's. */
export async function asRedisAdmin<T>(port: number, act: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis({ host: HOST, port, lazyConnect: true, retryStrategy: null })
  redis.on('error', () => undefined)
  await redis.connect()
  try {
    return await act(redis)
  } finally {
    redis.disconnect()
  }
}

export async function asNatsAdmin<T>(
  port: number,
  act: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<T>,
): Promise<T> {
  const connection = await connect({ servers: `${HOST}:${port}`, reconnect: false, timeout: ANSWER_MS })
  try {
    return await act(await jetstreamManager(connection))
  } finally {
    await connection.close()
  }
}
