// SIGKILL of workers, writer and brokers while a thousand runs are under way: all finish, every result once, and no event is lost.

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { type Hub, openHub } from '../../src/hub.ts'
import { type Broker, RECEIVE_MAX } from '../../src/kernel/broker/broker.ts'
import { openBroker } from '../../src/kernel/broker/open-broker.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { asNatsAdmin } from '../conformance/broker/broker-servers.ts'
import { entriesOf, tempFolder } from '../integration/lab/hubs.ts'
import { type BrokerProcess, describeWithBrokers, openBrokerProcess, type Product } from './broker-process.ts'
import { effectsIn, expectOnce, runsVictim, times } from './many-runs.ts'
import { manySteps, PUBLISHING, STEPS } from './runs.fixture.ts'

const RUNS = 1000
/** Beside every tenth of them there is one that must not repeat. */
const ONCE_EVERY = 10
const ONCE_RUNS = RUNS / ONCE_EVERY
const PLACES: Readonly<Record<Product, string>> = { nats: 'notes.out', redis: 'notes-out' }
const STREAM = 'notes-out'
const env = systemEnv()
/** For what the sinks still have to send when every run has ended. */
const ARRIVE_MS = 60_000

interface Life {
  /** Effects of this life after which the brokers die. */
  readonly dies: number
  /** After which they are started again; absent: once the next life has had its first. */
  readonly starts?: number
  /** After which the hub dies: its workers and its writer's thread. Where that is `dies`, all die at once. */
  readonly ends: number
}

/** Together they are fewer effects than the runs have, so all of it happens in the middle. */
const LIVES: readonly Life[] = [
  { dies: 200, starts: 300, ends: 400 },
  { dies: 300, ends: 300 },
  { dies: 1, starts: 2, ends: 300 },
  { dies: 300, ends: 900 },
  { dies: 500, ends: 500 },
]
/** Lives after each of which at least a thousand runs are still under way. */
const FULL_LIVES = 3

describeWithBrokers(
  ['nats', 'redis'],
  'a thousand runs whose events and facts sinks take to brokers',
  (products) => {
    it(`finish, and every result is there once, though hub and brokers (${products.join(', ')}) are killed again and again`, {
      timeout: 240_000,
    }, async () => {
      const { root } = tempFolder()
      const servers = await Promise.all(products.map(startServer))
      for (const [number, life] of LIVES.entries()) await live(root, servers, number, life)
      await onAll(servers, (server) => server.start())
      const open = (url: string) => openBroker(url, { env, secret: async () => '' })
      const hub = await openHub({
        dir: join(root, 'data'),
        anchorPath: join(root, 'data.anchor'),
        modules: [
          manySteps((effect) => appendFileSync(join(root, 'effects'), `${effect}\n`), { isPublishing: true }),
          meshModule(),
          brokersModule({
            brokers: Object.fromEntries(
              servers.map(({ product, server }) => [product, () => open(server.url)]),
            ),
          }),
        ],
      })
      onTestFinished(() => hub.close())
      const { repeated, unknown } = await expectOnce(hub, root, RUNS, ONCE_RUNS)
      // Or the deaths proved nothing.
      expect(Math.min(repeated, unknown)).toBeGreaterThan(0)
      const recorded = await messagesOf(hub)
      for (const { product, server } of servers) {
        const outside = await open(server.url)
        onTestFinished(() => outside.close())
        const arrived = await messagesAt(outside, new Set(recorded.keys()))
        expect(arrived.size, product).toBe(recorded.size)
        // A second copy of an event would bear the same id as the first.
        const strange = [...arrived].filter(([event, ids]) => [...ids].join() !== recorded.get(event))
        expect(strange, product).toEqual([])
      }
    })
  },
)

interface Server {
  readonly product: Product
  readonly server: BrokerProcess
}

async function startServer(product: Product): Promise<Server> {
  const server = await openBrokerProcess(product)
  onTestFinished(() => server.remove())
  await server.start()
  if (product === 'nats')
    await asNatsAdmin(server.port, ({ streams }) => streams.add({ name: STREAM, subjects: [PLACES.nats] }))
  return { product, server }
}

const onAll = (servers: readonly Server[], act: (server: BrokerProcess) => Promise<void>) =>
  Promise.all(servers.map(({ server }) => act(server)))

/** From the start of the hub to its death. */
async function live(
  root: string,
  servers: readonly Server[],
  number: number,
  { dies, starts, ends }: Life,
): Promise<void> {
  const brokers = Object.fromEntries(
    servers.map(({ product, server: { url } }) => [product, { url, to: PLACES[product] }]),
  )
  const begins = number === 0 ? { count: RUNS, onceEvery: ONCE_EVERY } : {}
  const hub = runsVictim(root, 'data', { ...begins, effectsMax: ends, brokers })
  if (number === 0) await hub.said('begun')
  if (number > 0 && LIVES[number - 1]?.starts === undefined) {
    await hub.said('effect')
    await onAll(servers, (server) => server.start())
  }
  for (const { product } of servers) await hub.said(`sent ${product}`)
  await hub.said('effect', dies)
  const dying = onAll(servers, (server) => server.kill())
  if (dies < ends) {
    await dying
    // Runs do not wait for a broker.
    await hub.said('effect', starts ?? ends)
    if (starts !== undefined) await onAll(servers, (server) => server.start())
    await hub.said('effect', ends)
  }
  await Promise.all([dying, hub.kill()])
  const ended = effectsIn(root).filter((effect) => effect.endsWith(` ${STEPS.at(-1)}`)).length
  if (number < FULL_LIVES) expect(RUNS + ONCE_RUNS - ended).toBeGreaterThanOrEqual(RUNS)
}

/** Id of an event or a fact of the log -> the id that each message of it must bear. Each step that was recorded has published once, and none twice. */
async function messagesOf(hub: Hub): Promise<ReadonlyMap<string, string>> {
  const notes = await entriesOf(hub, 'flow.noted@1')
  const events = await entriesOf(hub, 'mesh.event-published@1')
  const published = times(
    events.map(({ data: { subject, data } }) => `${subject} ${(data as { note: string }).note}`),
  )
  for (const [step, often] of published) expect(often, step).toBe(1)
  for (const { data } of notes)
    if (PUBLISHING.includes(String(data.note))) expect(published.has(`${data.run} ${data.note}`)).toBe(true)
  return new Map([
    ...notes.map(({ id }) => [id, id] as const),
    ...events.map(({ id, data }) => [String(data.id), id] as const),
  ])
}

/** Id of the event -> ids of its messages; waits until each has come, and reads what is left. */
async function messagesAt(
  broker: Broker,
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const receiver = await broker.follow({ stream: STREAM, group: 'check', ackWaitMs: 60_000, from: 'start' })
  const arrived = new Map<string, Set<string>>()
  const missing = new Set(wanted)
  const signal = AbortSignal.timeout(ARRIVE_MS)
  for (;;) {
    const messages = await receiver.receive({ max: RECEIVE_MAX, waitMs: 200, signal })
    for (const { id = '', headers } of messages) {
      const event = headers['ce-id'] ?? ''
      arrived.set(event, (arrived.get(event) ?? new Set()).add(id))
      missing.delete(event)
    }
    await receiver.ack(messages.map(({ token }) => token))
    if (messages.length === 0 && missing.size === 0) return arrived
    if (signal.aborted) throw new Error(`${missing.size} of the events are not at the broker`)
  }
}
