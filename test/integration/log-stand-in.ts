// A log over HTTP that shows what it is told to show: one history, then another, or one with holes.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestLog } from '../../src/kernel/witness/fixtures/test-log.ts'
import { TILE_WIDTH } from '../../src/kit/tile-tree.ts'
import { encodeEntries, parseTilePath } from '../../src/kit/tlog-tiles.ts'

export interface LogServer {
  readonly url: string
  /** From here on this is the log. */
  serve(log: TestLog): void
  /** What is not found although it is signed. */
  lose(paths: RegExp | undefined): void
  fail(isFailing: boolean): void
  /** Resolves when the checkpoint was fetched so often again. */
  looked(times: number): Promise<void>
  close(): Promise<void>
}

export async function openLogServer(first: TestLog): Promise<LogServer> {
  let log = first
  let lost: RegExp | undefined
  let isFailing = false
  const server = createServer((request, response) => {
    const { url = '' } = request
    const body = isFailing || lost?.test(url) ? undefined : fileOf(log, url)
    response.writeHead(isFailing ? 503 : body === undefined ? 404 : 200).end(body)
    if (url === '/checkpoint') server.emit('looked')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    serve(next) {
      log = next
    },
    lose(paths) {
      lost = paths
    },
    fail(is) {
      isFailing = is
    },
    async looked(times) {
      for (let n = 0; n < times; n++) await once(server, 'looked')
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function fileOf(log: TestLog, url: string): string | Uint8Array | undefined {
  if (url === '/checkpoint') return log.note()
  const named = parseTilePath(url.slice(1))
  if (named === undefined) return undefined
  if (named.kind === 'hash') return log.tile(named)
  const start = named.index * TILE_WIDTH
  return encodeEntries(log.leaves.slice(start, start + named.width))
}
