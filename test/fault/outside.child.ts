// The victims of the fault test of decisions for other programs: a hub behind its door, or a program that is governed by one.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import process from 'node:process'
import { governance } from '../../sdk/express.ts'
import { httpDeed } from '../../sdk/governing.ts'
import { openHttpDoor } from '../../src/doors/http/server.ts'
import { openHub } from '../../src/hub.ts'

const [part = '', ...args] = process.argv.slice(2)

/** A line on stdout for whoever started it. */
const say = (told: object) => process.stdout.write(`${JSON.stringify(told)}\n`)

if (part === 'hub') await beHub(args[0] ?? '')
else await beProgram(args[0] ?? '', args[1] ?? '')

async function beHub(root: string): Promise<void> {
  const hub = await openHub({
    dir: join(root, 'data'),
    anchorPath: join(root, 'anchor'),
    modules: [],
    onFailure: (error) => process.stderr.write(`${error.message}\n`),
  })
  const { url } = await openHttpDoor(hub, { host: '127.0.0.1', port: 0, writeLog: () => undefined })
  say({ url, token: hub.ownerToken })
}

/** Handles `/stuck` and `/stuck-soon` for ever, and answers everything else. */
async function beProgram(url: string, token: string): Promise<void> {
  const govern = governance({
    gate: { url, token, timeoutMs: 50_000 },
    deedOf: ({ method = 'GET', url: path = '/' }) => ({
      ...httpDeed({ method, path }),
      outcomeWithinSeconds: path === '/stuck-soon' ? 1 : 300,
      ...(path === '/careful' ? { risk: 'critical' } : {}),
    }),
  })
  const server = createServer((request, response) =>
    govern(request, response, () => {
      if (request.url?.startsWith('/stuck')) say({ handling: request.url })
      else response.end('handled')
    }),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}
