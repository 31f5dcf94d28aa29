import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PolityError } from '../errors.ts'
import { openReach } from './addresses.ts'

const outside = openReach()

describe('addresses that are asked', () => {
  it.each([
    '1.1.1.1',
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '11.0.0.0',
  ])('the public address %s', (address) => expect(outside.isAddressAllowed(address)).toBe(true))
  it.each(['2606:4700::1111', '2a00::', '3ffe::1', '64:ff9b::808:808', '2002:808:808::1', '::ffff:8.8.8.8'])(
    'the public address %s',
    (address) => expect(outside.isAddressAllowed(address)).toBe(true),
  )
})

describe('addresses that are not', () => {
  it.each([
    ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '100.64.0.1', '100.100.100.200', '127.0.0.1', '127.255.255.254'],
    ...['168.63.129.16', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1'],
    ...['192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.1.1.1', '240.0.0.1'],
    '255.255.255.255',
  ])('%s', (address) => expect(outside.isAddressAllowed(address)).toBe(false))

  it.each([
    ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'fc00::1', 'fd00:ec2::254', 'ff02::1'],
    ...['2001::1', '2001:db8::1', '2001:10::1', '3fff::1', '4000::1', '5f00::1', '100::1', '64:ff9b:1::1'],
    ...['::127.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:10.0.0.1'],
    ...['64:ff9b::127.0.0.1', '64:ff9b::a9fe:a9fe', '2002:7f00:1::', '2002:a9fe:a9fe::1', '2002:c0a8:101::'],
  ])('%s', (address) => expect(outside.isAddressAllowed(address)).toBe(false))

  it('whatever is no address at all', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/^\d+\.\d+\.\d+\.\d+$/.test(text) && !text.includes(':'))
        expect(outside.isAddressAllowed(text)).toBe(false)
      }),
    )
  })

  it('an inside IPv4 address in any dress', () => {
    const inside = fc
      .tuple(fc.constantFrom(10, 127, 0, 224, 255), fc.nat(255), fc.nat(255), fc.nat(255))
      .map((parts) => parts.join('.'))
    const dress = fc.constantFrom(
      (v4: string) => v4,
      (v4: string) => `::ffff:${v4}`,
      (v4: string) => `::${v4}`,
      (v4: string) => `64:ff9b::${v4}`,
      (v4: string) => new URL(`http://[::ffff:${v4}]/`).hostname.slice(1, -1),
      (v4: string) => new URL(`http://[64:ff9b::${v4}]/`).hostname.slice(1, -1),
    )
    fc.assert(
      fc.property(inside, dress, (v4, put) => {
        expect(outside.isAddressAllowed(put(v4))).toBe(false)
      }),
    )
  })
})

describe('what an operator allows', () => {
  it('networks, addresses and names, and nothing beside them', () => {
    const reach = openReach(['10.1.0.0/16', '127.0.0.1', 'fd00:1::/32', 'Store.Internal', 'localhost'])
    expect(['10.1.255.255', '127.0.0.1', 'fd00:1:ffff::1'].every(reach.isAddressAllowed)).toBe(true)
    expect(['10.2.0.0', '127.0.0.2', 'fd00:2::1', '::1'].some(reach.isAddressAllowed)).toBe(false)
    expect(['store.internal', 'STORE.internal.', 'localhost'].every(reach.isHostAllowed)).toBe(true)
    expect(
      ['internal', 'a.store.internal', 'store.internal..', 'localhost.evil.example'].some(
        reach.isHostAllowed,
      ),
    ).toBe(false)
  })

  it('a mapped form of an allowed IPv4 address too', () => {
    expect(openReach(['10.0.0.0/8']).isAddressAllowed('::ffff:10.1.2.3')).toBe(true)
  })

  it('a whole family only when it says so', () => {
    expect(openReach(['0.0.0.0/0']).isAddressAllowed('127.0.0.1')).toBe(true)
    expect(openReach(['0.0.0.0/0']).isAddressAllowed('::1')).toBe(false)
    expect(openReach(['::/0']).isAddressAllowed('fe80::1')).toBe(true)
  })

  it.each([
    '10.0.0.0/33',
    '::/129',
    'http://a',
    'a b',
    '',
    '10.0.0.0/x',
    'a/8',
    '*.example.com',
    '-',
    'a..b',
  ])('not %j, which is none of them', (entry) => expect(() => openReach([entry])).toThrow(PolityError))

  it('not more than a bounded number', () => {
    expect(() => openReach(Array.from({ length: 1025 }, (_, at) => `h${at}.example`))).toThrow(/1024/)
  })
})
