// The key with which this hub cosigns other logs: its own, because a cosignature says something else than a signature of the log.

import type { Cosigner } from '../../kit/cosignature.ts'
import { cosignerKey, formatVkey } from '../../kit/signed-note.ts'
import { writeWholeFile } from '../log/files.ts'
import { dataPaths } from '../log/layout.ts'
import { fileSigner, keySigner } from '../log/signer.ts'

export interface WitnessKey {
  readonly cosigner: Cosigner
  readonly vkey: string
}

/**
 * `DATA/witness.key`, made when nothing was cosigned yet; in memory a fresh one. "A cosigner operator that operates
 * multiple Ed25519 cosigners MUST use distinct public keys for each" (C2SP tlog-cosignature). Throws `signer.failed`.
 */
export function openWitnessKey(origin: string, dir: string | undefined, isNew: boolean): WitnessKey {
  const name = `${origin}/witness`
  const paths = dir === undefined ? undefined : dataPaths(dir)
  const { key: raw, sign } = paths === undefined ? keySigner(name) : fileSigner(name, paths.witnessKey, isNew)
  const key = cosignerKey(name, 'ed25519', raw.publicKey)
  const vkey = formatVkey(key)
  if (paths !== undefined) writeWholeFile(paths.witnessVkey, `${vkey}\n`)
  return { cosigner: { key, sign }, vkey }
}
