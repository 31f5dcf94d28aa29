// A TCP proxy that a test can cut: a network that fails whenever it is told to.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface CuttingProxy {
  readonly port: number
  /** Ends every connection that stands, in the middle of whatever it carries. */
  cut(): void
  close(): Promise<void>
}

export async function openCuttingProxy(port: number, host = '127.0.0.1'): Promise<CuttingProxy> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
  }
  const server = createServer((inner) => {
    const outer = connect(port, host)
    for (const socket of [inner, outer]) keep(socket)
    inner.pipe(outer).pipe(inner)
    inner.on('close', () => outer.destroy())
    outer.on('close', () => inner.destroy())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    async close() {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
