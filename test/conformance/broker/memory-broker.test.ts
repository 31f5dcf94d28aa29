// The broker in memory does what every broker does.

import { openMemoryBroker } from '../../../src/kernel/broker/memory/memory-broker.ts'
import { systemEnv } from '../../../src/kernel/env.ts'
import type { Broker } from '../../../src/kernel/broker/broker.ts'
import { describeBroker } from './suite.ts'

describeBroker('memory', async () => {
  const shared = openMemoryBroker(systemEnv())
  // Closing one connection leaves the broker to the others.
  const open = (): Broker => {
    let isClosed = false
    const through = shared
    return {
      ...through,
      send: (messages) => (isClosed ? closed().send(messages) : through.send(messages)),
      follow: async (options) => {
        const receiver = await (isClosed ? closed() : through).follow(options)
        return {
          ...receiver,
          receive: async (wanted) =>
            isClosed ? ((await closed().follow(options)).receive(wanted)) : receiver.receive(wanted),
        }
      },
      close: async () => {
        isClosed = true
      },
    }
  }
  return { open, place: 'stream', stream: 'stream', remove: () => shared.close() }
})

/** One that nobody can reach any more. */
function closed(): Broker {
  const broker = openMemoryBroker(systemEnv())
  void broker.close()
  return broker
}
