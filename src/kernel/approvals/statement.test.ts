// Signed votes: a plain key or an authenticator, over one statement, on the right page, by somebody who was there, once.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { codeOf } from '../../kit/codes.fixture.ts'
import { assertion, CREDENTIAL, keyPairs, type Made, spki } from './fixtures/authenticator.ts'
import type { GivenSignature } from './shapes.ts'
import { keyIdOf, readPublicKey, verifySigned } from './statement.ts'

const STATEMENT = '{"approval":"a","vote":"approve"}'
function registered(publicKey: KeyObject, counter = 0) {
  const key = keyIdOf(publicKey)
  return {
    key,
    kind: 'webauthn' as const,
    publicKey: spki(publicKey),
    credential: CREDENTIAL,
    registeredAt: '2026-11-20T10:00:00.000Z',
    counter,
  }
}

describe.each(keyPairs())('an assertion (%s)', (_, { publicKey, privateKey }) => {
  const check = (
    { statement = STATEMENT, ...made }: Made & { statement?: string } = {},
    counter = 0,
    change: Partial<GivenSignature> = {},
  ) => {
    const key = registered(publicKey, counter)
    return verifySigned(STATEMENT, { key: key.key, ...assertion(privateKey, statement, made), ...change }, [
      key,
    ])
  }

  it('is a signed vote, with the count of its authenticator', () => {
    expect(check()).toEqual({ assurance: 'signed', counter: 7 })
    expect(check({ counter: 0 })).toEqual({ assurance: 'signed', counter: 0 })
  })

  it.each([
    ['over another statement', { statement: '{"approval":"b","vote":"approve"}' }],
    ['that registers instead', { type: 'webauthn.create' }],
    ['of another page', { origin: 'https://hub.example.evil' }],
    ['of a frame in another page', { crossOrigin: true }],
    ['for another relying party', { rpId: 'example' }],
    ['without anybody there', { flags: 4 }],
    ['by an authenticator that did not ask who is there', { flags: 1 }],
    ['that is backed up and cannot be', { flags: 5 | 0x10 }],
  ])('%s is refused', (_name, made) => {
    expect(codeOf(() => check(made))).toBe('approvals.signature')
  })

  it('whose counter did not go up is refused', () => {
    expect(codeOf(() => check({ counter: 7 }, 7))).toBe('approvals.signature')
    expect(codeOf(() => check({ counter: 0 }, 7))).toBe('approvals.signature')
    expect(codeOf(() => check({ counter: 8 }, 7))).toBe('none')
  })

  it('of which a byte was changed, or a part is missing, is refused', () => {
    for (const part of ['signature', 'authenticatorData', 'clientDataJson'] as const) {
      const bytes = Buffer.from(assertion(privateKey, STATEMENT)[part] ?? '', 'base64')
      for (const place of [0, bytes.length >> 1, bytes.length - 1]) {
        const changed = Buffer.from(bytes)
        changed[place] = (changed[place] ?? 0) ^ 1
        expect(codeOf(() => check({}, 0, { [part]: changed.toString('base64') }))).toBe('approvals.signature')
      }
      expect(codeOf(() => check({}, 0, { [part]: 'AAAA' }))).toBe('approvals.signature')
    }
  })
})

describe('a plain key', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
  const { credential: _, ...plain } = { ...registered(publicKey), kind: 'ed25519' as const }
  const signature = sign(null, Buffer.from(STATEMENT), privateKey).toString('base64')

  it('is read in both of its forms, and nothing else is', () => {
    expect(keyIdOf(readPublicKey(raw))).toBe(plain.key)
    expect(codeOf(() => readPublicKey('AAAA'))).toBe('input.invalid')
  })

  it('signs one statement; whoever has none is believed his token', () => {
    expect(verifySigned(STATEMENT, { key: plain.key, signature }, [plain])).toEqual({ assurance: 'signed' })
    expect(verifySigned(STATEMENT, undefined, [])).toEqual({ assurance: 'attributed, unsigned' })
    const forged = [
      [`${STATEMENT} `, { key: plain.key, signature }, [plain]],
      [STATEMENT, undefined, [plain]],
      [STATEMENT, { key: plain.key, signature }, []],
      [STATEMENT, { key: '0'.repeat(16), signature }, [plain]],
    ] as const
    for (const [statement, given, keys] of forged)
      expect(codeOf(() => verifySigned(statement, given, keys))).toBe('approvals.signature')
  })
})
