// The log's own ML-DSA-44 cosigner: retained checkpoints keep a signature that no quantum computer can forge. It is ours, and no witness.

import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { chmodSync, existsSync, readFileSync } from 'node:fs'
import type { Cosigner } from '../../kit/cosignature.ts'
import { cosignerKey, rawOfMlDsa44 } from '../../kit/signed-note.ts'
import { PolityError } from '../errors.ts'
import { writeSecretFile } from './files.ts'

/** Its name under the log's origin. */
const ML_DSA_NAME = 'ml-dsa-44'

/** A cosigner (C2SP tlog-cosignature, type 0x06) around a key in memory. */
export function mlDsaCosigner(
  origin: string,
  privateKey: KeyObject = generateKeyPairSync('ml-dsa-44').privateKey,
): Cosigner {
  const publicKey = rawOfMlDsa44(createPublicKey(privateKey))
  return {
    key: cosignerKey(`${origin}/${ML_DSA_NAME}`, 'ml-dsa-44', publicKey),
    sign: (message) => new Uint8Array(sign(null, message, privateKey)),
  }
}

/**
 * Reads the PKCS#8 key at `path`, readable by its owner only, or creates it: a key that is lost is replaced by
 * another one, which an entry names. Throws `signer.failed`.
 */
export function mlDsaFileCosigner(origin: string, path: string): Cosigner {
  if (!existsSync(path)) {
    const { privateKey } = generateKeyPairSync('ml-dsa-44')
    writeSecretFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string)
  }
  try {
    chmodSync(path, 0o600)
    return mlDsaCosigner(origin, createPrivateKey(readFileSync(path)))
  } catch (error) {
    throw new PolityError(
      'signer.failed',
      `${path} is not an ML-DSA-44 private key: ${(error as Error).message}`,
      { path },
      error,
    )
  }
}
