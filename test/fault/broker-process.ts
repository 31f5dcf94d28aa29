// A broker of a test's own, run by the programs that this machine has: to be killed and started again on the same data.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { describe, it } from 'vitest'

export type Product = 'nats' | 'redis'

export interface BrokerProcess {
  readonly port: number
  readonly url: string
  /** Resolves when it answers. */
  start(): Promise<void>
  /** SIGKILL: what it has not handed to the operating system is lost. */
  kill(): Promise<void>
  /** Ends it, and removes its folder. */
  remove(): Promise<void>
}

const PROGRAMS: Readonly<Record<Product, string>> = { nats: 'nats-server', redis: 'redis-server' }
const ENCRYPTED: Readonly<Record<Product, string>> = { nats: 'tls', redis: 'rediss' }
const HOST = '127.0.0.1'
const START_WAIT_MAX_MS = 30_000

/** Defines the tests where the program is there; says loudly where it is not. */
export const describeWithBroker = (product: Product, name: string, define: () => void): void =>
  describeWithBrokers([product], name, define)

/** Defines the tests for those whose programs are there, if there are any; says loudly which are not. */
export function describeWithBrokers(
  products: readonly Product[],
  name: string,
  define: (there: readonly Product[]) => void,
): void {
  const isThere = (product: Product) =>
    spawnSync(PROGRAMS[product], ['--version'], { stdio: 'ignore' }).status === 0
  const there = products.filter(isThere)
  const missing = products.filter((product) => !there.includes(product)).map((product) => PROGRAMS[product])
  for (const program of missing)
    console.warn(`SKIPPED: ${name}: this machine has no ${program} (Debian: apt-get install ${program}).`)
  describe(name, () => {
    if (there.length > 0) define(there)
    for (const program of missing) it.skip(`needs ${program}`, () => undefined)
  })
}

export interface BrokerSetup {
  /** Of the program, behind those that make it lose nothing; the last one counts. */
  readonly args?: readonly string[]
  /** It speaks TLS only; `args` name the certificate. */
  readonly isEncrypted?: boolean
}

export async function openBrokerProcess(
  product: Product,
  { args = [], isEncrypted = false }: BrokerSetup = {},
): Promise<BrokerProcess> {
  const folder = mkdtempSync(join(tmpdir(), `polity-${product}-`))
  const port = await freePort()
  let server: ChildProcess | undefined
  const kill = async () => {
    const ending = server
    server = undefined
    if (!ending || ending.exitCode !== null || ending.signalCode !== null) return
    ending.kill('SIGKILL')
    await once(ending, 'exit')
  }
  const endNow = () => server?.kill('SIGKILL')
  process.on('exit', endNow)
  return {
    port,
    url: `${isEncrypted ? ENCRYPTED[product] : product}://${HOST}:${port}`,
    async start() {
      const all = [...argumentsOf(product, folder, port), ...args]
      if (isEncrypted && product === 'redis') all.push('--port', '0', '--tls-port', `${port}`)
      server = spawn(PROGRAMS[product], all, { stdio: 'ignore' })
      // NATS speaks first, and in the clear.
      await answering(server, () => reach(port, isEncrypted && product === 'redis'))
    },
    kill,
    async remove() {
      await kill()
      process.off('exit', endNow)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const argumentsOf = (product: Product, folder: string, port: number): string[] =>
  product === 'nats'
    ? ['-a', HOST, '-p', `${port}`, '-js', '-sd', folder]
    : [
        ...['--bind', HOST, '--port', `${port}`, '--dir', folder],
        ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
      ]

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HOST)
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}

async function answering(server: ChildProcess, reached: () => Socket): Promise<void> {
  const deadline = performance.now() + START_WAIT_MAX_MS
  while (!(await isAnswering(reached()))) {
    if (server.exitCode !== null || server.signalCode !== null || performance.now() > deadline)
      throw new Error('the broker does not start')
    await setTimeout(20)
  }
}

const reach = (port: number, isEncrypted: boolean): Socket =>
  isEncrypted
    ? connectTls({ port, host: HOST, rejectUnauthorized: false }).on('error', () => undefined)
    : connect(port, HOST)

/** Both say something: NATS by itself, Redis when it is asked; it says LOADING until it has read its file. */
const isAnswering = (socket: Socket): Promise<boolean> =>
  new Promise((resolve) => {
    const end = (is: boolean) => {
      socket.destroy()
      resolve(is)
    }
    socket.setTimeout(1000, () => end(false))
    socket.once('error', () => end(false))
    socket.write('PING\r\n')
    socket.once('data', (data) => end(!data.toString().includes('LOADING')))
  })
