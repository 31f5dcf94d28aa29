// New credentials: the key of the authenticator that was asked, on the page and for the domain that they are registered for.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { readCoseKey } from './cose-key.ts'
import { CREDENTIAL, coseKey, creation, keyPairs, RP_ID } from './fixtures/authenticator.ts'
import { keyIdOf } from './statement.ts'
import { checkCreation, requireOwnDomain } from './webauthn.ts'

const OFFER = '{"kind":"polity.approval-key-offer/1","principal":"user:bob","sequence":0}'

describe.each(keyPairs())('a new credential (%s)', (_, { publicKey }) => {
  const check = (made: Parameters<typeof creation>[2] = {}, offer = OFFER) =>
    checkCreation(OFFER, creation(publicKey, offer, made), CREDENTIAL)

  it('is the key that the authenticator made, and its count', () => {
    const made = check({ counter: 3 })
    expect(keyIdOf(made.publicKey)).toBe(keyIdOf(publicKey))
    expect(made.counter).toBe(3)
  })

  it.each([
    ['that answers another offer', {}, OFFER.replace('bob', 'eve')],
    ['that was offered before', {}, OFFER.replace('0}', '1}')],
    ['that is an assertion', { type: 'webauthn.get' }],
    ['of another page', { origin: 'https://hub.example.evil' }],
    ['of a frame in another page', { crossOrigin: true }],
    ['for another relying party', { rpId: 'example' }],
    ['without anybody there', { flags: 0x44 }],
    ['by an authenticator that did not ask who is there', { flags: 0x41 }],
    ['that says that it holds none', { flags: 0x05 }],
    ['with another id', { id: Buffer.from('credential-2').toString('base64url') }],
  ])('%s is refused', (_name, made, offer = OFFER) => {
    expect(codeOf(() => check(made, offer))).toBe('approvals.signature')
  })

  it('of which anything is cut off, or to which anything is added, is refused', () => {
    const whole = Buffer.from(creation(publicKey, OFFER).authenticatorData, 'base64')
    const read = (data: Uint8Array) =>
      checkCreation(
        OFFER,
        { ...creation(publicKey, OFFER), authenticatorData: Buffer.from(data).toString('base64') },
        CREDENTIAL,
      )
    for (let length = 0; length < whole.length; length += 1)
      expect(codeOf(() => read(whole.subarray(0, length)))).toBe('approvals.signature')
    expect(codeOf(() => read(Buffer.concat([whole, Buffer.from([0])])))).toBe('approvals.signature')
    expect(codeOf(() => read(whole))).toBe('none')
  })
})

describe('a key as authenticators write it', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const good = coseKey(publicKey)
  const changed = (at: number, value: number) => {
    const copy = Buffer.from(good)
    copy[at] = value
    return copy
  }

  it.each([
    ['of another algorithm (ES384)', changed(4, 0x38)],
    ['of another curve', changed(6, 0x02)],
    ['off its curve', changed(20, (good[20] ?? 0) ^ 1)],
    ['with a field twice', changed(3, 0x01)],
    ['that is a list', changed(0, 0x85)],
    ['with more fields than one has', changed(0, 0xb9)],
    ['that says that it goes on for ever', changed(0, 0xbf)],
    ['that is nothing', Buffer.alloc(0)],
    ['that is nothing but noise', Buffer.alloc(80, 0xff)],
  ])('%s is none', (_name, bytes) => {
    expect(readCoseKey(bytes)).toBeUndefined()
  })
})

it.each([
  ['its own domain', 'https://hub.example', RP_ID, 'none'],
  ['a domain above, and a port', 'https://polity.hub.example:8443', RP_ID, 'none'],
  ['a page on this machine', 'http://localhost:7070', 'localhost', 'none'],
  ['a page that anybody on the way can change', 'http://hub.example', RP_ID, 'input.invalid'],
  ['a number', 'https://192.0.2.1', '192.0.2.1', 'input.invalid'],
  ['a number (IPv6)', 'https://[2001:db8::1]', '[2001:db8::1]', 'input.invalid'],
  ['another domain', 'https://hub.example.evil', RP_ID, 'input.invalid'],
  ['a name that only ends alike', 'https://evilhub.example', RP_ID, 'input.invalid'],
  ['everybody below a top domain', 'https://hub.example', 'example', 'input.invalid'],
  ['more than an origin', 'https://hub.example/page', RP_ID, 'input.invalid'],
  ['no address at all', 'hub', 'hub', 'input.invalid'],
])('a credential may be for %s: %s', (_name, origin, rpId, code) => {
  expect(codeOf(() => requireOwnDomain({ id: 'x', origin, rpId }))).toBe(code)
})
