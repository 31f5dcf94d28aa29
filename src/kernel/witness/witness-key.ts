// The key with which this hub cosigns other logs: its own, because a cosignature says something else than a signature of the log.

import { existsSync } from 'node:fs'
import type { Cosigner } from '../../kit/cosignature.ts'
import { cosignerKey, formatVkey } from '../../kit/signed-note.ts'
import { PolityError } from '../errors.ts'
import { writeWholeFile } from '../log/files.ts'
import { dataPaths } from '../log/layout.ts'
import { fileSigner, keySigner } from '../log/signer.ts'

export interface WitnessKey {
  readonly cosigner: Cosigner
  readonly vkey: string
}

/**
 * `DATA/witness.key`; in memory a fresh one. "A cosigner operator that operates multiple Ed25519 cosigners MUST use
 * distinct public keys for each" (C2SP tlog-cosignature). Nothing depends on a lost one but the policies of others,
 * so a new one is made; `onLost` is told when there was one. Throws `signer.failed` for a file that is no key.
 */
export function openWitnessKey(
  origin: string,
  dir: string | undefined,
  onLost: (error: PolityError) => void,
): WitnessKey {
  const name = `${origin}/witness`
  const paths = dir === undefined ? undefined : dataPaths(dir)
  if (paths && !existsSync(paths.witnessKey) && existsSync(paths.witnessVkey)) onLost(lost(paths.witnessKey))
  const { key: raw, sign } = paths === undefined ? keySigner(name) : fileSigner(name, paths.witnessKey, true)
  const key = cosignerKey(name, 'ed25519', raw.publicKey)
  const vkey = formatVkey(key)
  if (paths !== undefined) writeWholeFile(paths.witnessVkey, `${vkey}\n`)
  return { cosigner: { key, sign }, vkey }
}

const lost = (path: string): PolityError =>
  new PolityError(
    'signer.failed',
    `${path} is missing, so a new key was made: restore it, or tell the logs that this hub cosigns its new verifier key`,
    { path },
  )
