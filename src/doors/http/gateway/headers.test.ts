// Header fields on their way through the gateway, whatever a client or a component puts into them.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Instance } from '../../../modules/components/gateway/service-gateway.ts'
import { answerFields, bodyOf, locationFor, requestFields } from './headers.ts'
import { gatewayTargetOf, pathAt } from './target.ts'

const instance: Instance = {
  component: 'telos',
  url: 'http://127.0.0.1:8008/api',
  health: 'passing',
  isSecure: false,
  host: '127.0.0.1',
  port: 8008,
  basePath: '/api',
  authority: '127.0.0.1:8008',
}
const target = gatewayTargetOf('/svc/telos/x')
const sender = {
  address: '::1',
  scheme: 'http' as const,
  host: 'localhost:7070',
  principal: 'user:owner',
  requestId: 'r1',
}
const sent = (raw: readonly string[], more: object = {}) =>
  Object.fromEntries(requestFields(raw, instance, target, { ...sender, ...more }))

describe('what a component sees', () => {
  it('is what the client sent, and never what the client says about itself', () => {
    const names = fc.constantFrom(
      ...[
        'Authorization',
        'authorization',
        'X-Forwarded-For',
        'x_forwarded_for',
        'Forwarded',
        'Host',
        'X-Real-IP',
      ],
      ...[
        'Polity-Principal',
        'polity_principal',
        'Transfer-Encoding',
        'TE',
        'Upgrade',
        'Keep-Alive',
        'Via',
        'Expect',
      ],
      ...[
        'Proxy-Authorization',
        'Proxy-Connection',
        'Cookie',
        'Connection',
        'X-Own',
        '__proto__',
        'constructor',
      ],
    )
    const values = fc.oneof(
      fc.constantFrom(
        'polity_session=SECRET',
        'SECRET',
        'close, polity-principal, x-forwarded-for, host',
        'x-own',
      ),
      fc.string(),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(names, values), { maxLength: 20 }), (pairs) => {
        const fields = sent(pairs.flat())
        expect(fields.host).toEqual(['127.0.0.1:8008'])
        expect(fields['polity-principal']).toEqual(['user:owner'])
        expect(fields.forwarded).toEqual(['for="[::1]";host="localhost:7070";proto=http'])
        expect(fields['x-forwarded-for']).toEqual(['::1'])
        for (const name of [
          'authorization',
          'transfer-encoding',
          'te',
          'upgrade',
          'connection',
          'expect',
          'x_forwarded_for',
          'polity_principal',
        ])
          expect(Object.hasOwn(fields, name)).toBe(false)
        expect(JSON.stringify(fields.cookie ?? '')).not.toContain('polity_session=')
      }),
    )
  })

  it('is no other method, path or origin than what was decided', () => {
    for (const name of [
      ...['X-HTTP-Method-Override', 'X-HTTP-Method', 'X_Method_Override', 'X-Original-URL', 'X-Rewrite-Url'],
      ...['Proxy', 'X-Forwarded', 'True-Client-IP', 'Client-IP', 'X-Client-Ip', 'CF-Connecting-IP', 'X-Host'],
      ...['Remote-User', 'X-Remote-User', 'X-Cluster-Client-Ip', 'X-Originating-IP'],
    ])
      expect(Object.keys(sent([name, 'x']))).toEqual(Object.keys(sent([])))
    expect(sent(['X-Proxy', 'kept'])['x-proxy']).toEqual(['kept'])
  })

  it('names no host that could break out of its quotes', () => {
    expect(sent([], { host: 'a";for="9.9.9.9' }).forwarded).toEqual(['for="[::1]";proto=http'])
    expect(sent([], { host: undefined })['x-forwarded-host']).toBeUndefined()
  })

  it('keeps other cookies, repeated fields and the chain of proxies', () => {
    const fields = sent([
      'Cookie',
      'a=1; polity_session=x',
      'cookie',
      'b=2',
      'Accept',
      'a',
      'accept',
      'b',
      'Via',
      '1.0 fred',
    ])
    expect(fields).toMatchObject({ cookie: ['a=1; b=2'], accept: ['a', 'b'], via: ['1.0 fred, 1.1 polity'] })
  })

  it('has an end', () => {
    expect(() => sent(Array.from({ length: 514 }, (_, at) => `h${at}`))).toThrow(
      expect.objectContaining({ code: 'gateway.refused' }),
    )
  })
})

describe('what a client sees', () => {
  it('is never an answer that a browser would take for the hub', () => {
    const names = fc.constantFrom(
      'Set-Cookie',
      'Clear-Site-Data',
      'Content-Security-Policy',
      'Connection',
      'Polity-Cursor',
      'X',
    )
    const values = fc.constantFrom(
      'polity_session=x',
      ' polity_session =x',
      '=polity_session=x',
      '\t= polity_session=x',
      'a=b',
      'content-security-policy',
      '*',
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(names, values), { maxLength: 12 }), (pairs) => {
        const flat = answerFields(pairs.flat(), instance, target)
        const shown = flat.flatMap((name, at) => (at % 2 === 0 ? [[name, flat[at + 1]] as const] : []))
        expect(
          shown.filter(
            ([name, value]) => name === 'content-security-policy' && value?.startsWith('sandbox '),
          ),
        ).toHaveLength(1)
        for (const [name, value] of shown) {
          expect(['clear-site-data', 'connection', 'polity-cursor']).not.toContain(name)
          if (name === 'set-cookie') expect(value).not.toContain('polity_session')
        }
      }),
    )
  })

  it('keeps a cookie to the component that set it', () => {
    const shown = (cookie: string) => answerFields(['Set-Cookie', cookie], instance, target)[1]
    for (const [cookie, path] of [
      ['sid=1', '/svc/telos'],
      ['sid=1; Path=/; HttpOnly; Domain=localhost', '/svc/telos'],
      ['sid=1;path = /api/deep/', '/svc/telos/deep'],
      ['sid=1; Path=/api/a; PATH=/v1', '/svc/telos'],
      ['sid=1; Path=/apiary', '/svc/telos'],
      ['sid=1; Path', '/svc/telos'],
    ] as const)
      expect(shown(cookie)).toMatch(new RegExp(`^sid=1(; HttpOnly)?; Path=${path}$`))
    fc.assert(
      fc.property(fc.string(), (text) => {
        const cookie = shown(`a=b; ${text.replaceAll(/[^\t\x20-\x7e]/g, '')}`) ?? ''
        const paths = cookie.split(';').filter((part) => /^\s*(?:path|domain)\s*(?:=|$)/i.test(part))
        expect(paths).toHaveLength(1)
        expect(paths[0]).toMatch(/^ Path=\/svc\/telos(?:\/|$)/)
      }),
    )
  })

  it('is refused when it is no HTTP', () => {
    for (const raw of [['x', 'a\u0001'], ['x', 'a\nb'], Array.from({ length: 514 }, () => 'x')])
      expect(() => answerFields(raw, instance, target)).toThrow(
        expect.objectContaining({ code: 'gateway.unreachable' }),
      )
  })

  it('leads to the component through the gateway, and nowhere else of the hub', () => {
    fc.assert(
      fc.property(fc.oneof(fc.webUrl(), fc.webPath(), fc.string()), (location) => {
        const shown = locationFor(location, instance, target)
        if (shown !== location) expect(shown === '/svc/telos' || /^\/svc\/telos[/?#]/.test(shown)).toBe(true)
      }),
    )
  })
})

describe('a target', () => {
  it('is a service and the rest as it was written', () => {
    expect(gatewayTargetOf('/svc/capability%3Aplan/a%2Fb?c')).toEqual({
      service: 'capability:plan',
      prefix: '/svc/capability:plan',
      path: '/a%2Fb',
      query: '?c',
    })
    expect(pathAt(gatewayTargetOf('/svc/x?q'), '')).toBe('/?q')
    expect(pathAt(gatewayTargetOf('/svc/x/'), '/api')).toBe('/api/')
  })

  it('is decided by the path that it has for whoever resolves dots, slashes, escapes and parameters', () => {
    const part = fc.constantFrom(
      '..',
      '.',
      '%2e',
      '%2E%2e',
      '.%2e',
      'a',
      '',
      '...',
      '%2f',
      '%5c',
      '\\',
      ';',
      '%3B',
    )
    const separator = fc.constantFrom('/', '\\', '%2f', '%5C')
    const resolved = (path: string) =>
      new URL(path.replaceAll(/%2f|%5c|\\/gi, '/').replaceAll(/(?:;|%3b)[^/]*/gi, ''), 'http://x').pathname
    fc.assert(
      fc.property(fc.array(fc.tuple(separator, part), { maxLength: 8 }), (parts) => {
        let path: string
        try {
          path = pathAt(gatewayTargetOf(`/svc/x/${parts.flat().join('')}`), '/api')
        } catch (error) {
          expect(error).toMatchObject({ code: 'gateway.refused' })
          return
        }
        expect(resolved(path).startsWith('/api/')).toBe(true)
        expect(resolved(`/a/b/c${path}`)).toBe(`/a/b/c${resolved(path)}`)
      }),
    )
    for (const path of [
      '/a/../b',
      '/%2e%2E/x',
      '/x%2f..%2f..%2fadmin',
      '/x\\..\\admin',
      '/..;/admin',
      '/a/.',
    ])
      expect(() => gatewayTargetOf(`/svc/x${path}`)).toThrow(
        expect.objectContaining({ code: 'gateway.refused' }),
      )
    expect(gatewayTargetOf('/svc/x/a..b/...?to=/../y').query).toBe('?to=/../y')
  })

  it('is refused where it is none', () => {
    for (const url of [
      '/svc',
      '/svc/',
      '/svc//x',
      '/svc/A',
      '/svc/.',
      '/svc/a:b',
      '/svc/capability:',
      'http://h/svc/x',
      '/svc/x\u0000',
    ])
      expect(() => gatewayTargetOf(url)).toThrow(expect.objectContaining({ code: 'gateway.refused' }))
  })
})

describe('a body', () => {
  it('is there when its head says so', () => {
    expect(bodyOf({})).toEqual({ isThere: false })
    expect(bodyOf({ 'content-length': '0' })).toEqual({ isThere: false })
    expect(bodyOf({ 'content-length': '12' })).toEqual({ isThere: true, sizeBytes: 12 })
    expect(bodyOf({ 'transfer-encoding': 'chunked' })).toEqual({ isThere: true })
  })
})
