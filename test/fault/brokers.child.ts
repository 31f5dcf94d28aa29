// A hub with a sink and a source that kills itself where it is told to: the victim of the brokers' fault test.

import { writeSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import type { Broker } from '../../src/kernel/broker/broker.ts'
import { openBroker } from '../../src/kernel/broker/open-broker.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { brokersModule } from '../../src/modules/brokers/module.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'

export type Point = 'before-send' | 'after-send' | 'after-receive' | 'before-ack' | 'after-ack' | 'never'

const [root = '', url = '', life = '', point = 'never', after = '1', prefix = ''] = process.argv.slice(2)
const BATCH = 5

/** Lines on stdout: `published ID` for every acknowledged event. */
const say = (line: string) => writeSync(1, `${line}\n`)

let left = Number(after)
const pass = (here: Point) => {
  if (here !== point) return
  left -= 1
  if (left <= 0) process.kill(process.pid, 'SIGKILL')
}

const deadly = (broker: Broker): Broker => ({
  ...broker,
  async send(messages) {
    pass('before-send')
    const outcomes = await broker.send(messages)
    pass('after-send')
    return outcomes
  },
  async follow(options) {
    const receiver = await broker.follow({ ...options, ackWaitMs: 1000 })
    return {
      ...receiver,
      async receive(wanted) {
        const messages = await receiver.receive({ ...wanted, max: 4 })
        if (messages.length > 0) pass('after-receive')
        return messages
      },
      async ack(tokens) {
        pass('before-ack')
        await receiver.ack(tokens)
        pass('after-ack')
      },
    }
  },
})

const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  modules: [
    meshModule(),
    brokersModule({
      brokers: { main: async (env) => deadly(await openBroker(url, { env, secret: async () => '' })) },
    }),
  ],
})
const owner = { chain: [OWNER] }
const ask = async (action: string, input: object, key: string) => {
  const answer = await hub.invoke(owner, action, input, { key })
  if (answer.status !== 'done') throw new Error(JSON.stringify(answer))
}
const { output } = await hub.ask(owner, 'brokers.status', {})
if ((output as { items: readonly object[] }).items.length === 0) {
  const to = url.startsWith('nats') ? `${prefix}.out` : `${prefix}-out`
  await ask('brokers.sink-put', { name: 'out', broker: 'main', to, types: ['order.*'] }, 'sink')
  const source = {
    name: 'in',
    broker: 'main',
    stream: `${prefix}-in`,
    prefix: 'shop',
    principal: 'component:shop',
  }
  await ask('brokers.source-put', { ...source, from: 'start' }, 'source')
}
say('open')
for (let n = 0; ; n += BATCH) {
  const ids = Array.from({ length: BATCH }, (_, offset) => `${life}-${n + offset}`)
  await ask('mesh.publish-many', { events: ids.map((id) => ({ id, type: 'order.created' })) }, `${life}-${n}`)
  for (const id of ids) say(`published ${id}`)
  await new Promise((resolve) => setTimeout(resolve, 5))
}
