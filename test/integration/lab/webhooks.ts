// A receiver of webhooks that does what a test tells it, and a hub that sends to it.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { Hub } from '../../../src/hub.ts'
import type { Caller } from '../../../src/kernel/catalog/caller.ts'
import { type Env, systemEnv } from '../../../src/kernel/env.ts'
import { meshModule } from '../../../src/modules/mesh/module.ts'
import { webhooksModule } from '../../../src/modules/webhooks/module.ts'
import type { WebhooksOptions } from '../../../src/modules/webhooks/settings.ts'
import { type Engine, openTestHub, owner } from './hubs.ts'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** Answers, or does anything else with the exchange; `nth` counts requests of this path. */
export type Behaviour = (request: Received, response: ServerResponse, nth: number) => void

const OK: Behaviour = (_, response) => void response.writeHead(204).end()

export async function openReceiver(behave: Behaviour = OK) {
  const received: Received[] = []
  const counts = new Map<string, number>()
  const server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = '', url: path = '', headers } = request
    const one = { method, path, headers, body: Buffer.concat(chunks).toString() }
    if (method === 'OPTIONS') return void response.writeHead(204).end()
    received.push(one)
    const nth = (counts.get(path) ?? 0) + 1
    counts.set(path, nth)
    behave(one, response, nth)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, received }
}

/** A clock that runs faster, so that schedules of minutes take moments. */
export function hurried(factor: number): Env {
  const real = systemEnv()
  const startMs = real.now()
  const originMs = real.monotonic()
  const monotonic = () => (real.monotonic() - originMs) * factor
  return {
    ...real,
    monotonic,
    now: () => startMs + monotonic(),
    sleepUntil: (atMs, signal) => real.sleepUntil(originMs + atMs / factor, signal),
  }
}

export async function openWebhooks({
  engine = 'memory',
  options = {},
  env,
  policyDir,
}: {
  readonly engine?: Engine
  readonly options?: WebhooksOptions
  readonly env?: Env
  readonly policyDir?: string
} = {}) {
  const failures: string[] = []
  const hub = await openTestHub(engine, {
    modules: [meshModule(), webhooksModule(options)],
    egress: { allow: ['127.0.0.1'] },
    onFailure: ({ code, message }) => failures.push(`${code} ${message}`),
    ...(env === undefined ? {} : { env }),
    ...(policyDir === undefined ? {} : { policyDir }),
  })
  return { hub, failures, ...asking(hub) }
}

export function asking(hub: Hub) {
  const ask = async <T = Record<string, unknown>>(
    action: string,
    input: object = {},
    who: Caller = owner,
  ): Promise<T> => {
    const answer = await hub.invoke(who, action, input)
    if (answer.status !== 'done') throw new Error(JSON.stringify(answer))
    return answer.output as T
  }
  const query = async <T = Record<string, unknown>>(
    name: string,
    input: object = {},
    who: Caller = owner,
  ): Promise<T> => (await hub.ask(who, name, input)).output as T
  return {
    ask,
    query,
    register: (url: string, input: object = {}) =>
      ask<{ endpoint: string; secret: string; publicKey?: string }>('webhooks.register', {
        url,
        types: ['order.*'],
        ...input,
      }),
    publish: (type: string, data: unknown = {}, input: object = {}, who: Caller = owner) =>
      ask('mesh.publish', { type, data, ...input }, who),
  }
}

/** Waits for as long as it takes; the test's own time limit ends it. */
export async function until(done: () => unknown | Promise<unknown>): Promise<void> {
  while (!(await done())) await sleep(5)
}
