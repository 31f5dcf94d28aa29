// The hub's own probe: whether this machine can still make a connection at all.

import { once } from 'node:events'
import { connect, createServer } from 'node:net'

const PROBE_TIMEOUT_MS = 2000

/** Connects to a port of its own. Never rejects. */
export async function canConnect(): Promise<boolean> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS)
  const server = createServer((socket) => socket.on('error', () => undefined).end())
  try {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening', { signal })
    const address = server.address()
    if (address === null || typeof address === 'string') return false
    const socket = connect(address.port, '127.0.0.1')
    socket.on('error', () => undefined)
    try {
      await once(socket, 'connect', { signal })
      return true
    } finally {
      socket.destroy()
    }
  } catch {
    return false
  } finally {
    server.close()
  }
}
