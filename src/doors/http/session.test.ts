import { describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { codeOfLink, cookieOf, serve } from './fixtures/served.ts'

describe('signing in', () => {
  it('exchanges the code of the link for a cookie that scripts cannot read, once', async () => {
    await using served = await serve(await openHub({ modules: [] }))
    const { anyone, door, url } = served
    const link = door.signInUrl()
    expect(link).toMatch(new RegExp(`^${url}/#signin=[A-Za-z0-9_.-]+$`))
    const code = codeOfLink(link)
    const { status, headers, text } = await anyone('/v1/session', { method: 'POST', body: { code } })
    expect([status, text]).toEqual([204, ''])
    expect(headers['set-cookie']).toEqual([
      expect.stringMatching(
        /^polity_session=[A-Za-z0-9_-]{43}; HttpOnly; SameSite=Strict; Path=\/; Max-Age=43200$/,
      ),
    ])
    expect(headers['cache-control']).toBe('no-store')
    expect((await anyone('/v1/session', { method: 'POST', body: { code } })).json).toMatchObject({
      code: 'auth.invalid',
    })
  })

  it('keeps the cookie to https when the browser came by it', async () => {
    await using served = await serve(await openHub({ modules: [] }))
    const headers = { origin: served.url.replace('http:', 'https:') }
    const body = { code: codeOfLink(served.door.signInUrl()) }
    const signedIn = await served.anyone('/v1/session', { method: 'POST', headers, body })
    expect(signedIn.headers['set-cookie']?.[0]).toMatch(/; Secure$/)
  })

  it('refuses other sites, forms, forged and endless codes', async () => {
    await using served = await serve(await openHub({ modules: [] }))
    const { anyone, door } = served
    const code = codeOfLink(door.signInUrl())
    const post = (body: unknown, headers = {}) => anyone('/v1/session', { method: 'POST', body, headers })
    expect((await post({ code }, { origin: 'http://evil.example' })).json).toMatchObject({
      code: 'auth.origin',
    })
    const asForm = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await post(`code=${code}`, asForm)).json).toMatchObject({ code: 'body.media-type', status: 415 })
    expect((await post(JSON.stringify({ code }), { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await post({ code: `${code}x` })).json).toMatchObject({ code: 'auth.invalid' })
    expect((await post({ code: 'x' })).json).toMatchObject({ code: 'auth.invalid' })
    expect((await post({ code: 1 })).json).toMatchObject({
      code: 'input.invalid',
      violations: [{ pointer: '/code' }],
    })
    expect((await post({ code, more: 1 })).json).toMatchObject({
      code: 'input.invalid',
      violations: [{ pointer: '/more' }],
    })
    expect((await anyone('/v1/session', { method: 'POST' })).json).toMatchObject({ code: 'input.invalid' })
    expect((await post({ code: 'x'.repeat(9000) })).json).toMatchObject({ code: 'body.too-large' })
    // The code is still good: nothing of the above used it up.
    expect((await post({ code })).status).toBe(204)
  })
})

describe('signing out', () => {
  it('ends the session and takes the cookie back', async () => {
    await using served = await serve(await openHub({ modules: [] }))
    const { anyone, door, url } = served
    const signedIn = await anyone('/v1/session', {
      method: 'POST',
      body: { code: codeOfLink(door.signInUrl()) },
    })
    const cookie = cookieOf(signedIn.headers)
    expect((await anyone('/v1/session', { method: 'DELETE', headers: { cookie } })).json).toMatchObject({
      code: 'auth.origin',
    })
    const signedOut = await anyone('/v1/session', { method: 'DELETE', headers: { cookie, origin: url } })
    expect([signedOut.status, signedOut.headers['set-cookie']?.[0]]).toEqual([
      204,
      expect.stringMatching(/^polity_session=; .*Max-Age=0$/),
    ])
    expect((await anyone('/v1/status', { headers: { cookie } })).json).toMatchObject({ code: 'auth.invalid' })
  })

  it('is not for tokens', async () => {
    await using served = await serve(await openHub({ modules: [] }))
    expect((await served.owner('/v1/session', { method: 'DELETE' })).json).toMatchObject({
      code: 'input.invalid',
    })
    expect((await served.owner('/v1/status')).status).toBe(200)
  })
})
