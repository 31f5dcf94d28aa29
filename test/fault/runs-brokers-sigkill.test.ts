// SIGKILL of the hub and of its broker while a thousand runs are under way: every run ends once, and the broker has each fact.

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openHub } from '../../src/hub.ts'
import { type Broker, RECEIVE_MAX } from '../../src/kernel/broker/broker.ts'
import { openBroker } from '../../src/kernel/broker/open-broker.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { asNatsAdmin } from '../conformance/broker/broker-servers.ts'
import { entriesOf, tempFolder } from '../integration/lab/hubs.ts'
import { type BrokerProcess, describeWithBroker, openBrokerProcess, type Product } from './broker-process.ts'
import { expectOnce, runsVictim } from './many-runs.ts'
import { manySteps, STEPS } from './runs.fixture.ts'

const RUNS = 1000
const EVENTS = RUNS * STEPS.length
const PLACES: Readonly<Record<Product, string>> = { nats: 'notes.out', redis: 'notes-out' }
const STREAM = 'notes-out'
const env = systemEnv()
/** For what the sink still has to send when every run has ended. */
const ARRIVE_MS = 60_000

/**
 * Effects after which the broker dies, is started again, and the hub dies; together they are fewer than the runs have,
 * so all of it happens in the middle. `undefined`: it stays dead until the next hub works.
 */
const LIVES: readonly (readonly [dies: number, starts: number | undefined, ends: number])[] = [
  [200, 500, 700],
  [300, undefined, 600],
  [400, 600, 900],
  [1, 2, 500],
]

for (const product of ['nats', 'redis'] as const satisfies readonly Product[])
  describeWithBroker(product, `a thousand runs whose facts a sink takes to ${product}`, () => {
    it('end once each, and none of the facts is lost, though hub and broker are killed again and again', {
      timeout: 240_000,
    }, async () => {
      const { root } = tempFolder()
      const server = await openBrokerProcess(product)
      onTestFinished(() => server.remove())
      await server.start()
      if (product === 'nats') await makeStream(server)
      const to = PLACES[product]
      let isDead = false
      for (const [life, [dies, starts, ends]] of LIVES.entries()) {
        const hub = runsVictim(root, 'data', {
          count: life === 0 ? RUNS : 0,
          effectsMax: ends,
          broker: { url: server.url, to },
        })
        if (life === 0) await hub.said('begun')
        if (isDead) {
          await hub.said('effect', 1)
          await server.start()
        }
        await hub.said('sent')
        await hub.said('effect', dies)
        await server.kill()
        // Runs do not wait for a broker.
        await hub.said('effect', starts ?? ends)
        isDead = starts === undefined
        if (!isDead) await server.start()
        await hub.said('effect', ends)
        await hub.kill()
      }
      const open = () => openBroker(server.url, { env, secret: async () => '' })
      const hub = await openHub({
        dir: join(root, 'data'),
        anchorPath: join(root, 'data.anchor'),
        modules: [
          manySteps((effect) => appendFileSync(join(root, 'effects'), `${effect}\n`)),
          meshModule(),
          brokersModule({ brokers: { main: open } }),
        ],
      })
      onTestFinished(() => hub.close())
      await expectOnce(hub, root, RUNS)
      const recorded = (await entriesOf(hub, 'flow.noted@1')).map(({ id }) => id)
      expect(recorded).toHaveLength(EVENTS)
      const outside = await open()
      onTestFinished(() => outside.close())
      const arrived = await messagesAt(outside, new Set(recorded))
      expect([...arrived.keys()].sort()).toEqual([...recorded].sort())
      // A second copy of a fact would bear the same id as the first.
      const ids = [...arrived.values()].map((each) => {
        expect(each.size).toBe(1)
        return [...each].join()
      })
      expect(new Set(ids).size).toBe(EVENTS)
    })
  })

const makeStream = ({ port }: BrokerProcess) =>
  asNatsAdmin(port, ({ streams }) => streams.add({ name: STREAM, subjects: [PLACES.nats] }))

/** Entry -> ids of its messages; waits until each has come, and reads what is left. */
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
    if (signal.aborted) throw new Error(`${missing.size} of the facts are not at the broker`)
  }
}
