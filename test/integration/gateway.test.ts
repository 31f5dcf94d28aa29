// The service gateway against real backends: what passes, what is refused, and how backends may fail.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { backend, deadUrl, openGatewayHub, raw, type Seen, tcpBackend } from './gateway-backend.ts'

const problem = (json: unknown) => (json as { readonly code?: string }).code
const seenOf = (json: unknown) => json as Seen

/** A request whose answer is read as it comes. */
async function stream(url: string, path: string, token: string, method = 'GET', begun = '') {
  const outgoing = httpRequest(url, {
    path,
    method,
    agent: false,
    headers: { authorization: `Bearer ${token}` },
  })
  outgoing.on('error', () => undefined)
  if (method === 'GET') outgoing.end()
  else outgoing.write(begun)
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  return { outgoing, answer }
}

describe('a request through the gateway', () => {
  it('says https where the proxy that the operator trusts says so, and nobody else', async () => {
    for (const [trustedProxies, scheme] of [
      [['127.0.0.1'], 'https'],
      [[], 'http'],
    ] as const) {
      await using served = await openGatewayHub({}, { trustedProxies })
      const { url, seen } = await backend()
      await served.register('telos', url)
      const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' }
      expect((await served.owner('/svc/telos/a', { headers })).status).toBe(200)
      const address = scheme === 'https' ? '203.0.113.9' : '127.0.0.1'
      expect(seen[0]?.headers).toMatchObject({ 'x-forwarded-proto': scheme, 'x-forwarded-for': address })
      expect(seen[0]?.headers.forwarded).toMatch(new RegExp(`^for=${address};.*proto=${scheme}$`))
    }
  })

  it('arrives as it was sent, without the credentials, and with our word about the caller', async () => {
    await using served = await openGatewayHub()
    const { url, seen } = await backend()
    await served.register('telos', `${url}/api`)
    const { status, json, headers } = await served.owner('/svc/telos/plans/42?q=a%20b&q=c', {
      method: 'POST',
      body: { hello: 'Grüße' },
      headers: {
        cookie: 'a=1; polity_session=x; b=2',
        forwarded: 'for=9.9.9.9',
        'x-forwarded-for': '9.9.9.9',
        'x-real-ip': '9.9.9.9',
        'polity-principal': 'user:root',
        'proxy-authorization': 'Basic x',
        connection: 'x-private, x-forwarded-proto',
        'x-private': 'secret',
        te: 'trailers',
        'x-kept': 'yes',
      },
    })
    expect(status).toBe(200)
    expect(seenOf(json)).toMatchObject({
      method: 'POST',
      url: '/api/plans/42?q=a%20b&q=c',
      body: '{"hello":"Grüße"}',
    })
    const got = seen[0]?.headers ?? {}
    const host = new URL(served.url).host
    expect(got).toMatchObject({
      host: new URL(url).host,
      cookie: 'a=1; b=2',
      forwarded: `for=127.0.0.1;host="${host}";proto=http`,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': host,
      'x-forwarded-proto': 'http',
      'x-forwarded-prefix': '/svc/telos',
      'polity-principal': 'user:owner',
      'x-kept': 'yes',
      via: '1.1 polity',
    })
    for (const name of ['authorization', 'proxy-authorization', 'x-private', 'x-real-ip', 'te'])
      expect(got).not.toHaveProperty(name)
    expect(headers['content-security-policy']).toContain('sandbox')
    expect(headers['x-content-type-options']).toBe('nosniff')
  })

  it('keeps strange paths literal, unless they could lead elsewhere than they say', async () => {
    await using served = await openGatewayHub()
    const { url } = await backend()
    await served.register('bare', url)
    await served.register('based', `${url}/api`)
    for (const path of ['//x//y', '/%00', '/@me', '', '/x?a;b=c'])
      expect(seenOf((await served.owner(`/svc/bare${path}`)).json).url).toBe(path || '/')
    for (const path of [
      '/../x',
      '/a/%2e%2e/%2E./x',
      '/a/..',
      '/..%2fx',
      '/%2e%2e%5cx',
      '/x%2f..%2fy',
      '/..;/x',
      '/a;b=c',
      '/x%3Bc',
    ])
      for (const id of ['bare', 'based'])
        expect(problem((await served.owner(`/svc/${id}${path}`)).json)).toBe('gateway.refused')
    expect(seenOf((await served.owner('/svc/based/a..b/...')).json).url).toBe('/api/a..b/...')
    for (const path of ['/svc/', '/svc/A/x', '/svc/%62are/x', '/svc/__proto__/x'])
      expect(problem((await served.owner(path)).json)).toMatch(/^(gateway\.refused|components\.unknown)$/)
    expect((await served.owner('/svc/nobody/x')).status).toBe(404)
  })

  it('passes every method but those that are no business of a component', async () => {
    await using served = await openGatewayHub()
    const { url } = await backend()
    await served.register('telos', url)
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
      expect(seenOf((await served.owner('/svc/telos/x', { method })).json).method).toBe(method)
    const head = await served.owner('/svc/telos/x', { method: 'HEAD' })
    expect([head.status, head.bytes.length]).toEqual([200, 0])
    expect((await served.owner('/svc/telos/x', { method: 'TRACE' })).status).toBeGreaterThanOrEqual(400)
  })

  it('is decided: reading is for everybody, the rest for whom rules permit it; denials are recorded', async () => {
    await using served = await openGatewayHub()
    const { url, seen } = await backend()
    await served.register('telos', url)
    const { token } = await served.issue({ kind: 'agent', id: 'bot' })
    const bot = (method: string) =>
      served.owner('/svc/telos/plans/7', { method, headers: { authorization: `Bearer ${token}` } })
    expect((await bot('GET')).status).toBe(200)
    expect(seen[0]?.headers['polity-principal']).toBe('agent:bot')
    const denied = await bot('POST')
    expect([denied.status, problem(denied.json)]).toEqual([403, 'denied'])
    expect(seen).toHaveLength(1)
    expect((await served.anyone('/svc/telos/x')).status).toBe(401)
    const scoped = await served.issue({ kind: 'agent', id: 'narrow', scopes: ['state'] })
    const narrow = await served.anyone('/svc/telos/x', {
      headers: { authorization: `Bearer ${scoped.token}` },
    })
    expect(narrow.status).toBe(403)
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    const about = entries.filter(({ data }) => data.action === 'gateway.request@1')
    expect(about.map(({ data }) => [data.effect, data.resource, data.input])).toEqual([
      ['denied', 'component/telos', { component: 'telos', method: 'POST', path: '/plans/{id}' }],
      ['denied', 'component/telos', { component: 'telos', method: 'GET', path: '/x' }],
    ])
  })

  it('never forwards an answer that speaks for the hub', async () => {
    await using served = await openGatewayHub()
    const { url } = await backend((_, response) => {
      response.writeHead(200, [
        ...['set-cookie', 'polity_session=stolen; Path=/', 'set-cookie', 'own=1'],
        ...['clear-site-data', '"*"', 'strict-transport-security', 'max-age=1'],
        ...['polity-cursor', 'x', 'connection', 'x-hop', 'x-hop', '1', 'x-kept', '1'],
        ...['content-security-policy', "default-src 'self'"],
      ])
      response.end('hi')
    })
    await served.register('telos', url)
    const { headers } = await served.owner('/svc/telos/')
    expect(headers['set-cookie']).toEqual(['own=1; Path=/svc/telos'])
    for (const name of ['clear-site-data', 'strict-transport-security', 'polity-cursor', 'x-hop'])
      expect(headers).not.toHaveProperty(name)
    expect(headers['x-kept']).toBe('1')
    expect(headers['content-security-policy']).toContain("default-src 'self', sandbox")
  })

  it('shows redirects within the component as its own paths, and others as they are', async () => {
    await using served = await openGatewayHub()
    let location = ''
    const { url } = await backend((_, response) => response.writeHead(302, { location }).end())
    await served.register('telos', `${url}/api`)
    for (const [given, shown] of [
      [`${url}/api/x?y#z`, '/svc/telos/x?y#z'],
      ['/api/login', '/svc/telos/login'],
      ['/api', '/svc/telos'],
      ['/apiary', '/apiary'],
      ['next', 'next'],
      ['//evil.example/api/x', '//evil.example/api/x'],
      ['https://evil.example/api/x', 'https://evil.example/api/x'],
      ['/api/../../v1', '/api/../../v1'],
    ] as const) {
      location = given
      const answer = await served.owner('/svc/telos/')
      expect([answer.status, answer.headers.location]).toEqual([302, shown])
    }
  })

  it('that leads back to the hub is nobody on this machine', async () => {
    await using served = await openGatewayHub()
    await served.register('self', served.url)
    expect((await served.anyone('/metrics')).status).toBe(200)
    expect((await served.owner('/svc/self/metrics')).status).toBe(401)
    expect((await served.anyone('/metrics', { headers: { 'x-forwarded-for': '192.0.2.1' } })).status).toBe(
      401,
    )
    expect((await served.owner('/svc/self/svc/self/metrics')).status).toBe(401)
  })

  it('is decided by one form of its path, however that is written', async () => {
    await using served = await openGatewayHub()
    const { url } = await backend()
    await served.register('telos', url)
    const { token } = await served.issue({ kind: 'agent', id: 'bot' })
    for (const path of ['/admin', '/%61dmin', '//admin'])
      await served.owner(`/svc/telos${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      })
    const { entries } = await served.hub.log.read({ limit: 100, type: 'action.decided@1' })
    const about = entries.filter(({ data }) => data.action === 'gateway.request@1')
    // The same denial again is counted, and not written again.
    expect(about.map(({ data }) => data.input)).toEqual([
      { component: 'telos', method: 'POST', path: '/admin' },
    ])
  })

  it('leads a servlet container nowhere but where the rules say', async () => {
    await using served = await openGatewayHub()
    // Some containers leave parameters out before they undo escapes, some after.
    const { url } = await backend((request, response) => {
      const path = decodeURIComponent(request.url?.split('?')[0] ?? '').replaceAll(/;[^/]*/g, '')
      response.end(path === '/admin' ? 'the crown jewels' : path)
    })
    await served.register('tomcat', url)
    expect((await served.owner('/svc/tomcat/admin')).text).toBe('the crown jewels')
    expect((await served.owner('/svc/tomcat/public?a;b')).text).toBe('/public')
    for (const path of [
      '/admin;x',
      '/admin;',
      '/admin%3bx',
      '/admin%3B',
      '/;x/admin',
      '/admin;/',
      '/%61dmin;x=1',
      '/public;/../admin',
    ]) {
      const { status, json, text } = await served.owner(`/svc/tomcat${path}`)
      expect([path, status, problem(json)]).toEqual([path, 400, 'gateway.refused'])
      expect(text).not.toContain('jewels')
    }
  })

  it('refuses what two readers could read differently', async () => {
    await using served = await openGatewayHub()
    const { url, seen } = await backend()
    await served.register('telos', url)
    const host = new URL(served.url).host
    const send = (lines: readonly string[], body = '') =>
      raw(
        served.url,
        [
          `POST /svc/telos/x HTTP/1.1`,
          `Host: ${host}`,
          `Authorization: Bearer ${served.token}`,
          'Connection: close',
          ...lines,
          '',
          body,
        ].join('\r\n'),
      )
    const inner = 'GET /svc/telos/smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
    for (const lines of [
      ['Content-Length: 5', 'Transfer-Encoding: chunked'],
      ['Content-Length: 5', 'Content-Length: 6'],
      ['Transfer-Encoding: chunked, identity'],
      ['Transfer-Encoding: xchunked'],
      ['Transfer-Encoding : chunked'],
      ['Content-Length: +5'],
      ['Content-Length: 0x5'],
      ['X: a\nTransfer-Encoding: chunked'],
      ['Host: elsewhere.example', 'Content-Length: 0'],
    ])
      expect((await send(lines, `0\r\n\r\n${inner}`)).slice(0, 12)).toBe('HTTP/1.1 400')
    expect(seen).toEqual([])
    const coded = await send(['Transfer-Encoding: gzip, chunked'], '3\r\nabc\r\n0\r\n\r\n')
    expect(coded.slice(0, 12)).toBe('HTTP/1.1 400')
    const older = `POST /svc/telos/x HTTP/1.0\r\nHost: ${host}\r\nAuthorization: Bearer ${served.token}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
    expect((await raw(served.url, older)).slice(0, 12)).toBe('HTTP/1.1 400')
    await send(['Transfer_Encoding: chunked', 'Content_Length: 9', 'Content-Length: 0'])
    expect(seen.pop()?.headers).not.toHaveProperty('transfer_encoding')
    expect(seen).toEqual([])
    const fine = await send(['Transfer-Encoding: chunked'], '3\r\nabc\r\n0\r\n\r\n')
    expect(fine.slice(0, 12)).toBe('HTTP/1.1 200')
    expect(seen.map(({ body }) => body)).toEqual(['abc'])
  })
})

describe('bodies', () => {
  it('stream both ways at once, and are never collected', async () => {
    await using served = await openGatewayHub()
    const { url } = await backend((request, response) => {
      response.writeHead(200)
      response.flushHeaders()
      request.pipe(response)
    })
    await served.register('echo', url)
    const outgoing = httpRequest(served.url, {
      path: '/svc/echo/',
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${served.token}`, 'content-encoding': 'gzip' },
    })
    outgoing.flushHeaders()
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    const chunks = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    for (const word of ['one', 'two', 'three']) {
      outgoing.write(word)
      expect(String((await chunks.next()).value)).toBe(word)
    }
    outgoing.end()
    expect((await chunks.next()).done).toBe(true)
  })

  it('may have so many bytes and no more, whether they say so or not', async () => {
    await using served = await openGatewayHub({ gateway: { bodySizeMaxBytes: 1000 } })
    const { url, seen } = await backend()
    await served.register('telos', url)
    const post = (body: string, headers = {}) =>
      served.owner('/svc/telos/', { method: 'POST', body, headers })
    expect((await post('x'.repeat(1000))).status).toBe(200)
    expect((await post('x'.repeat(1001))).status).toBe(413)
    const outgoing = httpRequest(served.url, {
      path: '/svc/telos/',
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${served.token}`, 'transfer-encoding': 'chunked' },
    })
    outgoing.on('error', () => undefined)
    outgoing.write('x'.repeat(600))
    outgoing.write('x'.repeat(600))
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    expect(answer.statusCode).toBe(413)
    outgoing.destroy()
    expect(seen.filter(({ body }) => body.length > 1000)).toEqual([])
  })

  it('of one principal leave room for those of others', async () => {
    await using served = await openGatewayHub({ gateway: { exchangesMax: 4 } })
    const { url } = await backend((request, response) => {
      if (request.url === '/hang') response.writeHead(200).flushHeaders()
      else response.end('quick')
    })
    await served.register('telos', url)
    const { token } = await served.issue({ kind: 'agent', id: 'hog' })
    const held = await Promise.all([1, 2, 3].map(() => stream(served.url, '/svc/telos/hang', token)))
    const hog = () => served.anyone('/svc/telos/', { headers: { authorization: `Bearer ${token}` } })
    expect([(await hog()).status, (await served.owner('/svc/telos/')).status]).toEqual([429, 200])
    for (const { outgoing } of held) outgoing.destroy()
    while ((await hog()).status === 429) await new Promise((resolve) => setTimeout(resolve, 5))
  })

  it('go through a hundred at a time', async () => {
    await using served = await openGatewayHub()
    const open: (() => void)[] = []
    const all = Promise.withResolvers<void>()
    const { url } = await backend((request, response) => {
      response.writeHead(200)
      response.write(`first of ${request.url} `)
      open.push(() => response.end('last'))
      if (open.length === 100) all.resolve()
    })
    await served.register('telos', url)
    const streams = await Promise.all(
      Array.from({ length: 100 }, (_, at) => stream(served.url, `/svc/telos/${at}`, served.token)),
    )
    await all.promise
    for (const end of open) end()
    const texts = await Promise.all(streams.map(({ answer }) => text(answer)))
    expect(texts).toEqual(Array.from({ length: 100 }, (_, at) => `first of /${at} last`))
  })

  it('of event streams come event by event, and end with the token', async () => {
    await using served = await openGatewayHub()
    const { url } = await backend((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: one\n\n')
    })
    await served.register('events', url)
    const { id, token } = await served.issue({ kind: 'agent', id: 'bot' })
    const { answer } = await stream(served.url, '/svc/events/', token)
    const [first] = await once(answer, 'data')
    expect(String(first)).toBe('data: one\n\n')
    const closed = new Promise((resolve) => answer.on('error', () => undefined).once('close', resolve))
    await served.owner('/v1/actions/token.revoke', { method: 'POST', body: { input: { id } } })
    await closed
    expect(answer.complete).toBe(false)
  })
})

describe('a backend that', () => {
  const quick = { connectMs: 300, headMs: 300, idleMs: 300 }

  it('is not there: 502, and the breaker opens: 503', async () => {
    await using served = await openGatewayHub()
    await served.register('gone', await deadUrl())
    const codes: unknown[] = []
    for (let at = 0; at < 7; at++) codes.push(problem((await served.owner('/svc/gone/')).json))
    expect(codes.slice(0, 5)).toEqual(Array(5).fill('gateway.unreachable'))
    expect(codes.slice(5)).toEqual(['target.open', 'target.open'])
  })

  it.each([
    ['hangs', () => undefined, 504],
    ['sends its head byte by byte for ever', drip('HTTP/1.1 200 OK\r\nX-Slow: '), 504],
    ['talks nonsense', (socket: { end(text: string): void }) => socket.end('NOT HTTP AT ALL\r\n\r\n'), 502],
    ['closes at once', (socket: { destroy(): void }) => socket.destroy(), 502],
    [
      'answers with two lengths',
      (socket: { end(text: string): void }) =>
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
      502,
    ],
    [
      'sends an endless head',
      (socket: { write(text: string): void }) =>
        socket.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1_000_000)}`),
      502,
    ],
  ])('%s', async (_, behave, status) => {
    await using served = await openGatewayHub({ gateway: quick })
    await served.register('bad', await tcpBackend(behave as Parameters<typeof tcpBackend>[0]))
    const answer = await served.owner('/svc/bad/')
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect((await served.owner('/v1/queries/components.list')).status).toBe(200)
  })

  it('dies in the middle of a body: the client sees that it is not whole', async () => {
    await using served = await openGatewayHub()
    for (const [id, head] of [
      ['chunked', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
      ['sized', 'Content-Length: 100\r\n\r\nhello'],
    ] as const) {
      await served.register(
        id,
        await tcpBackend((socket) => socket.once('data', () => socket.end(`HTTP/1.1 200 OK\r\n${head}`))),
      )
      const { answer } = await stream(served.url, `/svc/${id}/`, served.token)
      await expect(text(answer)).rejects.toThrow()
      expect(answer.complete).toBe(false)
    }
  })

  it('falls silent in the middle of a body is cut off', async () => {
    await using served = await openGatewayHub({ gateway: quick })
    await served.register(
      'silent',
      (await backend((_, response) => void response.writeHead(200).write('x'))).url,
    )
    const { answer } = await stream(served.url, '/svc/silent/', served.token)
    await expect(text(answer)).rejects.toThrow()
  })

  it('answers with a status that there is not: 502, and 204 has no length', async () => {
    await using served = await openGatewayHub()
    let head = ''
    const url = await tcpBackend((socket) =>
      socket.on('data', () =>
        socket.write(`HTTP/1.1 ${head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`),
      ),
    )
    await served.register('odd', url)
    for (head of ['099 Less', '000 None', '600 More', '999 Most'])
      expect(problem((await served.owner('/svc/odd/')).json)).toBe('gateway.unreachable')
    head = '204 Nothing'
    const { status, headers } = await served.owner('/svc/odd/')
    expect([status, headers['content-length']]).toEqual([204, undefined])
  })

  it('answers before it has the body: the next request of the connection is answered, too', async () => {
    await using served = await openGatewayHub()
    const url = await tcpBackend((socket) =>
      socket.once('data', () => {
        socket.write('HTTP/1.1 413 Too Much\r\nContent-Length: 0\r\n\r\n')
        socket.pause()
      }),
    )
    await served.register('early', url)
    const host = new URL(served.url).host
    const body = 'x'.repeat(8 * 1024 * 1024)
    const answers = await raw(
      served.url,
      `POST /svc/early/ HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${served.token}\r\nContent-Length: ${body.length}\r\n\r\n${body}` +
        `GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
    )
    expect(answers.match(/^HTTP\/1.1 \d+/gm)).toEqual(['HTTP/1.1 413', 'HTTP/1.1 200'])
  })

  it('codes its answer, or sends interim answers without end: 502', async () => {
    await using served = await openGatewayHub()
    for (const [id, head] of [
      ['coded', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx'],
      ['older', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
      ['hinting', 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)],
    ] as const) {
      await served.register(
        id,
        await tcpBackend((socket) => void socket.once('data', () => socket.write(head))),
      )
      expect(problem((await served.owner(`/svc/${id}/`)).json)).toBe('gateway.unreachable')
    }
  })

  it('closes in the middle of a body has its breaker opened by no client', async () => {
    await using served = await openGatewayHub()
    const url = await tcpBackend((socket) =>
      socket.once('data', (bytes: Buffer) => {
        if (String(bytes).startsWith('POST')) socket.destroy()
        else socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
      }),
    )
    await served.register('closing', url)
    for (let at = 0; at < 6; at++) {
      const { outgoing, answer } = await stream(served.url, '/svc/closing/', served.token, 'POST', 'half')
      expect(answer.statusCode).toBe(502)
      outgoing.destroy()
    }
    expect((await served.owner('/svc/closing/')).status).toBe(200)
  })

  it('answers 500 is passed on as it is, and no breaker opens', async () => {
    await using served = await openGatewayHub()
    const { url } = await backend((_, response) => response.writeHead(500).end('oops'))
    await served.register('bad', url)
    for (let at = 0; at < 10; at++) {
      const answer = await served.owner('/svc/bad/')
      expect([answer.status, answer.text]).toEqual([500, 'oops'])
    }
  })

  it('was killed with SIGKILL is replaced by another instance, for what may be sent twice', async () => {
    await using served = await openGatewayHub()
    const child = fork(new URL('./gateway-backend.child.ts', import.meta.url), { execArgv: [] })
    const [{ url: mortal }] = (await once(child, 'message')) as [{ url: string }]
    const other = await backend()
    await served.register('pair', [mortal, other.url])
    const statuses = async () =>
      new Set(
        await Promise.all(Array.from({ length: 30 }, async () => (await served.owner('/svc/pair/')).status)),
      )
    expect(await statuses()).toEqual(new Set([200]))
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(await statuses()).toEqual(new Set([200]))
  })

  it('took half a POST gets it once: it is not sent to another', async () => {
    await using served = await openGatewayHub()
    const bodies: string[] = []
    const killer = await tcpBackend((socket) =>
      socket.on('data', (bytes: Buffer) => {
        bodies.push(String(bytes))
        socket.destroy()
      }),
    )
    const { url, seen } = await backend()
    await served.register('killer', killer, { capabilities: ['work'] })
    await served.register('worker', url, { capabilities: ['work'] })
    let failed = 0
    for (let at = 0; at < 12 && failed === 0; at++) {
      const { status } = await served.owner('/svc/capability:work/', { method: 'POST', body: { at } })
      if (status === 502) failed += 1
    }
    expect(failed).toBe(1)
    const sent = seen.length + bodies.filter((each) => each.startsWith('POST')).length
    expect(sent).toBe(new Set([...seen.map(({ body }) => body), ...bodies]).size)
  })
})

describe('instances', () => {
  it('share the load, and are found by capability', async () => {
    await using served = await openGatewayHub()
    const [one, other, third] = [await backend(), await backend(), await backend()]
    await served.register('a', [one.url, other.url], { capabilities: ['plan'] })
    await served.register('b', third.url, { capabilities: ['plan'] })
    await Promise.all(Array.from({ length: 60 }, () => served.owner('/svc/capability:plan/x')))
    for (const { seen } of [one, other, third]) expect(seen.length).toBeGreaterThan(4)
    expect((await served.owner('/svc/capability:none/x')).status).toBe(404)
  })

  it('that are not checked yet come after those that pass', async () => {
    await using served = await openGatewayHub()
    const [good, doubtful] = [await backend(), await backend()]
    await served.register('good', good.url, { capabilities: ['plan'] })
    const checks = [{ name: 'x', kind: 'tcp', url: 'tcp://127.0.0.1:1', intervalMs: 3600_000 }]
    await served.register('doubtful', doubtful.url, { capabilities: ['plan'], checks })
    for (let at = 0; at < 20; at++) await served.owner('/svc/capability:plan/x')
    expect([good.seen.length, doubtful.seen.length]).toEqual([20, 0])
  })

  it('may not live where the owner did not allow it, whatever a name leads to', async () => {
    await using served = await openGatewayHub({ allow: ['127.0.0.2'] })
    const { url } = await backend()
    const refused = await served.owner('/v1/actions/components.register', {
      method: 'POST',
      body: { input: { id: 'x', version: '1.0.0', endpoints: [{ protocol: 'http', url }] } },
    })
    expect(problem(refused.json)).toBe('components.address')
    await served.register('named', url.replace('127.0.0.1', 'localhost'))
    expect(problem((await served.owner('/svc/named/')).json)).toBe('components.address')
  })
})

describe('what went through', () => {
  it('is counted by component, method and form of path, with percentiles, and in metrics', async () => {
    await using served = await openGatewayHub()
    const { url } = await backend((request, response) =>
      response.writeHead(request.url === '/no' ? 404 : 200).end(),
    )
    await served.register('telos', url)
    for (let at = 0; at < 20; at++) await served.owner(`/svc/telos/plans/${at}/tasks`)
    await served.owner('/svc/telos/no')
    const { json } = await served.owner('/v1/queries/components.traffic?id=telos')
    expect((json as { items: object[] }).items).toMatchObject([
      { method: 'GET', path: '/no', requests: 1, status4xx: 1 },
      { method: 'GET', path: '/plans/{id}/tasks', requests: 20, status2xx: 20, status5xx: 0 },
    ])
    const metrics = (await served.anyone('/metrics')).text
    expect(metrics).toContain('polity_gateway_requests_total{component="telos",status="2xx"} 20')
    expect(metrics).toMatch(/polity_gateway_latency_seconds\{component="telos",quantile="0.95"\} \d/)
  })
})

function drip(start: string) {
  return (socket: { write(text: string): void; once(event: string, listener: () => void): void }) => {
    socket.write(start)
    const timer = setInterval(() => socket.write('x'), 20)
    socket.once('close', () => clearInterval(timer))
  }
}
