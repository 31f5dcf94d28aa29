// A process that owns a hub and carries out many runs at a time: the victim of the fault tests of many runs.

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { openHub } from '../../src/hub.ts'
import { OWNER } from '../../src/kernel/identity/identity.ts'
import { manySteps } from './runs.fixture.ts'

/** `count`: runs that it begins; `store`: a database that other hubs share, and the realm in it. */
const [root = '', name = '', count = '0', storeUrl = '', realm = 'main'] = process.argv.slice(2)

/** Waits for a listener that is slow, where a bare write would fail the step that says it. */
const say = (line: string) => process.stdout.write(`${line}\n`)

const hub = await openHub({
  dir: join(root, name),
  anchorPath: join(root, `${name}.anchor`),
  ...(storeUrl === '' ? {} : { storeUrl, realm }),
  modules: [
    manySteps((effect) => {
      appendFileSync(join(root, 'effects'), `${effect}\n`)
      say('effect')
    }),
  ],
})
say('open')
const owner = { chain: [OWNER] }
await Promise.all(
  Array.from({ length: Number(count) }, (_, index) =>
    hub.invoke(owner, 'flow.play', { mark: `m${index}` }, { key: `k${index}`, wait: false }),
  ),
)
say('begun')
setInterval(() => undefined, 60_000)
