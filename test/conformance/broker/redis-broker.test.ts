// Redis Streams do what every broker does, through a network that fails.

import { openRedisBroker } from '../../../src/kernel/broker/redis/redis-broker.ts'
import { systemEnv } from '../../../src/kernel/env.ts'
import { asRedisAdmin, describeOnServer, REDIS_PORT, randomName } from './broker-servers.ts'
import { openCuttingProxy } from './cutting.ts'
import { describeBroker } from './suite.ts'

await describeOnServer('Redis', REDIS_PORT, () =>
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
  }),
)
