// NATS JetStream does what every broker does, through a network that fails.

import { openNatsBroker } from '../../../src/kernel/broker/nats/nats-broker.ts'
import { systemEnv } from '../../../src/kernel/env.ts'
import { asNatsAdmin, describeOnServer, NATS_PORT, randomName } from './broker-servers.ts'
import { openCuttingProxy } from './cutting.ts'
import { describeBroker } from './suite.ts'

await describeOnServer('NATS', NATS_PORT, () =>
  describeBroker('nats', async () => {
    const stream = randomName()
    await asNatsAdmin(NATS_PORT, (manager) =>
      manager.streams.add({ name: stream, subjects: [`${stream}.>`] }),
    )
    const proxy = await openCuttingProxy(NATS_PORT)
    const access = { host: '127.0.0.1', port: proxy.port, isEncrypted: false }
    return {
      open: () => openNatsBroker(async () => access, systemEnv()),
      place: `${stream}.event`,
      stream,
      cut: proxy.cut,
      async remove() {
        await proxy.close()
        await asNatsAdmin(NATS_PORT, (manager) => manager.streams.delete(stream))
      },
    }
  }),
)
