// SIGKILL between a delivery and its acknowledgement, again and again: every published event arrives, and repetitions bear the same id.

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { meshModule } from '../../src/modules/mesh/module.ts'
import { webhooksModule } from '../../src/modules/webhooks/module.ts'
import { openTestHub, owner, tempFolder } from '../integration/lab/hubs.ts'
import { openReceiver, until } from '../integration/lab/webhooks.ts'

const CHILD = fileURLToPath(new URL('./webhooks.child.ts', import.meta.url))
const KILLS = 4
const POINT_MAX = 30

it(`${KILLS} kills lose no event, and the hub after them delivers what was left`, async () => {
  const { root, dir, anchorPath } = tempFolder()
  let kill: (() => void) | undefined
  let left = Number.POSITIVE_INFINITY
  const receiver = await openReceiver((_, response) => {
    left -= 1
    // The receiver has it, and the sender will never know.
    if (left <= 0) kill?.()
    response.writeHead(204).end()
  })
  const published: string[] = []
  for (let life = 1; life <= KILLS; life++) {
    left = randomInt(1, POINT_MAX)
    const child = spawn(process.execPath, [CHILD, root, receiver.url, `${life}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    kill = () => child.kill('SIGKILL')
    const ended = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)))
    for await (const line of createInterface({ input: child.stdout })) {
      const [word, data = ''] = line.split(' ')
      if (word === 'published') published.push(data)
    }
    expect(await ended).toBe('SIGKILL')
  }
  kill = undefined
  const hub = await openTestHub('sqlite', {
    dir,
    anchorPath,
    modules: [meshModule(), webhooksModule()],
    egress: { allow: ['127.0.0.1'] },
  })
  const arrived = () =>
    new Map(
      receiver.received.map(({ body, headers }) => [String(JSON.parse(body).data), headers['webhook-id']]),
    )
  await until(() => published.every((data) => arrived().has(data)))
  expect(published.length).toBeGreaterThan(KILLS)
  const ids = new Map<string, Set<unknown>>()
  for (const { body, headers } of receiver.received) {
    const data = String(JSON.parse(body).data)
    ids.set(data, (ids.get(data) ?? new Set()).add(headers['webhook-id']))
  }
  for (const [, each] of ids) expect(each.size).toBe(1)
  const { output } = await hub.ask(owner, 'webhooks.list', {})
  expect(output).toMatchObject({ items: [{ isEnabled: true }] })
}, 240_000)
