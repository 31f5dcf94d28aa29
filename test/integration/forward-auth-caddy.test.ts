// The snippet of docs/decisions.md in a real Caddy.

import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { clientOf } from '../../src/doors/http/fixtures/client.ts'
import { CADDY, startCaddy } from './caddy.ts'
import { documented, forwardAuthContract } from './forward-auth.contract.ts'

const SNIPPET = documented(/\*\*Caddy\*\*\s+```\n(.*?)```/s)
const HUB = '127.0.0.1:7070'
const SERVICE = '127.0.0.1:3000'

function snippet(hubUrl: string, serviceUrl: string, query = ''): string {
  for (const part of [HUB, SERVICE, 'uri /v1/forward-auth? ']) expect(SNIPPET.split(part)).toHaveLength(2)
  return SNIPPET.replace(HUB, new URL(hubUrl).host)
    .replace(SERVICE, new URL(serviceUrl).host)
    .replace('uri /v1/forward-auth? ', `uri /v1/forward-auth?${query} `)
}

const product = {
  name: 'Caddy',
  program: CADDY,
  snippet,
  start: startCaddy,
  ambiguous: /^40[0-9]$/,
  withoutHub: 502,
}

forwardAuthContract(product, (at) => {
  it('takes no word of the client for how bad it may get, whatever its configuration forgets', async () => {
    const { url, served, behind, reader, passedOn } = at()
    const forgetful = snippet(served.url, behind.url).replace('forward-auth? ', 'forward-auth ')
    await using careless = await startCaddy(forgetful)
    const seen = await passedOn(async () => {
      for (const each of [url, careless.url])
        for (const query of ['risk=low', 'risk=low&autonomous=false', 'autonomous=false', 'r%69sk=low'])
          expect((await clientOf(each, reader)(`/app/orders?${query}`, { method: 'DELETE' })).status).toBe(
            403,
          )
    })
    expect(seen).toEqual([])
  })

  it('lets no WebSocket through that the hub has not let through', async () => {
    const { url, passedOn } = at()
    const upgrade = async (token: string) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      onTestFinished(() => void socket.destroy())
      socket.write(
        `GET /app/live HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer ${token}\r\n` +
          'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
      )
      const [first] = (await once(socket, 'data')) as [Buffer]
      return Number(first.toString().split(' ')[1])
    }
    const seen = await passedOn(async () => {
      expect(await upgrade('pol_0000000000000000_x')).toBeGreaterThanOrEqual(400)
    })
    expect(seen).toEqual([])
  })
})
