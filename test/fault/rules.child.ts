// A hub that loads a bundle and kills itself on the way, or tells what the one before it has left: the victim of the rules' fault test.

import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as delay } from 'node:timers/promises'
import { openHub } from '../../src/hub.ts'
import { systemEnv } from '../../src/kernel/env.ts'
import { STARTER_DIR } from '../../src/kernel/gate/bundle.ts'
import { readBundleFiles } from '../../src/kernel/gate/bundle-files.ts'

/** It ends when so many ids were given since the load was asked for; 0: it only looks. */
const [root = '', killAt = '0'] = process.argv.slice(2)
const TRIES_MAX = 200
const real = systemEnv()
let left = Number.POSITIVE_INFINITY
const env = {
  ...real,
  id() {
    left -= 1
    if (left === 0) process.kill(process.pid, 'SIGKILL')
    return real.id()
  },
}

const hub = await openHub({
  dir: join(root, 'data'),
  anchorPath: join(root, 'anchor'),
  modules: [],
  publishIntervalMs: 1,
  env,
  onFailure: (error) => process.stderr.write(`${error.message}\n`),
})
if (killAt !== '0') {
  left = Number(killAt)
  const rule = {
    name: 'new.cedar',
    text: '@id("new")\nforbid (principal, action == Polity::Action::"vault.erase@1", resource);',
  }
  await hub.invoke(hub.owner, 'gate.load', { files: [...(await readBundleFiles(STARTER_DIR)), rule] })
  left = Number.POSITIVE_INFINITY
}
const runs = await endedRuns()
const { entries } = await hub.log.read({ limit: 100, type: 'gate.bundle-activated@1' })
const { output } = await hub.ask(hub.owner, 'gate.rollout', {})
const told = {
  runs: runs.map(({ status }) => status),
  activated: entries.filter(({ data }) => data.cause === 'loaded').length,
  isNew: hub.gate.bundle.policies.has('new'),
  isSame: (output as { bundle: string }).bundle === hub.gate.bundle.digest,
}
await hub.close()
process.stdout.write(JSON.stringify(told))

async function endedRuns(): Promise<readonly { readonly status: string }[]> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { output } = await hub.ask(hub.owner, 'runs.list', {})
    const { items } = output as { readonly items: readonly { readonly status: string }[] }
    if (items.every(({ status }) => status !== 'running')) return items
    await delay(50)
  }
  throw new Error('a run does not end')
}
