// A process whose owner lets what was set aside be delivered again, a few at a time: the victim of its fault test.

import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import {
  ASIDE,
  asideModule,
  asideRow,
  groupsOf,
  keysIn,
  NOBODY_URL,
  OUTBOX,
  SERVICE,
} from '../integration/lab/aside.ts'

const [root = ''] = process.argv.slice(2)
const opened = asideModule(NOBODY_URL)
const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  modules: [opened.module],
  egress: { allow: ['127.0.0.1'] },
})
const host = opened.host()
const isFresh = (await keysIn(host, ASIDE)).length + (await keysIn(host, OUTBOX)).length === 0
if (isFresh)
  await host.record([], { changes: groupsOf().flatMap((keys) => keys.map((key) => asideRow(key))) })
const left = new Set(await keysIn(host, ASIDE))
for (const keys of groupsOf().filter(([first = '']) => left.has(first))) {
  process.stdout.write('retrying\n')
  const { status } = await hub.invoke({ chain: [OWNER] }, 'counterparts.retry', { service: SERVICE, keys })
  if (status === 'done') process.stdout.write(`retried ${keys.join(' ')}\n`)
}
