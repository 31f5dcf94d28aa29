import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { PolityError } from '../../kernel/errors.ts'
import { state } from '../../modules/state/module.ts'
import { openErrands } from './fixtures/errands.ts'
import { serve } from './fixtures/served.ts'
import { openHttpDoor } from './server.ts'

describe('the http door', () => {
  it('says where it is, and says so about a name and an IPv6 address too', async () => {
    const hub = await openHub({ modules: [] })
    for (const [host, shown] of [
      ['127.0.0.1', /^http:\/\/127\.0\.0\.1:\d+$/],
      ['localhost', /^http:\/\/localhost:\d+$/],
      ['0.0.0.0', /^http:\/\/127\.0\.0\.1:\d+$/],
    ] as const) {
      const door = await openHttpDoor(hub, { host, port: 0 })
      expect(door.url).toMatch(shown)
      expect((await fetch(`${door.url}/livez`)).status).toBe(200)
      await door.close()
    }
    await hub.close()
  })

  it('says what to do when it cannot listen there', async () => {
    const hub = await openHub({ modules: [] })
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as AddressInfo
    await expect(openHttpDoor(hub, { host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'port.taken',
      message: expect.stringContaining('--port'),
    })
    await expect(openHttpDoor(hub, { host: '203.0.113.1', port: 0 })).rejects.toMatchObject({
      code: 'port.taken',
      message: expect.stringContaining('--host'),
    })
    other.close()
    await hub.close()
  })

  it('protects every answer, errors included', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (const path of ['/livez', '/v1/status', '/nowhere', '/%', '/log/checkpoint', '/favicon.ico'])
      expect([path, (await served.owner(path)).headers]).toMatchObject([
        path,
        {
          'content-security-policy': expect.stringMatching(
            /^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/,
          ),
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
        },
      ])
  })

  it('answers an unknown path with the nearest, and never with the whole of it', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (const [path, near] of [
      ['/v1/action/state.put', '/v1/actions/state.put'],
      ['/v1/stats', '/v1/status'],
      ['/v1/log/entires', '/v1/log/entries'],
      ['/helth', '/health'],
      ['/v1/state/ns/key/', '/v1/state/ns/key'],
    ])
      expect([path, (await served.anyone(path ?? '')).json]).toMatchObject([
        path,
        {
          code: 'route.unknown',
          status: 404,
          ...(path?.endsWith('/') ? {} : { suggestions: expect.arrayContaining([near]) }),
        },
      ])
    const { text } = await served.anyone(`/${'x'.repeat(5000)}`)
    expect(text.length).toBeLessThan(500)
  })

  it('knows which methods a path has', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (const [method, path, allow] of [
      ['DELETE', '/v1/state/ns/k', 'GET, HEAD, PUT, OPTIONS'],
      ['GET', '/v1/actions/state.put', 'POST, OPTIONS'],
      ['PATCH', '/v1/status', 'GET, HEAD, OPTIONS'],
      ['POST', '/log/tile/0/000', 'GET, HEAD, OPTIONS'],
      ['TRACE', '/livez', 'GET, HEAD, OPTIONS'],
      ['PROPFIND', '/livez', 'GET, HEAD, OPTIONS'],
    ] as const) {
      const { status, headers, json } = await served.owner(path, { method })
      expect([method, path, status, headers.allow]).toEqual([method, path, 405, allow])
      expect(json).toMatchObject({ code: 'method.not-allowed' })
    }
    const options = await served.anyone('/v1/state/ns/k', { method: 'OPTIONS' })
    expect([options.status, options.headers.allow, options.headers['access-control-allow-origin']]).toEqual([
      204,
      'GET, HEAD, PUT, OPTIONS',
      undefined,
    ])
  })

  it('answers HEAD like GET, without the body', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.put('k')
    for (const path of ['/v1/state/ns/k', '/livez', '/log/checkpoint', '/v1/openapi.json', '/nowhere']) {
      const get = await served.owner(path)
      const head = await served.owner(path, { method: 'HEAD' })
      expect([path, head.status, head.bytes.length, head.headers.etag, head.headers['content-type']]).toEqual(
        [path, get.status, 0, get.headers.etag, get.headers['content-type']],
      )
    }
    expect((await served.owner('/v1/events', { method: 'HEAD' })).headers['content-type']).toBe(
      'text/event-stream; charset=utf-8',
    )
  })

  it('keeps the insides of a failure to itself and its log', async () => {
    const hub = await openHub({ modules: [state] })
    const broken = {
      ...hub,
      log: { ...hub.log, prove: () => Promise.reject(new Error('at /home/somebody/secret.ts')) },
    }
    await using served = await serve(broken)
    const { status, text, json } = await served.owner('/log/proof/0')
    expect([status, json]).toMatchObject([500, { code: 'internal' }])
    expect(text).not.toContain('secret.ts')
    const { request } = json as { request: string }
    expect(served.lines.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({
        level: 'error',
        code: 'http.failed',
        request,
        message: 'at /home/somebody/secret.ts',
        stack: expect.any(String),
      }),
    )
  })

  it('is not ready when the log cannot be read, and says why to principals', async () => {
    const hub = await openHub({ modules: [] })
    const isBroken = { now: false }
    const read: typeof hub.log.read = (options) =>
      isBroken.now ? Promise.reject(new Error('disk')) : hub.log.read(options)
    await using served = await serve({ ...hub, log: { ...hub.log, read } })
    expect((await served.anyone('/readyz')).text).toBe('ok\n')
    isBroken.now = true
    expect([(await served.anyone('/readyz')).status, (await served.anyone('/livez')).status]).toEqual([
      503, 200,
    ])
    expect((await served.anyone('/health')).json).toEqual({ status: 'failing' })
    expect((await served.owner('/health')).json).toMatchObject({
      status: 'failing',
      code: 'internal',
      release: hub.release,
    })
  })

  it('is not ready when its log was lost', async () => {
    const hub = await openHub({ modules: [] })
    const losing = new AbortController()
    await using served = await serve({ ...hub, log: { ...hub.log, lost: losing.signal } })
    expect((await served.anyone('/readyz')).status).toBe(200)
    losing.abort(new PolityError('anchor.conflict', 'another hub has moved the anchor'))
    expect((await served.anyone('/readyz')).status).toBe(503)
    expect((await served.owner('/health')).json).toMatchObject({ status: 'failing', code: 'anchor.conflict' })
  })

  it('finishes what is being answered before it closes', async () => {
    const { errands, begun, release } = openErrands()
    const hub = await openHub({ modules: [errands] })
    const served = await serve(hub)
    const answer = served.owner('/v1/actions/errand.run', {
      method: 'POST',
      body: { input: { text: 'milk' } },
    })
    await begun
    const closed = served.door.close()
    release()
    expect((await answer).json).toMatchObject({ status: 'done' })
    await closed
    await expect(served.owner('/livez')).rejects.toThrow('ECONNREFUSED')
    await hub.close()
  })
})

describe('the log of requests', () => {
  it('says what was asked for and how it ended, and no token, path, name or value', async () => {
    await using served = await serve(await openHub({ modules: [state] }), { logLevel: 'debug' })
    await served.put('my-key', 'my-value')
    await served.owner('/v1/state/ns/nothing?colour=red')
    await served.anyone('/livez')
    const lines = served.lines.map((line) => JSON.parse(line))
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'info',
        component: 'http',
        code: 'http.request',
        method: 'PUT',
        route: '/v1/state/:namespace/:key',
        status: 200,
        durationMs: expect.any(Number),
      }),
      expect.objectContaining({ level: 'info', status: 400, error: 'input.invalid' }),
      expect.objectContaining({ level: 'debug', route: '/livez', status: 200 }),
    ])
    const secret = served.token.split('_')[2] ?? ''
    for (const word of [secret, 'my-key', 'my-value', 'nothing', 'red'])
      expect(served.lines.join('')).not.toContain(word)
  })

  it('is as quiet as it was asked to be', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.owner('/v1/status')
    expect(served.lines).toEqual([])
  })
})

describe('the metrics', () => {
  it('count requests by class and status, in the text format of Prometheus', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    await served.put('k')
    await served.anyone('/v1/status')
    await served.owner(`/v1/${'x'.repeat(50)}`)
    const { text, headers } = await served.anyone('/metrics')
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8')
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(
        /^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+)$/,
      )
    expect(text).toContain(`polity_log_published_entries ${served.hub.log.head().size}\n`)
    expect(text).toContain('polity_http_requests_total{class="resource",status="200"} 1\n')
    expect(text).toContain('polity_http_requests_total{class="unknown",status="404"} 1\n')
    expect(text).toContain('polity_http_errors_total{code="auth.missing"} 1\n')
    expect(text).toContain('polity_http_request_duration_seconds_count{class="resource"} 2\n')
  })
})
