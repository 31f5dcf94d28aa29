// Standard Webhooks: the same signatures as the reference library writes (v1), and as Ed25519 has them (v1a); nothing else passes.

import { createPublicKey, generateKeyPairSync, randomBytes, verify } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { codeOf } from './codes.fixture.ts'
import {
  formatPublicKey,
  formatSecret,
  keyPairOf,
  parsePrivateKey,
  parsePublicKey,
  parseSecret,
  signV1,
  signV1a,
  type VerifyingKey,
  verifyWebhook,
  type WebhookHeaders,
  webhookHeaders,
} from './standard-webhooks.ts'

const NOW = 1_700_000_000
const secret = Buffer.alloc(32, 7)
const body = '{"type":"thing.seen","timestamp":"2026-01-01T00:00:00Z","data":{"ü":"😀"}}'
const key = (bytes: Uint8Array): VerifyingKey => ({ scheme: 'v1', secret: bytes })
const signed = (bytes: Uint8Array = secret, id = 'msg_1', at = NOW, text = body) =>
  webhookHeaders(id, at, [signV1(bytes, id, at, text)])
const check = (
  headers: WebhookHeaders,
  text: string | Uint8Array = body,
  keys = [key(secret)],
  nowSeconds = NOW,
) => verifyWebhook(headers, text, keys, { nowSeconds })
describe('v1', () => {
  it('is what the reference library signs and verifies', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 24, maxLength: 64 }),
        fc.stringMatching(/^[a-zA-Z0-9_-]{1,40}$/),
        fc.integer({ min: 1, max: 4_000_000_000 }),
        fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
        (bytes, id, at, text) => {
          const reference = new Webhook(formatSecret(bytes))
          expect(signV1(bytes, id, at, text)).toBe(reference.sign(id, new Date(at * 1000), text))
        },
      ),
    )
    const now = Math.floor(Date.now() / 1000)
    expect(new Webhook(formatSecret(secret)).verify(body, signed(secret, 'msg_1', now))).toEqual(
      JSON.parse(body),
    )
  })

  it('verifies what was signed, over text and over bytes', () => {
    expect(check(signed())).toEqual({ id: 'msg_1', timestampSeconds: NOW, keyIndex: 0 })
    expect(check(signed(), Buffer.from(body)).id).toBe('msg_1')
  })

  it('finds the signature of any key in a list, while a secret is being rotated', () => {
    const old = randomBytes(24)
    const headers = webhookHeaders('a', NOW, [signV1(secret, 'a', NOW, body), signV1(old, 'a', NOW, body)])
    expect(check(headers, body, [key(old)]).keyIndex).toBe(0)
    expect(check(headers, body, [key(randomBytes(24)), key(secret)]).keyIndex).toBe(1)
    expect(headers['webhook-signature'].split(' ')).toHaveLength(2)
  })
})

describe('v1a', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-32)

  it('is an Ed25519 signature over id, timestamp and body', () => {
    const text = signV1a(privateKey, 'msg_1', NOW, body)
    expect(text.startsWith('v1a,')).toBe(true)
    const bytes = Buffer.from(text.slice(4), 'base64')
    expect(verify(null, Buffer.from(`msg_1.${NOW}.${body}`), publicKey, bytes)).toBe(true)
    const headers = webhookHeaders('msg_1', NOW, [text])
    expect(
      check(headers, body, [{ scheme: 'v1a', publicKey: parsePublicKey(formatPublicKey(raw)) }]).keyIndex,
    ).toBe(0)
    expect(codeOf(() => check(headers, `${body} `, [{ scheme: 'v1a', publicKey }]))).toBe('webhook.signature')
  })

  it('makes a pair out of a seed', () => {
    const pair = keyPairOf(seed)
    expect(pair.publicKey).toBe(formatPublicKey(raw))
    expect(signV1a(parsePrivateKey(pair.privateKey), 'x', 1, '')).toBe(signV1a(privateKey, 'x', 1, ''))
  })

  it('reads a key with and without its public half, and refuses a wrong half', () => {
    const short = parsePrivateKey(`whsk_${seed.toString('base64')}`)
    const long = parsePrivateKey(`whsk_${Buffer.concat([seed, raw]).toString('base64')}`)
    for (const each of [short, long])
      expect(createPublicKey(each).export({ format: 'der', type: 'spki' }).subarray(-32)).toEqual(raw)
    const wrong = Buffer.concat([seed, Buffer.alloc(32)]).toString('base64')
    expect(codeOf(() => parsePrivateKey(`whsk_${wrong}`))).toBe('webhook.key')
    expect(codeOf(() => signV1a(publicKey, 'x', 1, ''))).toBe('webhook.key')
  })

  it('a signature of one scheme is none of the other', () => {
    const headers = webhookHeaders('a', NOW, [signV1(secret, 'a', NOW, body).replace('v1,', 'v1a,')])
    expect(codeOf(() => check(headers))).toBe('webhook.signature')
    expect(codeOf(() => check(headers, body, [{ scheme: 'v1a', publicKey }]))).toBe('webhook.signature')
  })
})

describe('what does not pass', () => {
  it.each([
    ['another body', signed(), `${body} `, 'webhook.signature'],
    ['another id', { ...signed(), 'webhook-id': 'msg_2' }, body, 'webhook.signature'],
    ['another time', { ...signed(), 'webhook-timestamp': String(NOW + 1) }, body, 'webhook.signature'],
    ['no signature', { ...signed(), 'webhook-signature': '' }, body, 'webhook.signature'],
    ['no id', { ...signed(), 'webhook-id': undefined }, body, 'webhook.header'],
    ['an id twice', { ...signed(), 'webhook-id': 'msg_1, msg_1' }, body, 'webhook.header'],
    ['a list of ids', { ...signed(), 'webhook-id': ['msg_1', 'msg_1'] }, body, 'webhook.header'],
    ['an id with a full stop', { ...signed(), 'webhook-id': `msg.${NOW}` }, body, 'webhook.header'],
    ['a long id', { ...signed(), 'webhook-id': 'm'.repeat(257) }, body, 'webhook.header'],
    ['a timestamp with a sign', { ...signed(), 'webhook-timestamp': `+${NOW}` }, body, 'webhook.header'],
    [
      'a timestamp in milliseconds and more',
      { ...signed(), 'webhook-timestamp': `${NOW}000000` },
      body,
      'webhook.header',
    ],
    ['a fraction', { ...signed(), 'webhook-timestamp': `${NOW}.5` }, body, 'webhook.header'],
    [
      'a megabyte of signatures',
      { ...signed(), 'webhook-signature': 'v1,a '.repeat(200_000) },
      body,
      'webhook.header',
    ],
    [
      'too many signatures',
      { ...signed(), 'webhook-signature': 'v1,AA== '.repeat(17) },
      body,
      'webhook.header',
    ],
  ] as const)('%s', (_, headers, text, code) => {
    expect(codeOf(() => check(headers, text))).toBe(code)
  })

  it('what is too old or too new, by a second', () => {
    expect(check(signed(), body, [key(secret)], NOW + 300).id).toBe('msg_1')
    expect(check(signed(), body, [key(secret)], NOW - 300).id).toBe('msg_1')
    expect(codeOf(() => check(signed(), body, [key(secret)], NOW + 301))).toBe('webhook.timestamp')
    expect(codeOf(() => check(signed(), body, [key(secret)], NOW - 301))).toBe('webhook.timestamp')
  })

  it('a name of a prototype is no header', () => {
    expect(codeOf(() => check(Object.create(signed()) as WebhookHeaders))).toBe('webhook.header')
  })

  it('any change of one bit of the signature', () => {
    const good = signV1(secret, 'a', NOW, body)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), (bit) => {
        const bytes = Buffer.from(good.slice(3), 'base64')
        bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        const headers = webhookHeaders('a', NOW, [`v1,${bytes.toString('base64')}`])
        return codeOf(() => check(headers)) === 'webhook.signature'
      }),
    )
  })

  it.each([
    '',
    'whsec_',
    'whsec_AAAA',
    `whsec_${'A'.repeat(200)}`,
    'whpk_AAAA',
    `whsec_${Buffer.alloc(23).toString('base64')}`,
    `whsec_${Buffer.alloc(65).toString('base64')}`,
    `whsec_${Buffer.alloc(32).toString('base64').replace('=', '')}`,
  ])('the secret %s', (text) => expect(codeOf(() => parseSecret(text))).toBe('webhook.key'))

  it('no keys, or more than sixteen', () => {
    expect(codeOf(() => check(signed(), body, []))).toBe('webhook.key')
    expect(
      codeOf(() =>
        check(
          signed(),
          body,
          Array.from({ length: 17 }, () => key(secret)),
        ),
      ),
    ).toBe('webhook.key')
  })

  it('an id that could be cut in two ways is not signed', () => {
    expect(codeOf(() => signV1(secret, 'a.1', NOW, body))).toBe('webhook.header')
    expect(parseSecret(formatSecret(secret))).toEqual(new Uint8Array(secret))
  })
})
