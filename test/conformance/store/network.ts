// A network between hub and server that fails as networks do: it cuts connections of which only one end hears, or swallows messages.

import { Buffer } from 'node:buffer'
import { createServer, connect as dial, type Socket } from 'node:net'
import { POSTGRES_URL } from './postgres-server.ts'

export interface Network {
  /** POSTGRES_URL, by way of the proxy. */
  readonly url: string
  /** The hub's ends are closed; the server goes on with what it was told. */
  cut(): void
  close(): Promise<void>
}

/** `isPassed`: which messages of the server arrive, by their type (PostgreSQL documentation, "Message Formats"). */
export async function openNetwork(isPassed: (type: string) => boolean = () => true): Promise<Network> {
  const server = new URL(POSTGRES_URL)
  const near = new Set<Socket>()
  const far = new Set<Socket>()
  const proxy = createServer((hub) => {
    const there = dial(Number(server.port || 5432), server.hostname)
    near.add(hub)
    far.add(there)
    for (const each of [hub, there]) each.on('error', () => undefined)
    there.on('close', () => hub.destroy())
    hub.on('data', (bytes) => there.write(bytes))
    hub.on('end', () => there.end())
    eachMessage(there, (type, message) => {
      if (isPassed(type) && !hub.destroyed) hub.write(message)
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const url = new URL(POSTGRES_URL)
  url.host = `127.0.0.1:${(proxy.address() as { port: number }).port}`
  return {
    url: url.href,
    cut() {
      for (const each of near) each.resetAndDestroy()
      near.clear()
    },
    close: () =>
      new Promise<void>((resolve) => {
        for (const each of [...near, ...far]) each.destroy()
        proxy.close(() => resolve())
      }),
  }
}

/** Type and length come first; the length counts itself, but not the type. */
function eachMessage(socket: Socket, take: (type: string, message: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
      const message = rest.subarray(0, 1 + rest.readUInt32BE(1))
      rest = rest.subarray(message.length)
      take(message.toString('latin1', 0, 1), message)
    }
  })
}
