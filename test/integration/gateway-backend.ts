// Backends for the gateway: real servers that answer, hang, break off or talk nonsense, and the way to register them.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import type { HttpDoorOptions } from '../../src/doors/http/server.ts'
import { openHub } from '../../src/hub.ts'
import { componentsModule } from '../../src/modules/components/module.ts'
import type { ComponentsOptions } from '../../src/modules/components/settings.ts'

/** A hub with a gateway behind an open door. */
export async function openGatewayHub(options: ComponentsOptions = {}, door: Partial<HttpDoorOptions> = {}) {
  const hub = await openHub({ modules: [componentsModule(options)], publishIntervalMs: 1 })
  const served = await serve(hub, door)
  const register = async (id: string, url: string | readonly string[], more: object = {}) => {
    const urls = typeof url === 'string' ? [url] : url
    const endpoints = urls.map((each) => ({ protocol: each.startsWith('ws') ? 'ws' : 'http', url: each }))
    const { status, text: answer } = await served.owner('/v1/actions/components.register', {
      method: 'POST',
      body: { input: { id, version: '1.0.0', endpoints, ttlMs: 3600_000, ...more } },
    })
    if (status !== 200) throw new Error(answer)
  }
  return { ...served, hub, register }
}

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: string
}

/** Answers what it saw as JSON, unless the listener does something else. */
export async function backend(
  listener?: RequestListener,
): Promise<{ url: string; server: Server; seen: Seen[] }> {
  const seen: Seen[] = []
  const server = createServer(
    listener ??
      (async (request, response) => {
        const { method = '', url = '', headers, rawHeaders } = request
        // A body that breaks off was never one.
        const body = await text(request).catch(() => undefined)
        if (body === undefined) return
        const each = { method, url, headers, rawHeaders, body }
        seen.push(each)
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify(each))
      }),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, seen }
}

/** Takes connections and does with them what it likes. */
export async function tcpBackend(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A port where nobody listens. */
export async function deadUrl(): Promise<string> {
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}

/** Bytes to the door as they are; everything that came back until it closed. */
export async function raw(url: string, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const received = text(socket)
  socket.write(bytes)
  return received
}
