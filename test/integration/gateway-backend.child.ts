// A backend in a process of its own, to be killed.

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import process from 'node:process'

const server = createServer((_, response) => response.end('alive'))
server.listen(0, '127.0.0.1', () =>
  process.send?.({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }),
)
process.once('disconnect', () => process.exit())
