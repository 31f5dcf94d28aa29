// A real reverse proxy for one test, on a port of its own, with nothing outside of a temporary folder; and what stands behind it.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import process from 'node:process'
import { text } from 'node:stream/consumers'
import { serve } from '../../src/doors/http/fixtures/served.ts'
import { openHub } from '../../src/hub.ts'

const START_MS = 30_000
const PORT_ATTEMPTS = 5

export interface RunningProxy {
  readonly url: string
  [Symbol.asyncDispose](): Promise<void>
}

export interface ProxyProgram {
  readonly file: string
  /** Writes what it needs into the folder; answers how it is called. */
  prepare(dir: string, port: number): { readonly args: readonly string[]; readonly env?: NodeJS.ProcessEnv }
}

/** Undefined where there is none. */
export const findProgram = (name: string, ...more: readonly string[]): string | undefined =>
  [...(process.env.PATH ?? '').split(delimiter), ...more]
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file))

/** Throws where the program refuses its configuration. */
export async function startProxy({ file, prepare }: ProxyProgram): Promise<RunningProxy> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const dir = mkdtempSync(join(tmpdir(), 'polity-proxy-'))
    const { args, env = process.env } = prepare(dir, port)
    const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    let told = ''
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      told += piece
    })
    const isUp = await answering(child, port)
    const stop = async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGTERM')
        await ended
      }
      rmSync(dir, { recursive: true, force: true })
    }
    if (isUp) return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: stop }
    await stop()
    // Somebody else was faster at that port.
    if (!/address already in use/i.test(told) || attempt === PORT_ATTEMPTS) throw new Error(told)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** False when it has ended before anybody could connect. */
async function answering(child: ChildProcess, port: number): Promise<boolean> {
  for (const deadlineMs = Date.now() + START_MS; Date.now() < deadlineMs; ) {
    if (child.exitCode !== null || child.signalCode !== null) return false
    const socket = connect(port, '127.0.0.1')
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', () => resolve(false))
    })
    socket.destroy()
    // Another program may have the port: then the proxy ends by itself.
    if (isOpen && child.exitCode === null) return true
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return false
}

/** What reached the service behind the proxy. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export async function serviceBehind() {
  const seen: Seen[] = []
  const server = createHttpServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    seen.push({ method, url, headers, body: await text(request) })
    response.end('the service')
  })
  server.on('upgrade', (request, socket) => {
    seen.push({ method: 'UPGRADE', url: request.url ?? '', headers: request.headers, body: '' })
    socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url, seen, close }
}

/** A hub that believes these proxies who asked for what. */
export const hubThatTrusts = async (...trustedProxies: readonly string[]) =>
  serve(await openHub({ modules: [] }), { trustedProxies })
