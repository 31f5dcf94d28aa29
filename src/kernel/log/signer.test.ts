// The signing key in its file: made once, kept, guarded.

import { generateKeyPairSync, verify } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ed25519PublicKeyOfRaw } from '../../kit/signed-note.ts'
import { fileSigner, keySigner } from './signer.ts'

const coded = expect.objectContaining({ name: 'PolityError', code: 'signer.failed' })

describe('a signing key in a file', () => {
  let folder: string
  let path: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'polity-signer-'))
    path = join(folder, 'log.key')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('is made once, kept, and readable by its owner only', () => {
    const made = fileSigner('a.example/log', path, true)
    expect(statSync(path).mode & 0o777).toBe(0o600)
    const text = readFileSync(path, 'utf8')
    expect(fileSigner('a.example/log', path, true).key).toEqual(made.key)
    expect(fileSigner('a.example/log', path, false).key).toEqual(made.key)
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it('signs what stock Ed25519 verifies', () => {
    const { key, sign } = fileSigner('a.example/log', path, true)
    const bytes = Buffer.from('checkpoint\n')
    const publicKey = ed25519PublicKeyOfRaw(key.publicKey)
    expect(verify(null, bytes, publicKey, sign(bytes))).toBe(true)
    expect(verify(null, Buffer.from('another\n'), publicKey, sign(bytes))).toBe(false)
  })

  it('is not made anew for a log that was signed before', () => {
    expect(() => fileSigner('a.example/log', path, false)).toThrow(coded)
    expect(() => statSync(path)).toThrow('ENOENT')
  })

  it('is taken back from group and others', () => {
    fileSigner('a.example/log', path, true)
    chmodSync(path, 0o644)
    fileSigner('a.example/log', path, false)
    expect(statSync(path).mode & 0o077).toBe(0)
  })

  it.each([
    ['empty', ''],
    ['text', 'no key at all'],
    [
      'a key of another kind',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ],
    ['a public key', generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' })],
  ])('is refused when it is %s, and left as it is', (_what, content) => {
    writeFileSync(path, content)
    expect(() => fileSigner('a.example/log', path, true)).toThrow(coded)
    expect(readFileSync(path, 'utf8')).toBe(content)
  })

  it('works from memory too', () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    expect(keySigner('a', privateKey).sign(Buffer.from('x')).length).toBe(64)
  })
})
