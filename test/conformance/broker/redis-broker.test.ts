// Redis Streams do what every broker does, through a network that fails.

import type { Redis } from 'ioredis'
import { expect, it } from 'vitest'
import { openRedisBroker } from '../../../src/kernel/broker/redis/redis-broker.ts'
import { systemEnv } from '../../../src/kernel/env.ts'
import { asRedisAdmin, describeOnServer, REDIS_PORT, randomName } from './broker-servers.ts'
import { openCuttingProxy } from './cutting.ts'
import { describeBroker } from './suite.ts'

const consumersOf = async (redis: Redis, stream: string, group: string) =>
  ((await redis.xinfo('CONSUMERS', stream, group)) as (string | number)[][]).map(([, name, , , , idle]) => ({
    name,
    idle,
  }))

await describeOnServer('Redis', REDIS_PORT, () => {
  it('forgets consumers of hubs that were killed long ago, and no other', async () => {
    const stream = randomName()
    const group = 'hubs'
    const broker = openRedisBroker(
      async () => ({ host: '127.0.0.1', port: REDIS_PORT, isEncrypted: false }),
      systemEnv(),
    )
    await asRedisAdmin(REDIS_PORT, async (redis) => {
      try {
        await redis.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
        await redis.xadd(stream, '*', 'data', '1')
        for (const name of ['polity-gone', 'somebody'])
          await redis.xgroup('CREATECONSUMER', stream, group, name)
        await redis.xreadgroup('GROUP', group, 'polity-holding', 'STREAMS', stream, '>')
        // Sixty times the wait for an acknowledgement.
        const ackWaitMs = 30
        const consumers = async () => await consumersOf(redis, stream, group)
        await expect
          .poll(async () => (await consumers()).every(({ idle }) => Number(idle) > 60 * ackWaitMs))
          .toBe(true)
        await redis.xgroup('CREATECONSUMER', stream, group, 'polity-lately')
        await (await broker.follow({ stream, group, ackWaitMs, from: 'start' })).close()
        const left = (await consumers()).map(({ name }) => name)
        expect(left.sort()).toEqual(['polity-holding', 'polity-lately', 'somebody'])
      } finally {
        await redis.del(stream)
        await broker.close()
      }
    })
  })

  describeBroker('redis', async () => {
    const stream = randomName()
    const proxy = await openCuttingProxy(REDIS_PORT)
    const access = { host: '127.0.0.1', port: proxy.port, isEncrypted: false }
    return {
      open: () => openRedisBroker(async () => access, systemEnv()),
      place: stream,
      stream,
      cut: proxy.cut,
      async remove() {
        await proxy.close()
        await asRedisAdmin(REDIS_PORT, (redis) => redis.del(stream))
      },
    }
  })
})
