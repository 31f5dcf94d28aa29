// SIGKILL of the hub and of the broker, at every point between log and broker: nothing is lost, and what is doubled bears the same id.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { type Broker, RECEIVE_MAX } from '../../src/kernel/broker/broker.ts'
import { openBroker } from '../../src/kernel/broker/open-broker.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { asNatsAdmin } from '../conformance/broker/broker-servers.ts'
import { entriesOf, openTestHub, tempFolder } from '../integration/lab/hubs.ts'
import { until } from '../integration/lab/webhooks.ts'
import { type BrokerProcess, describeWithBroker, openBrokerProcess, type Product } from './broker-process.ts'

const CHILD = fileURLToPath(new URL('./brokers.child.ts', import.meta.url))
const POINTS = ['before-send', 'after-send', 'after-receive', 'before-ack', 'after-ack'] as const
const MESSAGES_PER_LIFE = 12
const env = systemEnv()
const PREFIX = 'fault'

for (const product of ['nats', 'redis'] as const satisfies readonly Product[])
  describeWithBroker(product, `${product} and a hub that are killed`, () => {
    it('lose no event in either direction', async () => {
      const { root, dir, anchorPath } = tempFolder()
      const server = await openBrokerProcess(product)
      onTestFinished(() => server.remove())
      await server.start()
      if (product === 'nats') await makeStreams(server)
      const open = () => openBroker(server.url, { env, secret: async () => '' })
      const outside = await open()
      onTestFinished(() => outside.close())
      const published: string[] = []
      const sent: string[] = []
      for (const [life, point] of POINTS.entries()) {
        const child = spawn(process.execPath, [CHILD, root, server.url, `${life}`, point, '3', PREFIX], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        onTestFinished(() => void child.kill('SIGKILL'))
        const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
        const sending = sendFromOutside(outside, product, `${life}`, sent)
        // The broker dies, too, in the middle of it.
        const crashing = sleep(50).then(async () => {
          await server.kill()
          await server.start()
        })
        for await (const line of createInterface({ input: child.stdout })) {
          const [word, id = ''] = line.split(' ')
          if (word === 'published') published.push(id)
        }
        expect(await ended).toBe('SIGKILL')
        await Promise.all([sending, crashing])
      }
      const hub = await openTestHub('sqlite', {
        dir,
        anchorPath,
        modules: [meshModule(), brokersModule({ brokers: { main: async () => hurried(await open()) } })],
      })
      const out = await outside.follow({
        stream: `${PREFIX}-out`,
        group: 'check',
        ackWaitMs: 60_000,
        from: 'start',
      })
      const arrived = new Map<string, Set<string>>()
      await until(async () => {
        const signal = new AbortController().signal
        for (const { id = '', headers } of await out.receive({ max: RECEIVE_MAX, waitMs: 200, signal })) {
          const event = String(headers['ce-id'])
          arrived.set(event, (arrived.get(event) ?? new Set()).add(id))
        }
        return published.every((id) => arrived.has(id))
      })
      expect(published.length).toBeGreaterThan(POINTS.length)
      for (const ids of arrived.values()) expect(ids.size).toBe(1)
      const received = async () =>
        (await entriesOf(hub, 'brokers.event-received@1')).map(({ data }) => String(data.id))
      await until(async () => {
        const known = new Set(await received())
        return sent.every((id) => known.has(id))
      })
      // Once each, whatever the broker handed over again.
      const all = await received()
      expect(all.length).toBe(new Set(all).size)
    }, 240_000)
  })

/** What the dead left behind is handed over again soon. */
const hurried = (broker: Broker): Broker => ({
  ...broker,
  follow: (options) => broker.follow({ ...options, ackWaitMs: 1000 }),
})

const makeStreams = ({ port }: BrokerProcess) =>
  asNatsAdmin(port, async ({ streams }) => {
    for (const way of ['in', 'out'])
      await streams.add({ name: `${PREFIX}-${way}`, subjects: [`${PREFIX}.${way}`] })
  })

/** What the broker has acknowledged stands in `sent`. */
async function sendFromOutside(
  broker: Broker,
  product: Product,
  life: string,
  sent: string[],
): Promise<void> {
  for (let n = 0; n < MESSAGES_PER_LIFE; n++) {
    const id = `out-${life}-${n}`
    const message = {
      id,
      place: product === 'nats' ? `${PREFIX}.in` : `${PREFIX}-in`,
      headers: {
        'ce-specversion': '1.0',
        'ce-id': id,
        'ce-source': '/outside',
        'ce-type': 'order.created',
      },
      body: Buffer.from('{}'),
    }
    for (;;)
      try {
        expect(await broker.send([message])).not.toContainEqual(expect.any(Error))
        break
      } catch {
        await sleep(50)
      }
    sent.push(id)
    await sleep(20)
  }
}
