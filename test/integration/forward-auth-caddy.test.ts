// The snippet of docs/decisions.md in a real Caddy: whom it lets through, and that nothing passes otherwise.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { clientOf, exchangeRaw } from '../../src/doors/http/fixtures/client.ts'
import { CADDY, startCaddy } from './caddy.ts'
import { hubThatTrusts, type RunningProxy, serviceBehind } from './proxy.ts'

if (CADDY === undefined)
  console.warn('SKIPPED: there is no caddy, so the snippet of docs/decisions.md is not run')

const DOC = readFileSync(join(import.meta.dirname, '../../docs/decisions.md'), 'utf8')
const SNIPPET = /\*\*Caddy\*\*\s+```\n(.*?)```/s.exec(DOC)?.[1] ?? ''
const HUB = '127.0.0.1:7070'
const SERVICE = '127.0.0.1:3000'

/** What is written there, with the addresses of this test. */
function snippet(hub: string, service: string, query = ''): string {
  for (const part of [HUB, SERVICE, 'uri /v1/forward-auth? ']) expect(SNIPPET.split(part)).toHaveLength(2)
  return SNIPPET.replace(HUB, new URL(hub).host)
    .replace(SERVICE, new URL(service).host)
    .replace('uri /v1/forward-auth? ', `uri /v1/forward-auth?${query} `)
}

describe.skipIf(CADDY === undefined)('Caddy with the snippet of the documentation', () => {
  let served: Awaited<ReturnType<typeof hubThatTrusts>>
  let behind: Awaited<ReturnType<typeof serviceBehind>>
  let caddy: RunningProxy
  let reader: string
  let owner: string

  beforeAll(async () => {
    served = await hubThatTrusts('127.0.0.1')
    behind = await serviceBehind()
    caddy = await startCaddy(snippet(served.url, behind.url))
    reader = (await served.issue({ kind: 'user', id: 'reader' })).token
    owner = served.token
  })
  afterAll(async () => {
    await caddy?.[Symbol.asyncDispose]()
    behind?.close()
    await served?.[Symbol.asyncDispose]()
  })

  /** What reached the service meanwhile. */
  const passedOn = async (work: () => Promise<unknown>) => {
    const before = behind.seen.length
    await work()
    return behind.seen.slice(before)
  }

  it('lets through whom the hub lets, with the body, the query and the name of the principal', async () => {
    const [first, second] = await passedOn(async () => {
      const answer = await clientOf(caddy.url, reader)('/app/orders?x=1,2')
      expect([answer.status, answer.text]).toEqual([200, 'the service'])
      const body = { amount: 7, note: 'x'.repeat(100_000) }
      expect((await clientOf(caddy.url, owner)('/app/orders', { method: 'POST', body })).status).toBe(200)
    })
    expect(first).toMatchObject({ method: 'GET', url: '/app/orders?x=1,2' })
    expect(first?.headers['polity-principal']).toBe('user:reader')
    expect(JSON.parse(second?.body ?? '')).toMatchObject({ amount: 7 })
    expect(second?.headers['polity-principal']).toBe('user:owner')
    // The token is for the hub alone.
    for (const each of [first, second]) expect(each?.headers.authorization).toBeUndefined()
  })

  it('lets nobody else through', async () => {
    const seen = await passedOn(async () => {
      const asReader = clientOf(caddy.url, reader)
      expect((await asReader('/app/orders', { method: 'DELETE' })).status).toBe(403)
      expect((await asReader('/app/orders', { method: 'POST', body: {} })).status).toBe(403)
      expect((await clientOf(caddy.url)('/app/orders')).status).toBe(401)
      expect((await clientOf(caddy.url, 'pol_0000000000000000_x')('/app/orders')).status).toBe(401)
    })
    expect(seen).toEqual([])
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    const denied = entries.find(({ data }) => data.action === 'outside.check@1')
    expect(denied).toMatchObject({
      actor: 'user:reader',
      data: {
        effect: 'denied',
        resource: 'outside/http/127.0.0.1/app/orders',
        context: { operation: 'http.delete' },
      },
    })
  })

  it('believes nothing that a client says of itself', async () => {
    const claims = {
      'X-Forwarded-Method': 'GET',
      'X-Forwarded-Uri': '/public',
      'X-Forwarded-Host': 'public.example',
      'X-Forwarded-For': '127.0.0.1',
      'Polity-Principal': 'user:owner',
      'X-Original-Method': 'GET',
      'X-HTTP-Method-Override': 'GET',
    }
    const seen = await passedOn(async () => {
      const asReader = clientOf(caddy.url, reader)
      expect((await asReader('/app/orders', { method: 'DELETE', headers: claims })).status).toBe(403)
      expect((await clientOf(caddy.url)('/app/orders', { headers: claims })).status).toBe(401)
      expect((await asReader('/app/orders', { headers: claims })).status).toBe(200)
    })
    expect(seen.map(({ method, headers }) => [method, headers['polity-principal']])).toEqual([
      ['GET', 'user:reader'],
    ])
    // Twice, as a list: what Caddy sets replaces all of them.
    const doubled = await exchangeRaw(
      caddy.url,
      [
        'DELETE /app/orders HTTP/1.1',
        'Host: app.example',
        `Authorization: Bearer ${reader}`,
        'X-Forwarded-Method: GET',
        'X-Forwarded-Method: HEAD',
        'Connection: close',
        '\r\n',
      ].join('\r\n'),
    )
    expect(doubled).toMatch(/^HTTP\/1\.1 403 /)
  })

  it('takes no word of the client for how bad it may get, whatever its configuration forgets', async () => {
    const forgetful = snippet(served.url, behind.url).replace('forward-auth? ', 'forward-auth ')
    await using careless = await startCaddy(forgetful)
    const seen = await passedOn(async () => {
      for (const { url } of [caddy, careless])
        for (const query of ['risk=low', 'risk=low&autonomous=false', 'autonomous=false', 'r%69sk=low'])
          expect((await clientOf(url, reader)(`/app/orders?${query}`, { method: 'DELETE' })).status).toBe(403)
    })
    expect(seen).toEqual([])
  })

  it('lets nothing through that can be read in two ways', async () => {
    const seen = await passedOn(async () => {
      for (const path of [
        '/app//orders',
        '/app/./orders',
        '/app/x/../orders',
        '/app/x/%2e%2e/orders',
        '/app/%2forders',
        '/app/%252e%252e/orders',
        '/app/;x/orders',
      ]) {
        const answer = await exchangeRaw(
          caddy.url,
          `GET ${path} HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer ${owner}\r\nConnection: close\r\n\r\n`,
        )
        expect([path, /^HTTP\/1\.1 40[0-9] /.test(answer)]).toEqual([path, true])
      }
    })
    expect(seen).toEqual([])
  })

  it('lets no WebSocket through that the hub has not let through', async () => {
    const upgrade = async (token: string) => {
      const socket = connect(Number(new URL(caddy.url).port), '127.0.0.1')
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

describe.skipIf(CADDY === undefined)('behind Caddy nothing passes', () => {
  it('that people would have to agree to first', async () => {
    await using served = await hubThatTrusts('127.0.0.1')
    const behind = await serviceBehind()
    onTestFinished(behind.close)
    await using caddy = await startCaddy(snippet(served.url, behind.url, 'risk=critical'))
    const robot = await served.issue({ kind: 'service', id: 'robot', roles: ['owner'] })
    expect((await clientOf(caddy.url, robot.token)('/app/orders')).status).toBe(403)
    expect(behind.seen).toEqual([])
  })

  it('without a hub, however it is missing', async () => {
    const served = await hubThatTrusts('127.0.0.1')
    const behind = await serviceBehind()
    const silent = createServer((request) => request.socket.destroy()).listen(0, '127.0.0.1')
    onTestFinished(() => {
      behind.close()
      silent.close()
    })
    await once(silent, 'listening')
    const silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    {
      await using caddy = await startCaddy(snippet(served.url, behind.url))
      const asOwner = clientOf(caddy.url, served.token)
      expect((await asOwner('/app/orders')).status).toBe(200)
      await served[Symbol.asyncDispose]()
      for (const method of ['GET', 'POST'])
        expect((await asOwner('/app/orders', { method })).status).toBe(502)
    }
    {
      await using caddy = await startCaddy(snippet(silentUrl, behind.url))
      expect((await clientOf(caddy.url, 'pol_x')('/app/orders')).status).toBe(502)
    }
    expect(behind.seen).toHaveLength(1)
  })

  it('that comes through a proxy which the operator has not named', async () => {
    await using served = await hubThatTrusts()
    const behind = await serviceBehind()
    onTestFinished(behind.close)
    await using caddy = await startCaddy(snippet(served.url, behind.url))
    expect((await clientOf(caddy.url, served.token)('/app/orders')).status).toBe(403)
    expect(behind.seen).toEqual([])
  })
})
