// A process that writes entries and handles them through a subscription, without end: the victim of the subscriptions' fault test.

import { appendFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setImmediate } from 'node:timers/promises'
import { recordAsHub } from '../../src/kernel/catalog/hub-records.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { openSubscriptions } from '../../src/kernel/feed/subscriptions.ts'
import { openRealm } from '../../src/kernel/realm/open-realm.ts'
import { failing, handledBy, Seen, WHO } from './subscribed.ts'

const [root = '', life = ''] = process.argv.slice(2)
const env = systemEnv()
const onFailure = (error: Error) => {
  throw error
}

const realm = await openRealm({
  name: 'test',
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  contracts: [],
  env,
  onFailure,
})
const { log, reader, holder, isAlone } = realm
const subscriptions = openSubscriptions({ log, reader, env, holder, isAlone, onFailure })
let handled = 0
await subscriptions.open({
  ...handledBy(
    (line) => {
      appendFileSync(join(root, 'handled'), `${line}\n`)
      handled += 1
      writeSync(1, `handled ${handled}\n`)
    },
    failing(Number(life)),
  ),
  from: 'start',
})
for (let n = 0; ; n += 3) {
  const drafts = [n, n + 1, n + 2].map((each) => Seen({ n: each, who: WHO[each % WHO.length] ?? '' }))
  await recordAsHub({ log, env, source: 'polity://test' }, drafts)
  await setImmediate()
}
