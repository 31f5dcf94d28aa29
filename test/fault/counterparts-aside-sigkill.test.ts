// SIGKILL while what was set aside is handed to delivery again: each retry happened whole, with its fact, or not at all.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { ASIDE, asideModule, groupsOf, keysIn, OUTBOX, SERVICE } from '../integration/lab/aside.ts'
import { entriesOf, openTestHub, owner, tempFolder } from '../integration/lab/hubs.ts'
import { openServiceStandIn } from '../integration/service-stand-in.ts'

const CHILD = fileURLToPath(new URL('./counterparts-aside.child.ts', import.meta.url))
const KILLS = 5
const RETRIES_MAX = 11
/** A retry takes a few. */
const LATER_MAX_MS = 6

/** Dies some time into the retry after so many; answers the keys of which it heard that they were retried. */
async function runUntilKilled(root: string, retries: number): Promise<string[]> {
  const child = spawn(process.execPath, [CHILD, root], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
  const heard: string[] = []
  let begun = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, ...keys] = line.split(' ')
    if (word === 'retried') heard.push(...keys)
    else if (++begun === retries) void setTimeout(randomInt(LATER_MAX_MS)).then(() => child.kill('SIGKILL'))
  }
  expect(await ended).toBe('SIGKILL')
  return heard
}

it(`${KILLS} kills leave each retry whole or undone, and everything arrives once`, async () => {
  const { root, dir, anchorPath } = tempFolder()
  const heard: string[] = []
  const service = await openServiceStandIn({})
  for (let life = 1; life <= KILLS; life++) {
    heard.push(...(await runUntilKilled(root, randomInt(1, RETRIES_MAX))))
    // Unwell at its first probe: nothing leaves yet.
    service.mood = 'fails'
    const opened = asideModule(service.url)
    const hub = await openTestHub('sqlite', {
      dir,
      anchorPath,
      modules: [opened.module],
      egress: { allow: ['127.0.0.1'] },
    })
    const host = opened.host()
    const [aside, waiting] = [new Set(await keysIn(host, ASIDE)), await keysIn(host, OUTBOX)]
    for (const keys of groupsOf()) {
      const isWaiting = waiting.includes(keys[0] ?? '')
      for (const key of keys)
        expect([key, waiting.includes(key), aside.has(key)]).toEqual([key, isWaiting, !isWaiting])
    }
    const told = (await entriesOf(hub, 'counterparts.requests-retried@1')).flatMap(
      ({ data }) => (data as { keys: string[] }).keys,
    )
    expect(told.toSorted()).toEqual(waiting)
    expect(waiting).toEqual(expect.arrayContaining(heard))
    if (life === KILLS) {
      service.mood = 'well'
      service.received.length = 0
      await hub.invoke(owner, 'counterparts.retry', { service: SERVICE })
      await hub.invoke(owner, 'counterparts.sync', { service: SERVICE })
      expect(service.received.map(({ headers }) => headers['idempotency-key'])).toEqual(groupsOf().flat())
    }
    await hub.close()
  }
}, 120_000)
