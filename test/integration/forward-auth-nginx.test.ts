// The snippet of docs/decisions.md in a real nginx: whom it lets through, and that nothing passes otherwise.

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, exchangeRaw } from '../../src/doors/http/fixtures/client.ts'
import { NGINX, startNginx } from './nginx.ts'
import { hubThatTrusts, type RunningProxy, serviceBehind } from './proxy.ts'

if (NGINX === undefined)
  console.warn('SKIPPED: there is no nginx, so the snippet of docs/decisions.md is not run')

const DOC = readFileSync(join(import.meta.dirname, '../../docs/decisions.md'), 'utf8')
const SNIPPET = /```nginx\n(.*?)```/s.exec(DOC)?.[1] ?? ''

/** What is written there, with the addresses of this test. */
function snippet(hub: string, service: string, query = ''): string {
  expect(SNIPPET.split('http://127.0.0.1:7070/v1/forward-auth;')).toHaveLength(2)
  expect(SNIPPET.split('http://127.0.0.1:3000;')).toHaveLength(2)
  return SNIPPET.replace('http://127.0.0.1:7070/v1/forward-auth;', `${hub}/v1/forward-auth${query};`).replace(
    'http://127.0.0.1:3000;',
    `${service};`,
  )
}

describe.skipIf(NGINX === undefined)('nginx with the snippet of the documentation', () => {
  let served: Awaited<ReturnType<typeof hubThatTrusts>>
  let behind: Awaited<ReturnType<typeof serviceBehind>>
  let nginx: RunningProxy
  let reader: string
  let owner: string

  beforeAll(async () => {
    served = await hubThatTrusts('127.0.0.1')
    behind = await serviceBehind()
    nginx = await startNginx(snippet(served.url, behind.url))
    reader = (await served.issue({ kind: 'user', id: 'reader' })).token
    owner = served.token
  })
  afterAll(async () => {
    await nginx?.[Symbol.asyncDispose]()
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
      const answer = await clientOf(nginx.url, reader)('/app/orders?x=1,2')
      expect([answer.status, answer.text]).toEqual([200, 'the service'])
      const body = { amount: 7, note: 'x'.repeat(100_000) }
      expect((await clientOf(nginx.url, owner)('/app/orders', { method: 'POST', body })).status).toBe(200)
    })
    expect(first).toMatchObject({ method: 'GET', url: '/app/orders?x=1,2' })
    expect(first?.headers['polity-principal']).toBe('user:reader')
    expect(JSON.parse(second?.body ?? '')).toMatchObject({ amount: 7 })
    expect(second?.headers['polity-principal']).toBe('user:owner')
    // The token is for the hub alone.
    for (const each of [first, second]) expect(each?.headers.authorization).toBeUndefined()
  })

  it('lets a body in pieces through, of which nobody knows the length', async () => {
    const [seen] = await passedOn(async () => {
      const answer = await fetch(`${nginx.url}/app/upload`, {
        method: 'POST',
        headers: { authorization: `Bearer ${owner}` },
        body: new ReadableStream({
          start(controller) {
            for (const piece of ['one', 'two', 'three']) controller.enqueue(Buffer.from(piece))
            controller.close()
          },
        }),
        duplex: 'half',
      } as RequestInit)
      expect(answer.status).toBe(200)
    })
    expect(seen?.body).toBe('onetwothree')
  })

  it('lets nobody else through', async () => {
    const seen = await passedOn(async () => {
      const asReader = clientOf(nginx.url, reader)
      expect((await asReader('/app/orders', { method: 'DELETE' })).status).toBe(403)
      expect((await asReader('/app/orders', { method: 'POST', body: {} })).status).toBe(403)
      expect((await clientOf(nginx.url)('/app/orders')).status).toBe(401)
      expect((await clientOf(nginx.url, 'pol_0000000000000000_x')('/app/orders')).status).toBe(401)
    })
    expect(seen).toEqual([])
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    const denied = entries.find(({ data }) => data.action === 'outside.check@1')
    expect(denied).toMatchObject({
      actor: 'user:reader',
      data: {
        effect: 'denied',
        resource: `outside/http/${new URL(nginx.url).hostname}/app/orders`,
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
      const asReader = clientOf(nginx.url, reader)
      expect((await asReader('/app/orders', { method: 'DELETE', headers: claims })).status).toBe(403)
      expect((await clientOf(nginx.url)('/app/orders', { headers: claims })).status).toBe(401)
      expect((await asReader('/app/orders', { headers: claims })).status).toBe(200)
    })
    expect(seen.map(({ method, headers }) => [method, headers['polity-principal']])).toEqual([
      ['GET', 'user:reader'],
    ])
    // Twice, as a list: what nginx sets replaces all of them.
    const doubled = await exchangeRaw(
      nginx.url,
      [
        'DELETE /app/orders HTTP/1.1',
        'Host: app.example',
        `Authorization: Bearer ${reader}`,
        'X-Forwarded-Method: GET',
        'X-Forwarded-Method: HEAD',
        'X_Forwarded_Method: GET',
        'Connection: close',
        '\r\n',
      ].join('\r\n'),
    )
    expect(doubled).toMatch(/^HTTP\/1\.1 403 /)
  })

  it('does not open the way to the hub itself', async () => {
    const asOwner = clientOf(nginx.url, owner)
    for (const path of ['/polity', '/polity?risk=low']) expect((await asOwner(path)).status).toBe(404)
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
        '/app\\orders',
      ]) {
        const { status } = await clientOf(nginx.url, owner)(path)
        expect([path, [403, 404].includes(status)]).toEqual([path, true])
      }
    })
    expect(seen).toEqual([])
  })

  it('promises no WebSocket: an upgrade is an ordinary request for whoever is behind', async () => {
    const seen = await passedOn(async () => {
      const socket = connect(Number(new URL(nginx.url).port), '127.0.0.1')
      socket.write(
        `GET /app/live HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer ${reader}\r\n` +
          'Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n',
      )
      const [first] = (await once(socket, 'data')) as [Buffer]
      expect(first.toString()).toMatch(/^HTTP\/1\.1 200 /)
      socket.destroy()
    })
    expect(seen.map(({ method, headers }) => [method, headers.upgrade])).toEqual([['GET', undefined]])
  })
})

describe.skipIf(NGINX === undefined)('behind nginx nothing passes', () => {
  it('that people would have to agree to first', async () => {
    await using served = await hubThatTrusts('127.0.0.1')
    const behind = await serviceBehind()
    await using nginx = await startNginx(snippet(served.url, behind.url, '?risk=critical'))
    const robot = await served.issue({ kind: 'service', id: 'robot', roles: ['owner'] })
    expect((await clientOf(nginx.url, robot.token)('/app/orders')).status).toBe(403)
    expect(behind.seen).toEqual([])
    behind.close()
  })

  it('without a hub, however it is missing', async () => {
    const served = await hubThatTrusts('127.0.0.1')
    const behind = await serviceBehind()
    const silent = createServer((request) => request.socket.destroy()).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const silentUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`
    {
      await using nginx = await startNginx(snippet(served.url, behind.url))
      const asOwner = clientOf(nginx.url, served.token)
      expect((await asOwner('/app/orders')).status).toBe(200)
      await served[Symbol.asyncDispose]()
      for (const method of ['GET', 'POST'])
        expect((await asOwner('/app/orders', { method })).status).toBe(500)
    }
    {
      await using nginx = await startNginx(snippet(silentUrl, behind.url))
      expect((await clientOf(nginx.url, 'pol_x')('/app/orders')).status).toBe(500)
    }
    expect(behind.seen).toHaveLength(1)
    silent.close()
    behind.close()
  })

  it('that comes through a proxy which the operator has not named', async () => {
    await using served = await hubThatTrusts()
    const behind = await serviceBehind()
    await using nginx = await startNginx(snippet(served.url, behind.url))
    expect((await clientOf(nginx.url, served.token)('/app/orders')).status).toBe(403)
    expect(behind.seen).toEqual([])
    behind.close()
  })
})
