// The snippet of docs/decisions.md in a real nginx.

import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { clientOf } from '../../src/doors/http/fixtures/client.ts'
import { documented, forwardAuthContract } from './forward-auth.contract.ts'
import { NGINX, startNginx } from './nginx.ts'

const SNIPPET = documented(/```nginx\n(.*?)```/s)
const HUB = 'http://127.0.0.1:7070/v1/forward-auth;'
const SERVICE = 'http://127.0.0.1:3000;'

function snippet(hubUrl: string, serviceUrl: string, query?: string): string {
  for (const part of [HUB, SERVICE]) expect(SNIPPET.split(part)).toHaveLength(2)
  const asked = query === undefined ? '' : `?${query}`
  return SNIPPET.replace(HUB, `${hubUrl}/v1/forward-auth${asked};`).replace(SERVICE, `${serviceUrl};`)
}

const product = {
  name: 'nginx',
  program: NGINX,
  snippet,
  start: startNginx,
  ambiguous: /^40[34]$/,
  withoutHub: 500,
}

forwardAuthContract(product, (at) => {
  it('does not open the way to the hub itself', async () => {
    const { url, owner } = at()
    const asOwner = clientOf(url, owner)
    for (const path of ['/polity', '/polity?risk=low']) expect((await asOwner(path)).status).toBe(404)
  })

  it('promises no WebSocket: an upgrade is an ordinary request for whoever is behind', async () => {
    const { url, reader, passedOn } = at()
    const seen = await passedOn(async () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      socket.write(
        `GET /app/live HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer ${reader}\r\n` +
          'Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
      )
      const [first] = (await once(socket, 'data')) as [Buffer]
      expect(first.toString()).toMatch(/^HTTP\/1\.1 200 /)
    })
    expect(seen.map(({ method, headers }) => [method, headers.upgrade])).toEqual([['GET', undefined]])
  })
})
