// Where components may live, against every way to spell an address.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openAddressRule } from './addresses.ts'
import { placeOf } from './endpoints.ts'

const clock = { monotonic: () => 0 }
const EVERYTHING = ['0.0.0.0/0', '::/0']

const isAllowed = (address: string, allow?: readonly string[]): boolean => {
  try {
    openAddressRule(clock, allow).requireAllowed(address)
    return true
  } catch {
    return false
  }
}

describe('an address', () => {
  it('of this machine is allowed, others are when the owner says so', () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'])
      expect(isAllowed(address)).toBe(true)
    for (const address of ['10.0.0.1', '192.168.1.1', '8.8.8.8', 'fd00::1', '::ffff:10.0.0.1'])
      expect(isAllowed(address)).toBe(false)
    expect(isAllowed('10.1.2.3', ['10.0.0.0/8'])).toBe(true)
    expect(isAllowed('::ffff:10.1.2.3', ['10.0.0.0/8'])).toBe(true)
    expect(isAllowed('127.0.0.1', ['10.0.0.0/8'])).toBe(false)
  })

  it('where clouds serve credentials is never allowed, nor one that hides another', () => {
    for (const address of [
      ...['169.254.169.254', '::ffff:169.254.169.254', '::ffff:a9fe:a9fe', 'fe80::1', 'fe80::1%eth0'],
      ...['fd00:ec2::254', '100.100.100.200', '168.63.129.16', '0.0.0.0', '::', '224.0.0.1', 'ff02::1'],
      ...['64:ff9b::a9fe:a9fe', '2002:a9fe:a9fe::1', '255.255.255.255'],
    ])
      expect([address, isAllowed(address, EVERYTHING)]).toEqual([address, false])
    expect(isAllowed('8.8.8.8', EVERYTHING)).toBe(true)
    expect(isAllowed('2001:4860:4860::8888', EVERYTHING)).toBe(true)
  })

  it('that is none is refused, as are networks that are none', () => {
    for (const address of ['', 'localhost', '127.1', '0x7f.1', '127.0.0.1 ', '[::1]'])
      expect(isAllowed(address, EVERYTHING)).toBe(false)
    for (const network of [
      '',
      'localhost',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.0/8/8',
      '10.0.0.0/-1',
      '10.0.0.0/1e1',
    ])
      expect(() => openAddressRule(clock, [network])).toThrow(expect.objectContaining({ code: 'usage' }))
  })

  it('has one meaning, mapped or plain', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(isAllowed(`::ffff:${address}`, EVERYTHING)).toBe(isAllowed(address, EVERYTHING))
      }),
    )
  })
})

describe('a name', () => {
  it('is good for the addresses among its own that are allowed, and is asked anew after a while', async () => {
    let nowMs = 0
    let addresses = ['169.254.169.254', '127.0.0.5']
    let asked = 0
    const rule = openAddressRule({ monotonic: () => nowMs }, undefined, async () => {
      asked += 1
      return addresses
    })
    expect(await rule.resolve('a.example')).toBe('127.0.0.5')
    addresses = ['169.254.169.254']
    expect(await rule.resolve('a.example')).toBe('127.0.0.5')
    expect(asked).toBe(1)
    nowMs = 5000
    await expect(rule.resolve('a.example')).rejects.toMatchObject({ code: 'components.address' })
    await expect(rule.resolve('10.0.0.1')).rejects.toMatchObject({ code: 'components.address' })
  })
})

describe('a URL', () => {
  it('is taken apart without changing where it leads', () => {
    expect(placeOf('http', 'http://[::1]:8080/api/')).toEqual({
      isSecure: false,
      host: '::1',
      port: 8080,
      basePath: '/api',
      authority: '[::1]:8080',
    })
    expect(placeOf('ws', 'wss://a.example')).toMatchObject({ isSecure: true, port: 443, basePath: '' })
    // WHATWG URL section 3.5: numbers are addresses.
    expect(placeOf('http', 'http://0x7f.1/')).toMatchObject({ host: '127.0.0.1' })
  })

  it('never makes anything but input.invalid out of text', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('http', 'ws', 'tcp', '__proto__'),
        fc.webUrl().chain((url) => fc.oneof(fc.constant(url), fc.string())),
        (protocol, text) => {
          try {
            expect(placeOf(protocol, text).port).toBeGreaterThan(0)
          } catch (error) {
            expect(error).toMatchObject({ code: 'input.invalid' })
          }
        },
      ),
    )
  })
})
