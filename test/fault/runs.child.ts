// A process that owns a hub and carries out many runs at a time: the victim of the fault tests of many runs.

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import type { Broker } from '../../src/kernel/broker/broker.ts'
import { openBroker } from '../../src/kernel/broker/open-broker.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { manySteps } from './runs.fixture.ts'

/**
 * `count`: runs that it begins; `store`: a database that other hubs share, and the realm in it; `broker`: where what
 * the steps record is sent, to the place `to`.
 */
const [root = '', name = '', count = '0', storeUrl = '', realm = 'main', brokerUrl = '', to = ''] =
  process.argv.slice(2)

/** Waits for a listener that is slow, where a bare write would fail the step that says it. */
const say = (line: string) => process.stdout.write(`${line}\n`)

/** Says when the broker has answered for a batch. */
const telling = (broker: Broker): Broker => ({
  ...broker,
  async send(messages) {
    const outcomes = await broker.send(messages)
    say('sent')
    return outcomes
  },
})

const hub = await openHub({
  dir: join(root, name),
  anchorPath: join(root, `${name}.anchor`),
  ...(storeUrl === '' ? {} : { storeUrl, realm }),
  modules: [
    manySteps((effect) => {
      appendFileSync(join(root, 'effects'), `${effect}\n`)
      say('effect')
    }),
    ...(brokerUrl === ''
      ? []
      : [
          meshModule(),
          brokersModule({
            brokers: {
              main: async (env) => telling(await openBroker(brokerUrl, { env, secret: async () => '' })),
            },
          }),
        ]),
  ],
})
say('open')
const owner = { chain: [OWNER] }
if (brokerUrl !== '' && count !== '0')
  await hub.invoke(
    owner,
    'brokers.sink-put',
    { name: 'notes', broker: 'main', to, types: ['flow.noted'] },
    { key: 'sink' },
  )
await Promise.all(
  Array.from({ length: Number(count) }, (_, index) =>
    hub.invoke(owner, 'flow.play', { mark: `m${index}` }, { key: `k${index}`, wait: false }),
  ),
)
say('begun')
setInterval(() => undefined, 60_000)
