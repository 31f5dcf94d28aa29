// Signed votes: a plain key or an authenticator, over one statement, on the right page, by somebody who was there, once.

import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { asPolityError } from '../errors.ts'
import type { GivenSignature } from './shapes.ts'
import { keyIdOf, readPublicKey, verifySigned } from './statement.ts'

const STATEMENT = '{"approval":"a","vote":"approve"}'
const RP_ID = 'hub.example'
const ORIGIN = 'https://hub.example'

const sha256 = (data: string | Uint8Array) => createHash('sha256').update(data).digest()
const spki = (key: KeyObject) => key.export({ format: 'der', type: 'spki' }).toString('base64')

interface Made {
  readonly statement?: string
  readonly type?: string
  readonly origin?: string
  readonly crossOrigin?: boolean
  readonly rpId?: string
  readonly flags?: number
  readonly counter?: number
}

/** What an authenticator and a browser make of a challenge. */
function assertion(
  privateKey: KeyObject,
  {
    statement = STATEMENT,
    type = 'webauthn.get',
    origin = ORIGIN,
    rpId = RP_ID,
    flags = 1,
    counter = 7,
    ...rest
  }: Made,
): Omit<GivenSignature, 'key'> {
  const client = Buffer.from(
    JSON.stringify({ type, challenge: sha256(statement).toString('base64url'), origin, ...rest }),
  )
  const count = Buffer.alloc(4)
  count.writeUInt32BE(counter)
  const data = Buffer.concat([sha256(rpId), Buffer.from([flags]), count])
  const digest = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  return {
    signature: sign(digest, Buffer.concat([data, sha256(client)]), privateKey).toString('base64'),
    authenticatorData: data.toString('base64'),
    clientDataJson: client.toString('base64'),
  }
}

const credential = { id: 'credential', rpId: RP_ID, origin: ORIGIN }

function registered(publicKey: KeyObject, counter = 0) {
  const key = keyIdOf(publicKey)
  return {
    key,
    kind: 'webauthn' as const,
    publicKey: spki(publicKey),
    credential,
    registeredAt: '2026-11-20T10:00:00.000Z',
    counter,
  }
}

const codeOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    return asPolityError(error).code
  }
  return 'nothing'
}

describe.each([
  ['ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })],
  ['EdDSA', generateKeyPairSync('ed25519')],
  ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
])('an assertion (%s)', (_, { publicKey, privateKey }) => {
  const check = (made: Made = {}, counter = 0, change: Partial<GivenSignature> = {}) => {
    const key = registered(publicKey, counter)
    return verifySigned(STATEMENT, { key: key.key, ...assertion(privateKey, made), ...change }, [key])
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
  ])('%s is refused', (_name, made) => {
    expect(codeOf(() => check(made))).toBe('approvals.signature')
  })

  it('whose counter did not go up is refused', () => {
    expect(codeOf(() => check({ counter: 7 }, 7))).toBe('approvals.signature')
    expect(codeOf(() => check({ counter: 0 }, 7))).toBe('approvals.signature')
    expect(codeOf(() => check({ counter: 8 }, 7))).toBe('nothing')
  })

  it('of which a byte was changed, or a part is missing, is refused', () => {
    for (const part of ['signature', 'authenticatorData', 'clientDataJson'] as const) {
      const bytes = Buffer.from(assertion(privateKey, {})[part] ?? '', 'base64')
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
