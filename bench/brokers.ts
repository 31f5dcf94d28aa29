// How many events a second get from the log to a broker through one sink, beside what the bare client publishes in the same run.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { Redis } from 'ioredis'
import { openHub } from '../src/hub.ts'
import { OWNER } from '../src/kernel/identity/identity.ts'
import { brokersModule } from '../src/modules/brokers/module.ts'
import { meshModule } from '../src/modules/mesh/module.ts'

const EVENTS = 20_000
const PUBLISH_BATCH = 250
const BARE_BATCH = 128
const HOST = '127.0.0.1'

/** A server that is there, and a stream of its own on it. */
interface Place {
  readonly url: string
  readonly to: string
  /** Publishes with the bare client, so many at a time as a sink does; each is acknowledged. */
  bare(ids: readonly string[], body: Uint8Array): Promise<unknown>
  count(): Promise<number>
  remove(): Promise<void>
}

export async function benchBrokers(): Promise<void> {
  for (const [name, open] of [
    ['NATS JetStream', openNats],
    ['Redis Streams', openRedis],
  ] as const) {
    let place: Place
    try {
      place = await open(`polity-bench-${process.pid}`)
    } catch (error) {
      process.stdout.write(`brokers: ${name}: SKIPPED, no server answers (${(error as Error).message})\n`)
      continue
    }
    try {
      await benchOne(name, place)
    } finally {
      await place.remove()
    }
  }
}

async function benchOne(name: string, place: Place): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'polity-bench-brokers-'))
  const hub = await openHub({
    dir: join(root, 'data'),
    anchorPath: join(root, 'anchor'),
    modules: [meshModule(), brokersModule({ brokers: { main: place.url } })],
  })
  const owner = { chain: [OWNER] }
  try {
    for (let n = 0; n < EVENTS; n += PUBLISH_BATCH) {
      const events = Array.from({ length: PUBLISH_BATCH }, (_, at) => ({
        type: 'bench.event',
        data: { n: n + at },
      }))
      await hub.invoke(owner, 'mesh.publish-many', { events }, { key: `bench-${n}` })
    }
    const startMs = performance.now()
    const put = { name: 'out', broker: 'main', to: place.to, types: ['bench.*'], from: 'start' }
    await hub.invoke(owner, 'brokers.sink-put', put, { key: 'sink' })
    while ((await place.count()) < EVENTS) await sleep(10)
    const sinkRate = rate(startMs)
    const bareStartMs = performance.now()
    const body = Buffer.from(JSON.stringify({ n: 0 }))
    for (let n = 0; n < EVENTS; n += BARE_BATCH)
      await place.bare(
        Array.from({ length: BARE_BATCH }, (_, at) => `bare-${n + at}`),
        body,
      )
    process.stdout.write(
      `brokers: ${name}: ${sinkRate} events/s from a full log through one sink, in order; ` +
        `the bare client publishes ${rate(bareStartMs)}/s, ${BARE_BATCH} at a time, each acknowledged\n`,
    )
  } finally {
    await hub.close()
    rmSync(root, { recursive: true, force: true })
  }
}

const rate = (startMs: number): number => Math.round(EVENTS / ((performance.now() - startMs) / 1000))

async function openNats(name: string): Promise<Place> {
  const connection = await connect({ servers: `${HOST}:4222`, timeout: 2000, reconnect: false })
  const { streams } = await jetstreamManager(connection)
  await streams.add({ name, subjects: [`${name}.>`] })
  const client = jetstream(connection)
  return {
    url: `nats://${HOST}:4222`,
    to: `${name}.events`,
    bare: (ids, body) => Promise.all(ids.map((msgID) => client.publish(`${name}.bare`, body, { msgID }))),
    count: async () => (await streams.info(name)).state.messages,
    async remove() {
      await streams.delete(name)
      await connection.close()
    },
  }
}

async function openRedis(name: string): Promise<Place> {
  const redis = new Redis({ host: HOST, port: 6379, lazyConnect: true, retryStrategy: null })
  redis.on('error', () => undefined)
  await redis.connect()
  return {
    url: `redis://${HOST}:6379`,
    to: name,
    bare: (ids, body) =>
      Promise.all(ids.map((id) => redis.xadd(`${name}-bare`, '*', 'id', id, 'data', Buffer.from(body)))),
    count: () => redis.xlen(name),
    async remove() {
      await redis.del(name, `${name}-bare`)
      redis.disconnect()
    },
  }
}
