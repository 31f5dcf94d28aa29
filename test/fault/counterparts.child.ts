// A process that owns one of two hubs, keeps requests for a service outside and delivers them: the victim of the counterparts' fault test.

import { join } from 'node:path'
import process from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { openHub } from '../../src/hub.ts'
import { labCounterpart, labModule } from '../integration/lab/counterpart.ts'

const [root = '', name = '', storeUrl = '', realm = '', url = '', ...keys] = process.argv.slice(2)
const opened = labModule()
await openHub({
  dir: join(root, name),
  anchorPath: join(root, `${name}.anchor`),
  storeUrl,
  realm,
  modules: [opened.module],
  egress: { allow: ['127.0.0.1'] },
})
const counterpart = labCounterpart(opened.host(), url, {
  timeoutMs: 120_000,
  retry: { attemptsMax: 1, baseMs: 1, capMs: 1 },
  breaker: { failuresMax: 1000 },
})
for (const key of keys)
  await counterpart.call({
    operation: 'tell',
    path: '/scrolls',
    body: { key },
    key,
    isKept: true,
    read: (answer) => answer,
  })
process.stdout.write('kept\n')
for (;;) {
  await counterpart.sync()
  await setTimeout(20)
}
