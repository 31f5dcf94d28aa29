// Envelopes: the specification's example, Sigstore's implementation as the independent judge, and forgeries.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { bundleFromJSON } from '@sigstore/bundle'
import { crypto, dsse } from '@sigstore/core'
import { toSignedEntity, Verifier } from '@sigstore/verify'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { coded } from './codes.fixture.ts'
import { openEnvelope, preAuthEncoding, signEnvelope, verifyEnvelope } from './dsse.ts'

const TYPE = 'application/vnd.in-toto+json'
const payload = Buffer.from('{"_type":"https://in-toto.io/Statement/v1"}')

function party(keyid: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  return { keyid, publicKey, sign: (bytes: Uint8Array): Uint8Array => sign(null, bytes, privateKey) }
}

const [alice, bob, eve] = [party('alice'), party('bob'), party('eve')]

describe('preAuthEncoding', () => {
  it('is the example of the specification', () => {
    const bytes = preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world'))
    expect(Buffer.from(bytes).toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world')
  })

  it('is what Sigstore encodes, and counts bytes rather than characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.uint8Array(), (type, body) => {
        expect(preAuthEncoding(type, body)).toEqual(dsse.preAuthEncoding(type, Buffer.from(body)))
      }),
    )
  })
})

describe('an envelope of ours', () => {
  const envelope = signEnvelope(TYPE, payload, [alice, bob])

  it('is accepted by Sigstore: every signature by its crypto, the first by its verifier', () => {
    const pae = dsse.preAuthEncoding(envelope.payloadType, Buffer.from(envelope.payload, 'base64'))
    envelope.signatures.forEach(({ sig }, i) => {
      const key = [alice.publicKey, bob.publicKey][i] as KeyObject
      expect(crypto.verify(pae, key, Buffer.from(sig, 'base64'))).toBe(true)
    })
    expect(sigstoreVerifies(signEnvelope(TYPE, payload, [alice]), alice.publicKey)).toBe(true)
    expect(sigstoreVerifies(signEnvelope(TYPE, payload, [alice]), bob.publicKey)).toBe(false)
  })

  it('names the keys that signed, in the order of the signatures', () => {
    expect(verifyEnvelope(envelope, [bob, eve, alice])).toEqual(['alice', 'bob'])
    expect(verifyEnvelope(envelope, [bob])).toEqual(['bob'])
    expect(openEnvelope(envelope)).toMatchObject({ payloadType: TYPE, payload: new Uint8Array(payload) })
    expect(() => verifyEnvelope(envelope, [eve])).toThrow(coded('unsigned'))
    expect(() => verifyEnvelope(envelope, [])).toThrow(coded('unsigned'))
  })

  it('may come without keyids and in URL-safe base64', () => {
    const urlSafe = (text: string) => text.replaceAll('+', '-').replaceAll('/', '_')
    const signatures = envelope.signatures.map(({ sig }) => ({ sig: urlSafe(sig) }))
    expect(
      verifyEnvelope({ ...envelope, payload: urlSafe(envelope.payload), signatures }, [alice, bob]),
    ).toEqual(['alice', 'bob'])
  })
})

describe('a forgery', () => {
  const envelope = signEnvelope(TYPE, payload, [alice])

  it('is not accepted after any changed bit of payload, type or signature', () => {
    fc.assert(
      fc.property(fc.constantFrom('payload', 'payloadType', 'sig'), fc.nat(), fc.nat(7), (field, at, bit) => {
        const { signatures, ...rest } = envelope
        const texts = { ...rest, sig: signatures[0]?.sig ?? '' }
        const encoding = field === 'payloadType' ? 'latin1' : 'base64'
        const bytes = Buffer.from(texts[field], encoding)
        bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ (1 << bit)
        const { sig, ...bent } = { ...texts, [field]: bytes.toString(encoding) }
        expect(() => verifyEnvelope({ ...bent, signatures: [{ keyid: 'alice', sig }] }, [alice])).toThrow(
          coded('unsigned'),
        )
      }),
    )
  })

  it('cannot move bytes between type and payload', () => {
    const moved = { ...envelope, payloadType: `${TYPE} ${payload.length}`, payload: '' }
    expect(() => verifyEnvelope(moved, [alice])).toThrow(coded('unsigned'))
  })

  it('does not count for the keyid it claims, nor twice for one key under two names', () => {
    const [signature] = signEnvelope(TYPE, payload, [eve]).signatures
    expect(() =>
      verifyEnvelope({ ...envelope, signatures: [{ ...signature, keyid: 'alice' }] }, [alice, eve]),
    ).toThrow(coded('unsigned'))
    const twice = signEnvelope(TYPE, payload, [alice, { ...alice, keyid: 'alias' }])
    expect(verifyEnvelope(twice, [alice, { ...alice, keyid: 'alias' }])).toEqual(['alice'])
    expect(verifyEnvelope(signEnvelope(TYPE, payload, [alice, alice]), [alice])).toEqual(['alice'])
  })
})

describe('bounds', () => {
  const good = signEnvelope(TYPE, payload, [alice])

  it.each([
    ['nothing', null],
    ['a text', 'envelope'],
    ['no signatures', { ...good, signatures: [] }],
    ['signatures that are no list', { ...good, signatures: { 0: good.signatures[0], length: 1 } }],
    ['a signature that is nothing', { ...good, signatures: [null] }],
    ['17 signatures', { ...good, signatures: Array.from({ length: 17 }, () => good.signatures[0]) }],
    ['a payload that is not base64', { ...good, payload: 'a b' }],
    ['a payload without padding', { ...good, payload: 'YQ' }],
    ['a payload over 4 MiB', { ...good, payload: 'A'.repeat(8 * 1024 * 1024) }],
    ['no type', { ...good, payloadType: undefined }],
    ['a type with half a character', { ...good, payloadType: '\ud800' }],
    ['a type without end', { ...good, payloadType: 't'.repeat(1000) }],
    ['a keyid that is a number', { ...good, signatures: [{ ...good.signatures[0], keyid: 1 }] }],
    ['a keyid without end', { ...good, signatures: [{ ...good.signatures[0], keyid: 'k'.repeat(1000) }] }],
    ['no sig', { ...good, signatures: [{ keyid: 'alice' }] }],
  ])('refuse %s', (_name, envelope) => {
    expect(() => verifyEnvelope(envelope, [alice])).toThrow(coded('envelope'))
  })

  it('refuse to sign for nobody, and to try too many or foreign keys', () => {
    expect(() => signEnvelope(TYPE, payload, [])).toThrow(coded('envelope'))
    expect(() =>
      verifyEnvelope(
        good,
        Array.from({ length: 257 }, () => alice),
      ),
    ).toThrow(coded('envelope'))
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(() => verifyEnvelope(good, [{ keyid: 'ec', publicKey }])).toThrow(coded('algorithm'))
  })
})

/** Sigstore's own verifier, told to ask for neither a log entry nor a timestamp. */
function sigstoreVerifies(dsseEnvelope: unknown, publicKey: KeyObject): boolean {
  const bundle = bundleFromJSON({
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: {
      publicKey: { hint: 'any' },
      tlogEntries: [],
      timestampVerificationData: { rfc3161Timestamps: [] },
    },
    dsseEnvelope,
  })
  const trust = {
    certificateAuthorities: [],
    timestampAuthorities: [],
    tlogs: [],
    ctlogs: [],
    publicKey: () => ({ publicKey, validFor: () => true }),
  }
  try {
    new Verifier(trust, { tlogThreshold: 0, timestampThreshold: 0, ctlogThreshold: 0 }).verify(
      toSignedEntity(bundle),
    )
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'SIGNATURE_ERROR' })
    return false
  }
}
