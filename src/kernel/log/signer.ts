// The Signer port: signs checkpoints and statements; the file adapter keeps an Ed25519 key readable by its owner only.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs'
import { ed25519NoteKey, type NoteKey, rawOfEd25519 } from '../../kit/signed-note.ts'
import type { Awaitable } from '../env.ts'
import { PolityError } from '../errors.ts'
import { writeSecretFile } from './files.ts'

export interface Signer {
  readonly key: NoteKey
  /** Raw Ed25519 signature (RFC 8032). Throws `signer.failed`. */
  sign(bytes: Uint8Array): Awaitable<Uint8Array>
  /** Signs every checkpoint too: the key that takes over. See `KeyRing`. */
  readonly successor?: Signer | undefined
  /** Ends what the signer keeps running. */
  close?(): Promise<void>
}

/** A signer whose key is in this process. */
export interface LocalSigner extends Signer {
  sign(bytes: Uint8Array): Uint8Array
}

/** The signer, and the one that takes over from it: all whose signatures a checkpoint carries. */
export const signersOf = (signer: Signer): readonly Signer[] =>
  signer.successor === undefined ? [signer] : [signer, signer.successor]

/** A signer around a key in memory; a fresh one when none is given. */
export function keySigner(
  name: string,
  privateKey: KeyObject = generateKeyPairSync('ed25519').privateKey,
): LocalSigner {
  const key = ed25519NoteKey(name, rawOfEd25519(createPublicKey(privateKey)))
  return { key, sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)) }
}

/** Reads the PKCS#8 key at `path`, or creates it when `create` says that nothing was signed yet. */
export function fileSigner(name: string, path: string, create: boolean): LocalSigner {
  if (!existsSync(path)) {
    if (!create)
      throw new PolityError(
        'signer.failed',
        `the signing key ${path} is missing, but the log it signed is not: restore the key`,
        { path },
      )
    writeKeyFile(path)
  }
  restrict(path)
  return keySigner(name, readKey(path))
}

/** Puts a fresh Ed25519 key at `path`, whole or not at all, in the place of what was there. */
export function writeKeyFile(path: string): void {
  const { privateKey } = generateKeyPairSync('ed25519')
  writeSecretFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
}

function restrict(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600)
}

function readKey(path: string): KeyObject {
  try {
    const key = createPrivateKey(readFileSync(path))
    if (key.asymmetricKeyType !== 'ed25519') throw new TypeError(`it is an ${key.asymmetricKeyType} key`)
    return key
  } catch (error) {
    throw new PolityError(
      'signer.failed',
      `${path} is not an Ed25519 private key: ${(error as Error).message}`,
      { path },
      error,
    )
  }
}
