import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { state } from '../../modules/state/module.ts'
import { credentialsOf, isLoopback, requireOwnHost, requireOwnOrigin } from './authentication.ts'
import { clientOf } from './fixtures/client.ts'
import { codeOfLink, cookieOf, serve } from './fixtures/served.ts'

const GUARDED = [
  ['GET', '/v1/status'],
  ['GET', '/v1/state/ns/k'],
  ['PUT', '/v1/state/ns/k'],
  ['POST', '/v1/actions/state.put'],
  ['POST', '/v1/queries/state.get'],
  ['GET', '/v1/queries/state.get'],
  ['GET', '/v1/runs/x'],
  ['GET', '/v1/log/entries'],
  ['GET', '/v1/log/entries/0'],
  ['GET', '/v1/events'],
  ['HEAD', '/v1/events'],
  ['GET', '/v1/openapi.json'],
  ['GET', '/log/proof/0'],
  ['GET', '/log/tile/entries/000.p/1'],
  ['DELETE', '/v1/session'],
] as const

describe('a stranger', () => {
  it('is asked for a token everywhere but at the open routes, before the body is read', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (const [method, path] of GUARDED) {
      const body = method === 'POST' || method === 'PUT' ? { body: '{ not even JSON' } : {}
      const { status, headers, json } = await served.anyone(path, { method, ...body })
      expect([method, path, status, headers['www-authenticate']]).toEqual([
        method,
        path,
        401,
        'Bearer realm="polity"',
      ])
      if (method !== 'HEAD') expect(json).toMatchObject({ code: 'auth.missing', status: 401 })
    }
  })

  it('reads what third parties need to check the log', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (const path of [
      '/livez',
      '/readyz',
      '/health',
      '/log/checkpoint',
      '/log/vkey',
      '/log/tile/0/000.p/1',
      '/metrics',
    ])
      expect([path, (await served.anyone(path)).status]).toEqual([path, 200])
  })

  it('learns only a word from /health, and the same with a token that is not valid', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    expect((await served.anyone('/health')).json).toEqual({ status: 'ok' })
    expect((await served.anyone('/health', { headers: { authorization: 'Bearer pol_x' } })).json).toEqual({
      status: 'ok',
    })
    expect((await served.owner('/health')).json).toMatchObject({
      status: 'ok',
      log: { size: expect.any(Number) },
    })
  })
})

describe('a token', () => {
  it('must be right to the last character', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { token, anyone } = served
    const wrong = [
      `${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`,
      `${token}A`,
      token.toUpperCase(),
      'pol_',
      'x'.repeat(10_000),
    ]
    for (const each of wrong) {
      const { status, json } = await anyone('/v1/status', { headers: { authorization: `Bearer ${each}` } })
      expect([status, json]).toMatchObject([401, { code: 'auth.invalid' }])
    }
    expect((await anyone('/v1/status', { headers: { authorization: `bearer ${token}` } })).status).toBe(200)
    for (const header of [token, `Basic ${token}`, `Bearer ${token} x`, 'Bearer', ''])
      expect((await anyone('/v1/status', { headers: { authorization: header } })).json).toMatchObject({
        code: 'auth.invalid',
      })
  })

  it('is over when it is revoked or has expired', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { id, token } = await served.issue({ kind: 'agent', id: 'a1' })
    const agent = clientOf(served.url, token)
    expect((await agent('/v1/status')).status).toBe(200)
    await served.owner('/v1/actions/token.revoke', { method: 'POST', body: { input: { id } } })
    expect((await agent('/v1/status')).json).toMatchObject({ code: 'auth.invalid' })
  })

  it('is never in the query string', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    for (const name of ['token', 'access_token', 'authorization'])
      expect((await served.anyone(`/v1/status?${name}=${served.token}`)).status).toBe(401)
  })

  it('does what it was issued for and is told why not for the rest', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { token } = await served.issue({ kind: 'agent', id: 'reader', scopes: ['state.get', 'state.list'] })
    const reader = clientOf(served.url, token)
    await served.put('k')
    expect((await reader('/v1/state/ns/k')).status).toBe(200)
    const { status, headers, json } = await reader('/v1/state/ns/k', { method: 'PUT', body: { value: 2 } })
    expect([status, headers['content-type']]).toEqual([403, 'application/problem+json; charset=utf-8'])
    expect(json).toMatchObject({
      code: 'denied',
      sentence: expect.stringContaining('token'),
      reasons: ['token-scope'],
      decision: expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect((await reader('/v1/status')).json).toMatchObject({ code: 'denied', reasons: ['token-scope'] })
  })
})

describe('a session cookie', () => {
  it('reads freely, and writes only from our own page', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { anyone, url, door } = served
    const signedIn = await anyone('/v1/session', {
      method: 'POST',
      body: { code: codeOfLink(door.signInUrl()) },
    })
    const cookie = cookieOf(signedIn.headers)
    const put = (headers: Record<string, string>) =>
      anyone('/v1/state/ns/k', { method: 'PUT', headers: { cookie, ...headers }, body: { value: 1 } })

    expect((await anyone('/v1/status', { headers: { cookie } })).status).toBe(200)
    expect((await put({ origin: url })).status).toBe(200)
    expect((await put({ origin: url, 'sec-fetch-site': 'same-origin' })).status).toBe(200)
    const forged = [
      {},
      { origin: 'null' },
      { origin: 'http://evil.example' },
      { origin: 'http://127.0.0.1:1' },
      { origin: url.replace('127.0.0.1', 'localhost') },
      { origin: `${url}.evil.example` },
      { origin: url, 'sec-fetch-site': 'cross-site' },
      { origin: url, 'sec-fetch-site': 'same-site' },
    ]
    for (const headers of forged)
      expect((await put(headers)).json).toMatchObject({ code: 'auth.origin', status: 403 })
  })

  it('gives way to a token beside it', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const headers = { cookie: 'polity_session=stale', authorization: `Bearer ${served.token}` }
    expect((await served.anyone('/v1/status', { headers })).status).toBe(200)
    expect(
      (await served.anyone('/v1/status', { headers: { cookie: 'polity_session=stale' } })).json,
    ).toMatchObject({ code: 'auth.invalid' })
  })

  it('is found among others by its exact name', () => {
    expect(credentialsOf({ cookie: 'a=1; polity_session=s; b=2' })).toEqual({ kind: 'session', secret: 's' })
    for (const cookie of ['xpolity_session=s', 'polity_session', 'polity_session=', ''])
      expect(credentialsOf({ cookie })).toBeUndefined()
  })
})

describe('the name that a request was sent to', () => {
  it('must be of this machine while the hub listens on it only', async () => {
    await using served = await serve(await openHub({ modules: [state] }))
    const { port } = new URL(served.url)
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1',
      '127.0.0.1:1',
      `127.0.0.1.evil.example:${port}`,
    ])
      for (const path of ['/', '/livez', '/log/checkpoint', '/v1/status', '/nowhere'])
        expect((await served.owner(path, { headers: { host } })).json).toMatchObject({ code: 'auth.origin' })
    for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`])
      expect((await served.owner('/v1/status', { headers: { host } })).status).toBe(200)
  })

  it('may be any when the hub is reachable from elsewhere, and may leave port 80 out', () => {
    expect(() => requireOwnHost({ host: 'hub.example' }, '0.0.0.0', 7070)).not.toThrow()
    expect(() => requireOwnHost({ host: 'localhost' }, '127.0.0.1', 80)).not.toThrow()
    expect(() => requireOwnHost({}, '127.0.0.1', 80)).toThrow('localhost')
  })

  it('is compared with the origin as name and port, behind a proxy too', () => {
    expect(() => requireOwnOrigin({ origin: 'https://hub.example', host: 'hub.example' }, true)).not.toThrow()
    expect(() =>
      requireOwnOrigin({ origin: 'https://hub.example', host: 'hub.example:443' }, true),
    ).not.toThrow()
    expect(() => requireOwnOrigin({ origin: 'https://hub.example:8443', host: 'hub.example' }, true)).toThrow(
      'another site',
    )
    expect(() => requireOwnOrigin({ origin: 'https://hub.example' }, true)).toThrow('another site')
  })
})

it('knows the addresses of this machine', () => {
  for (const host of ['127.0.0.1', '127.8.8.8', '::1', '[::1]', 'localhost', '::ffff:127.0.0.1'])
    expect(isLoopback(host)).toBe(true)
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example', 'localhost.example', ''])
    expect(isLoopback(host)).toBe(false)
})
