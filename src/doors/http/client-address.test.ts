// Nobody who is not a trusted proxy can say where he comes from.

import type { Socket } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openClientOf } from './client-address.ts'

const from = (remoteAddress: string | undefined, ...forwardedFor: readonly string[]) => ({
  socket: { remoteAddress } as Socket,
  headersDistinct: {
    ...(forwardedFor.length === 0 ? {} : { 'x-forwarded-for': [...forwardedFor] }),
    forwarded: ['for=203.0.113.99'],
    'x-real-ip': ['203.0.113.98'],
    'x-client-ip': ['203.0.113.97'],
  },
})
const PROXIES = ['10.0.0.0/8', '127.0.0.1', 'fd00::/8']

describe('the address of a client', () => {
  it('is that of the connection while no proxy is trusted', () => {
    const clientOf = openClientOf()
    expect(clientOf(from('127.0.0.1', '203.0.113.9'))).toEqual({
      address: '127.0.0.1',
      isPassedOn: false,
      scheme: 'http',
    })
    expect(clientOf(from('::ffff:192.0.2.1', '127.0.0.1'))).toEqual({
      address: '192.0.2.1',
      isPassedOn: false,
      scheme: 'http',
    })
    expect(clientOf(from(undefined))).toEqual({ address: 'unknown', isPassedOn: false, scheme: 'http' })
  })

  it.each([
    ['behind one proxy', from('10.1.2.3', '203.0.113.9'), '203.0.113.9'],
    ['who says that he is somebody else', from('10.1.2.3', '127.0.0.1, 203.0.113.9'), '203.0.113.9'],
    ['who sends a field of his own', from('10.1.2.3', '127.0.0.1', '203.0.113.9'), '203.0.113.9'],
    ['behind two proxies', from('10.1.2.3', '203.0.113.9, 10.9.9.9'), '203.0.113.9'],
    ['in the network of the proxies', from('10.1.2.3', '10.7.7.7'), '10.7.7.7'],
    ['with a port', from('10.1.2.3', '203.0.113.9:4711'), '203.0.113.9'],
    ['with IPv6', from('fd00::1', '2001:DB8::9'), '2001:db8::9'],
    ['with IPv6, in brackets and with a port', from('fd00::1', '[2001:db8::9]:443'), '2001:db8::9'],
    ['whose proxy comes by an IPv4-mapped address', from('::ffff:10.1.2.3', '203.0.113.9'), '203.0.113.9'],
    ['of whom the proxy says nothing', from('10.1.2.3'), '10.1.2.3'],
    ['whose proxy says what nobody can read', from('10.1.2.3', '203.0.113.9, unknown'), '10.1.2.3'],
    ['behind an obfuscated hop', from('10.1.2.3', '127.0.0.1, _hidden, 10.9.9.9'), '10.9.9.9'],
    ['with an empty element', from('10.1.2.3', '127.0.0.1,,10.9.9.9'), '10.9.9.9'],
    ['with numbers that are no address', from('10.1.2.3', '127.0.0.1, 999.1.1.1'), '10.1.2.3'],
  ])('is found for one %s', (_, request, address) => {
    expect(openClientOf(PROXIES)(request)).toEqual({ address, isPassedOn: true, scheme: 'http' })
  })

  it('is nothing that the client wrote himself, whatever he writes', () => {
    const clientOf = openClientOf(PROXIES)
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 5 }), (written) => {
        const fields = [...written.slice(0, -1), [written.at(-1) ?? '', '203.0.113.9'].join(', ')]
        expect(clientOf(from('10.1.2.3', ...fields)).address).toBe('203.0.113.9')
        expect(clientOf(from('203.0.113.5', ...fields)).address).toBe('203.0.113.5')
      }),
    )
  })

  it.each([
    [['https'], 'https'],
    [['HTTPS'], 'https'],
    [['http'], 'http'],
    // A client that wrote one before its proxy added its own.
    [['https, http'], 'http'],
    [['https', 'http'], 'http'],
    [['http, https'], 'https'],
    [['wss'], 'http'],
    [[''], 'http'],
  ])('comes with its scheme, which only a trusted proxy can say: %j', (fields, scheme) => {
    const said = (peer: string) => {
      const { socket, headersDistinct } = from(peer, '203.0.113.9')
      return { socket, headersDistinct: { ...headersDistinct, 'x-forwarded-proto': fields } }
    }
    expect(openClientOf(PROXIES)(said('10.1.2.3')).scheme).toBe(scheme)
    expect(openClientOf(PROXIES)(said('203.0.113.5')).scheme).toBe('http')
    expect(openClientOf()(said('127.0.0.1')).scheme).toBe('http')
  })

  it('needs proxies that are networks', () => {
    for (const proxies of [['proxy.example'], ['10.0.0.0/33'], ['']])
      expect(() => openClientOf(proxies)).toThrow('neither a network')
  })
})
