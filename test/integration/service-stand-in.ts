// A service outside for tests: a real HTTP server that answers, goes offline, fails, hangs, or says nonsense.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'

/** `garbage`: 200 and no JSON. `refuses`: 422. `hangs`: no answer at all. `no-gzip`: 415 for compressed bodies. */
export type Mood = 'well' | 'fails' | 'hangs' | 'garbage' | 'refuses' | 'no-gzip'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
  /** What it was answered; absent where it was not. */
  readonly status?: number
}

export interface ServiceStandIn {
  readonly url: string
  /** Without probes. */
  readonly received: Received[]
  readonly probes: () => number
  readonly connections: () => number
  mood: Mood
  /** Requests under these keys are answered 500, whatever its mood. */
  readonly poisonKeys: string[]
  /** What it answers while it is well. */
  answer: unknown
  offline(): Promise<void>
  /** On the same port as before. */
  online(): Promise<void>
}

export async function openServiceStandIn(answer: unknown = {}): Promise<ServiceStandIn> {
  const received: Received[] = []
  let probes = 0
  let connections = 0
  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.endsWith('/health') === true) {
      probes += 1
      if (standIn.mood === 'hangs') return
      response.writeHead(standIn.mood === 'fails' ? 503 : 200).end('{"status":"healthy"}')
      return
    }
    const raw = await buffer(request)
    const isGzip = request.headers['content-encoding'] === 'gzip'
    const { method = '', url: path = '', headers } = request
    const told = { method, path, headers, body: JSON.parse((isGzip ? gunzipSync(raw) : raw).toString()) }
    const isPoison = standIn.poisonKeys.includes(`${headers['idempotency-key']}`)
    const status = isPoison ? 500 : statusOf(standIn.mood, isGzip)
    received.push(status === undefined ? told : { ...told, status })
    if (status === undefined) return
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(standIn.mood === 'garbage' ? '<html>\u0000</html>' : JSON.stringify(standIn.answer))
  }
  let server: Server | undefined
  const listen = async (port: number) => {
    server = createServer(
      (request, response) => void handle(request, response).catch(() => response.destroy()),
    )
    server.on('connection', () => {
      connections += 1
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const stop = async () => {
    const closing = server
    server = undefined
    closing?.closeAllConnections()
    if (closing !== undefined) await new Promise((done) => closing.close(done))
  }
  const port = await listen(0)
  onTestFinished(stop)
  const standIn: ServiceStandIn = {
    url: `http://127.0.0.1:${port}/v1`,
    received,
    probes: () => probes,
    connections: () => connections,
    mood: 'well',
    poisonKeys: [],
    answer,
    offline: stop,
    online: async () => void (await listen(port)),
  }
  return standIn
}

function statusOf(mood: Mood, isGzip: boolean): number | undefined {
  if (mood === 'hangs') return undefined
  if (mood === 'fails') return 500
  if (mood === 'refuses') return 422
  return mood === 'no-gzip' && isGzip ? 415 : 201
}
