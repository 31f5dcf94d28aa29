import { once } from 'node:events'
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { clientOf } from './fixtures/client.ts'
import { serve } from './fixtures/served.ts'

const listening = async (server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A reverse proxy as nginx with auth_request is one: it asks, and passes on what it is allowed to. */
async function proxied(hubUrl: string, query = '') {
  const seen: IncomingMessage[] = []
  const service = createServer((request, response) => {
    seen.push(request)
    response.end('the service')
  })
  const serviceUrl = await listening(service)
  const proxy = createServer((request, response) => {
    const { authorization, cookie, host = '' } = request.headers
    const asking = httpRequest(`${hubUrl}/v1/forward-auth${query}`, {
      headers: {
        ...(authorization === undefined ? {} : { authorization }),
        ...(cookie === undefined ? {} : { cookie }),
        'x-forwarded-for': '203.0.113.9',
        'x-forwarded-method': request.method ?? '',
        'x-forwarded-host': host,
        'x-forwarded-uri': request.url ?? '',
      },
    })
    asking.end()
    asking.once('response', (answer) => {
      const { statusCode = 500, headers } = answer.resume()
      if (statusCode !== 200) return response.writeHead(statusCode).end()
      const passed = httpRequest(serviceUrl + request.url, {
        method: request.method ?? 'GET',
        headers: { 'polity-principal': String(headers['polity-principal']) },
      })
      passed.once('response', (last) => last.pipe(response.writeHead(last.statusCode ?? 500)))
      passed.end()
    })
  })
  const url = await listening(proxy)
  return {
    url,
    seen,
    [Symbol.dispose]() {
      proxy.close()
      service.close()
    },
  }
}

const trusting = async () => serve(await openHub({ modules: [] }), { trustedProxies: ['127.0.0.1'] })
const asked = (uri: string, more: object = {}) => ({
  headers: {
    'x-forwarded-method': 'GET',
    'x-forwarded-host': 'app.example',
    'x-forwarded-uri': uri,
    ...more,
  },
})

describe('a proxy that asks', () => {
  it('and sends the query of its client along as its own lets nothing through', async () => {
    await using served = await trusting()
    const reader = await served.issue({ kind: 'user', id: 'reader' })
    const asReader = clientOf(served.url, reader.token)
    const deleting = (query: string, uri: string) =>
      asReader(`/v1/forward-auth${query}`, asked(uri, { 'x-forwarded-method': 'DELETE' }))
    for (const [query, uri] of [
      ['?risk=low', '/orders/7?risk=low'],
      ['?risk=low&autonomous=false', '/orders/7?risk=low&autonomous=false'],
      ['?risk=low', '/orders/7?r%69sk=low'],
      ['?risk=%6cow', '/orders/7?risk=low'],
    ] as const)
      expect([query, uri, (await deleting(query, uri)).status]).toEqual([query, uri, 403])
    // What the proxy says itself stands, whatever the client asks for.
    expect((await deleting('?risk=low', '/orders/7')).status).toBe(200)
    expect((await deleting('?risk=low', '/orders/7?risk=high')).status).toBe(200)
    expect((await deleting('', '/orders/7?risk=low')).status).toBe(403)
  })

  it('lets through whom the hub lets, and nobody else', async () => {
    await using served = await trusting()
    using proxy = await proxied(served.url)
    const reader = await served.issue({ kind: 'user', id: 'reader' })
    const asReader = clientOf(proxy.url, reader.token)
    expect((await asReader('/orders/7?x=1,2')).text).toBe('the service')
    expect(proxy.seen[0]?.headers['polity-principal']).toBe('user:reader')
    expect((await asReader('/orders/7', { method: 'DELETE' })).status).toBe(403)
    expect((await clientOf(proxy.url, served.token)('/orders/7', { method: 'DELETE' })).status).toBe(200)
    expect((await clientOf(proxy.url)('/orders/7')).status).toBe(401)
    expect((await clientOf(proxy.url, 'pol_0000000000000000_x')('/orders/7')).status).toBe(401)
    expect(proxy.seen).toHaveLength(2)
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    expect(entries.filter(({ data }) => data.action === 'outside.check@1')).toMatchObject([
      {
        actor: 'user:reader',
        data: {
          effect: 'denied',
          risk: 'medium',
          context: { operation: 'http.delete', resourceType: 'http' },
        },
      },
    ])
  })

  it('says in its own configuration how bad it may get', async () => {
    await using served = await trusting()
    using proxy = await proxied(served.url, '?risk=high')
    const reader = await served.issue({ kind: 'user', id: 'reader' })
    expect((await clientOf(proxy.url, reader.token)('/')).status).toBe(403)
    expect((await served.owner('/v1/forward-auth?risk=none', asked('/'))).status).toBe(400)
  })

  it('is believed only where the operator trusts it', async () => {
    await using served = await serve(await openHub({ modules: [] }))
    const { status, json } = await served.owner('/v1/forward-auth', asked('/'))
    expect([status, json]).toMatchObject([
      403,
      { code: 'denied', detail: expect.stringContaining('trustedProxies') },
    ])
  })

  it('gets no answer but no for a path that can be read in two ways', async () => {
    await using served = await trusting()
    for (const uri of [
      '/public/../admin',
      '/public/%2e%2e/admin',
      '/public/..%2fadmin',
      '/public/%252e%252e/admin',
      '/public//admin',
      '/public\\admin',
      '/public/;x/admin',
      '/public/%00',
      '/public/%zz',
      '/public#/../admin',
      '/./admin',
      'http://app.example/admin',
      `/${'a'.repeat(300)}`,
      '/a b',
      '',
    ])
      expect([uri, (await served.owner('/v1/forward-auth', asked(uri))).status]).toEqual([uri, 403])
  })

  it('has one name for one path', async () => {
    await using served = await trusting()
    const stranger = await served.issue({ kind: 'user', id: 'stranger', scopes: ['state'] })
    const asStranger = clientOf(served.url, stranger.token)
    for (const uri of ['/admin', '/%61dmin', '/admin/', '/admin?next=/public'])
      expect((await asStranger('/v1/forward-auth', asked(uri))).status).toBe(403)
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    const resources = entries.flatMap(({ data }) =>
      data.action === 'outside.check@1' ? [data.resource] : [],
    )
    expect(new Set(resources)).toEqual(new Set(['outside/http/app.example/admin']))
  })

  it('has one name for one host, whatever port the client makes up', async () => {
    await using served = await trusting()
    const stranger = await served.issue({ kind: 'user', id: 'stranger', scopes: ['state'] })
    const asStranger = clientOf(served.url, stranger.token)
    for (const host of ['app.example', 'APP.example', 'app.example:443', 'app.example:1'])
      expect(
        (await asStranger('/v1/forward-auth', asked('/admin', { 'x-forwarded-host': host }))).status,
      ).toBe(403)
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    const denied = entries.filter(({ data }) => data.action === 'outside.check@1')
    expect(new Set(denied.map(({ data }) => data.resource))).toEqual(
      new Set(['outside/http/app.example/admin']),
    )
    for (const host of ['app.example.', 'app.example.:443', '.app.example', 'app..example', 'app.example:'])
      expect(
        (await served.owner('/v1/forward-auth', asked('/admin', { 'x-forwarded-host': host }))).status,
      ).toBe(403)
  })

  it('is refused with what no proxy sends', async () => {
    await using served = await trusting()
    for (const more of [
      { 'x-forwarded-method': 'GET, DELETE' },
      { 'x-forwarded-method': 'STEAL' },
      { 'x-forwarded-host': 'a.example, b.example' },
      { 'x-forwarded-host': 'a.example/admin' },
      { 'x-forwarded-host': '' },
    ])
      expect((await served.owner('/v1/forward-auth', asked('/', more))).status).toBe(403)
  })
})
