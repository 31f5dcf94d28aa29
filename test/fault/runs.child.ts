// A process that owns a hub and carries out many runs at a time: the victim of the fault tests of many runs.

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import type { Broker } from '../../src/kernel/broker/broker.ts'
import { openBroker } from '../../src/kernel/broker/open-broker.ts'
import type { Env } from '../../src/kernel/env.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import type { RunsVictimOptions } from './many-runs.ts'
import { EVENT_TYPE, manySteps } from './runs.fixture.ts'

const [root = '', name = '', options = '{}'] = process.argv.slice(2)
const {
  count = 0,
  onceEvery = 0,
  effectsMax = Number.POSITIVE_INFINITY,
  storeUrl,
  realm = 'main',
  brokers,
}: RunsVictimOptions = JSON.parse(options)

/** Waits for a listener that is slow, where a bare write would fail the step that says it. */
const say = (line: string) => process.stdout.write(`${line}\n`)

/** Says when the broker has answered for a batch. */
const telling = (name: string, broker: Broker): Broker => ({
  ...broker,
  async send(messages) {
    const outcomes = await broker.send(messages)
    say(`sent ${name}`)
    return outcomes
  },
})

let effects = 0
const hub = await openHub({
  dir: join(root, name),
  anchorPath: join(root, `${name}.anchor`),
  ...(storeUrl === undefined ? {} : { storeUrl, realm }),
  modules: [
    manySteps(
      (effect) => {
        if (effects >= effectsMax) return new Promise<void>(() => undefined)
        effects += 1
        appendFileSync(join(root, 'effects'), `${effect}\n`)
        say('effect')
      },
      { isPublishing: brokers !== undefined },
    ),
    ...(brokers === undefined
      ? []
      : [
          meshModule(),
          brokersModule({
            brokers: Object.fromEntries(
              Object.entries(brokers).map(([broker, { url }]) => [
                broker,
                async (env: Env) => telling(broker, await openBroker(url, { env, secret: async () => '' })),
              ]),
            ),
          }),
        ]),
  ],
})
say('open')
const owner = { chain: [OWNER] }
if (count > 0)
  for (const [broker, { to }] of Object.entries(brokers ?? {}))
    await hub.invoke(
      owner,
      'brokers.sink-put',
      { name: `notes-${broker}`, broker, to, types: ['flow.noted', EVENT_TYPE] },
      { key: `sink-${broker}` },
    )
const begin = (action: string, mark: string) =>
  hub.invoke(owner, action, { mark }, { key: mark, wait: false })
await Promise.all(
  Array.from({ length: count }, (_, index) => [
    begin('flow.play', `m${index}`),
    ...(onceEvery > 0 && index % onceEvery === 0 ? [begin('flow.play-once', `o${index}`)] : []),
  ]).flat(),
)
say('begun')
setInterval(() => undefined, 60_000)
