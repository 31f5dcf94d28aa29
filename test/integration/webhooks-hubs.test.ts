// Webhooks of hubs that share a database: whichever of them publishes or is gone, what was published arrives.

import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { openHub } from '../../src/hub.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { webhooksModule } from '../../src/modules/webhooks/module.ts'
import {
  describeOnPostgres,
  dropRealm,
  POSTGRES_URL,
  randomRealm,
} from '../conformance/store/postgres-server.ts'
import { tempFolder } from './lab/hubs.ts'
import { asking, openReceiver, until } from './lab/webhooks.ts'

const KEYS = ['log.key', 'statements.key', 'vault.key', 'witness.key']

await describeOnPostgres('webhooks of hubs on one database', () => {
  it('are sent by one of them, and by the other once that one is gone', async () => {
    const { root } = tempFolder()
    const realm = randomRealm()
    onTestFinished(async () => {
      await dropRealm(realm)
    })
    const start = async (name: string) => {
      const hub = await openHub({
        dir: join(root, name),
        anchorPath: join(root, `${name}.anchor`),
        storeUrl: POSTGRES_URL,
        realm,
        modules: [meshModule(), webhooksModule()],
        egress: { allow: ['127.0.0.1'] },
      })
      let isOpen = true
      const close = async () => {
        if (isOpen) await hub.close()
        isOpen = false
      }
      onTestFinished(close)
      return { close, ...asking(hub) }
    }
    const a = await start('a')
    mkdirSync(join(root, 'b'), { mode: 0o700 })
    for (const key of KEYS) copyFileSync(join(root, 'a', key), join(root, 'b', key))
    const b = await start('b')
    const receiver = await openReceiver()
    await a.register(receiver.url)
    const seen = () => new Set(receiver.received.map(({ body }) => JSON.parse(body).data))
    await a.publish('order.created', 1)
    await b.publish('order.created', 2)
    await until(() => seen().size === 2)
    await a.close()
    await b.publish('order.created', 3)
    await until(() => seen().has(3))
    expect(seen()).toEqual(new Set([1, 2, 3]))
    await b.close()
  }, 120_000)
})
