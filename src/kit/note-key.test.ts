// Verifier keys of the three kinds, against published ones and against every way of writing one wrong.

import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { coded } from './codes.fixture.ts'
import { ML_DSA_LOG_VKEY, PUBLIC_LOG_VKEY, PUBLIC_WITNESS_VKEYS } from './fixtures/cosigned-checkpoints.ts'
import {
  cosignerKey,
  ed25519NoteKey,
  ed25519PublicKeyOfRaw,
  formatVkey,
  parseVkey,
  publicKeyOf,
  rawOfEd25519,
  rawOfMlDsa44,
} from './note-key.ts'

// The example of C2SP signed-note, and those in the documentation of Go's sumdb/note.
const SPEC_VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k'
const PETER_VKEY = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const ENOCH_VKEY = 'EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop'

describe('verifier keys', () => {
  it.each([SPEC_VKEY, PETER_VKEY, ENOCH_VKEY, PUBLIC_LOG_VKEY, ...PUBLIC_WITNESS_VKEYS, ML_DSA_LOG_VKEY])(
    'reads and writes %.60s',
    (vkey) => {
      expect(formatVkey(parseVkey(vkey))).toBe(vkey)
    },
  )

  it.each([
    ['an id of another key', SPEC_VKEY.replace('530d903a', '530d903b'), 'vkey'],
    ['an id in capitals', SPEC_VKEY.replace('530d903a', '530D903A'), 'vkey'],
    ['another name', SPEC_VKEY.replace('foo', 'bar'), 'vkey'],
    ['no name', SPEC_VKEY.replace('example.com/foo', ''), 'vkey'],
    ['a space in the name', SPEC_VKEY.replace('foo', 'f o'), 'name'],
    ['a key cut short', 'example.com/foo+530d903a+AekyeRrm', 'key'],
    [
      'another algorithm',
      'example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
      'algorithm',
    ],
    ['no key', 'example.com/foo+530d903a+', 'vkey'],
    ['a newline at the end', `${SPEC_VKEY}\n`, 'vkey'],
    ['base64 with unused bits', SPEC_VKEY.replace(/k$/, 'k=='), 'vkey'],
    ['nothing', '', 'vkey'],
    ['far too much', `a+530d903a+${'A'.repeat(20_000)}`, 'vkey'],
  ])('refuses %s', (_name, vkey, code) => {
    expect(() => parseVkey(vkey)).toThrow(coded(code))
  })

  it.each(['', 'a b', 'a+b', 'a\u00a0b', 'a\u2003b', 'a\u0085b', 'a\nb', 'a\u0000', '\ud800'])(
    'does not name a key %j',
    (name) => {
      expect(() => ed25519NoteKey(name, new Uint8Array(32))).toThrow(coded('name'))
    },
  )

  it('takes 32 bytes of Ed25519 and no other key', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    expect(ed25519PublicKeyOfRaw(rawOfEd25519(privateKey)).equals(publicKey)).toBe(true)
    expect(() => ed25519PublicKeyOfRaw(new Uint8Array(31))).toThrow(coded('key'))
    expect(() => rawOfEd25519(generateKeyPairSync('x25519').publicKey)).toThrow(coded('key'))
  })
})

describe('cosigner keys', () => {
  const ed25519 = rawOfEd25519(generateKeyPairSync('ed25519').publicKey)
  const mlDsa = rawOfMlDsa44(generateKeyPairSync('ml-dsa-44').privateKey)

  it('are of type 4 and 6, and have other ids than a note key of the same name and bytes', () => {
    const keys = [
      ed25519NoteKey('w', ed25519),
      cosignerKey('w', 'ed25519', ed25519),
      cosignerKey('w', 'ml-dsa-44', mlDsa),
    ]
    expect(keys.map(({ algorithm }) => algorithm)).toEqual([1, 4, 6])
    expect(new Set(keys.map(({ id }) => Buffer.from(id).toString('hex'))).size).toBe(3)
    expect(keys.map(formatVkey).map(parseVkey)).toEqual(keys)
  })

  it('become the key objects that they were', () => {
    const { publicKey } = generateKeyPairSync('ml-dsa-44')
    expect(publicKeyOf(cosignerKey('w', 'ml-dsa-44', rawOfMlDsa44(publicKey))).equals(publicKey)).toBe(true)
    expect(publicKeyOf(cosignerKey('w', 'ed25519', ed25519)).asymmetricKeyType).toBe('ed25519')
    const unknown = { ...cosignerKey('w', 'ed25519', ed25519), algorithm: 2 }
    expect(() => publicKeyOf(unknown)).toThrow(coded('algorithm'))
  })

  it('have the length of their kind', () => {
    expect(() => cosignerKey('w', 'ed25519', mlDsa)).toThrow(coded('key'))
    expect(() => cosignerKey('w', 'ml-dsa-44', ed25519)).toThrow(coded('key'))
    expect(() => cosignerKey('w', 'ml-dsa-44', mlDsa.subarray(1))).toThrow(coded('key'))
    expect(() => rawOfMlDsa44(generateKeyPairSync('ml-dsa-65').publicKey)).toThrow(coded('key'))
    expect(() => rawOfEd25519(generateKeyPairSync('ml-dsa-44').publicKey)).toThrow(coded('key'))
  })

  it('have a name that ML-DSA-44 can sign: up to 255 bytes', () => {
    expect(cosignerKey('w'.repeat(255), 'ml-dsa-44', mlDsa).name).toHaveLength(255)
    expect(() => cosignerKey('w'.repeat(256), 'ml-dsa-44', mlDsa)).toThrow(coded('name'))
    expect(() => cosignerKey('è'.repeat(128), 'ml-dsa-44', mlDsa)).toThrow(coded('name'))
    expect(cosignerKey('w'.repeat(256), 'ed25519', ed25519).name).toHaveLength(256)
    expect(() => cosignerKey('a b', 'ed25519', ed25519)).toThrow(coded('name'))
  })
})
