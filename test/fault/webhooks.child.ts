// A process that owns a hub with one webhook and never stops publishing: the victim of the webhooks' fault test.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { webhooksModule } from '../../src/modules/webhooks/module.ts'
import { say } from './say.ts'

const [root = '', url = '', life = ''] = process.argv.slice(2)
const BATCH = 5

/** Lines on stdout: `open`, `published TYPE N` for every acknowledged event. */

const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  modules: [meshModule(), webhooksModule()],
  egress: { allow: ['127.0.0.1'] },
})
const owner = { chain: [OWNER] }
const mark = join(root, 'endpoint')
if (!existsSync(mark)) {
  const answer = await hub.invoke(owner, 'webhooks.register', { url, types: ['order.*'] })
  if (answer.status !== 'done') throw new Error(answer.status)
  writeFileSync(mark, (answer.output as { endpoint: string }).endpoint)
}
say(`open ${readFileSync(mark, 'utf8')}`)
for (let n = 0; ; n += BATCH) {
  const events = Array.from({ length: BATCH }, (_, offset) => ({
    type: 'order.created',
    data: `${life}-${n + offset}`,
  }))
  const answer = await hub.invoke(owner, 'mesh.publish-many', { events }, { key: `${life}-${n}` })
  if (answer.status === 'done') for (const { data } of events) say(`published ${data}`)
}
