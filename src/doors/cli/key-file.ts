// The file in which somebody keeps the key that signs his votes: PKCS#8 PEM, for his eyes alone. It never leaves this machine.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import process from 'node:process'
import { PolityError } from '../../kernel/errors.ts'
import { unreadable, usage } from './failure.ts'
import { createSecretFile } from './secret-file.ts'

const OTHERS = 0o077
const FILE_MAX_BYTES = 16_384

/** A new Ed25519 key in a new file. Throws `usage` where there is one already, `data.unwritable`. */
export function createKeyFile(path: string): KeyObject {
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  createSecretFile(path, String(pem), 'choose another name, or register the key that is in it: --existing')
  return privateKey
}

/** Throws `usage` for what cannot be read, what others can read too, and what holds no Ed25519 key. */
export function readKeyFile(path: string): KeyObject {
  const pem = readSecret(path)
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    // The cause may quote what the file holds.
    throw usage(`${path} holds no private key that is written as PEM (PKCS#8) and without a password`)
  }
  if (key.asymmetricKeyType !== 'ed25519')
    throw usage(`${path} holds a key of another kind: votes are signed with Ed25519`)
  return key
}

function readSecret(path: string): Buffer {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    throw unreadable(path, error, 'the key')
  }
  try {
    // Of what was opened: a name may point elsewhere by now.
    const { mode, size } = fstatSync(file)
    if (process.platform !== 'win32' && (mode & OTHERS) !== 0)
      throw usage(`others than you can read ${path}, so it is no secret`, `chmod 600 ${path}`)
    if (size > FILE_MAX_BYTES) throw usage(`${path} is too large for a key`)
    const bytes = Buffer.alloc(size)
    return bytes.subarray(0, readSync(file, bytes, 0, size, 0))
  } catch (error) {
    if (error instanceof PolityError) throw error
    throw unreadable(path, error, 'the key')
  } finally {
    closeSync(file)
  }
}

/** Base64 of the DER SubjectPublicKeyInfo, as it is registered. */
export const publicKeyOf = (key: KeyObject): string =>
  createPublicKey(key).export({ format: 'der', type: 'spki' }).toString('base64')
