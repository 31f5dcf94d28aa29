// The broker in memory does what every broker does.

import { memoryServer, openMemoryBroker } from '../../../src/kernel/broker/memory/memory-broker.ts'
import { systemEnv } from '../../../src/kernel/env.ts'
import { describeBroker } from './suite.ts'

describeBroker('memory', async () => {
  const server = memoryServer()
  return {
    open: () => openMemoryBroker(systemEnv(), server),
    place: 'stream',
    stream: 'stream',
    remove: async () => undefined,
  }
})
