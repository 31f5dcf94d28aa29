// What a doctor says of the keys in a folder: that nobody else can read them, and that they are the ones of its log.

import { createPublicKey } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { DataPaths } from '../../kernel/log/layout.ts'
import { parseVkey, rawOfEd25519 } from '../../kit/note-key.ts'
import { fail, ok, type Verdict, warn } from './verdict.ts'

const SECRET = /\.(?:key|token)$/
const OTHERS_MASK = 0o077
const VAULT_KEY_BYTES = 32

export function checkPermissions(dir: string): Verdict {
  const there = existsSync(dir) ? readdirSync(dir) : []
  const open = there
    .filter((name) => SECRET.test(name))
    .map((name) => join(dir, name))
    .filter((path) => (modeOf(path) & OTHERS_MASK) !== 0)
  if (open.length > 0) return fail(`others can read ${open.join(', ')}`, `chmod 600 ${open.join(' ')}`)
  return (modeOf(dir) & OTHERS_MASK) === 0
    ? ok('keys and tokens are yours alone')
    : warn(`others can look into ${dir}`, `chmod 700 ${dir}`)
}

/** It may have gone since. */
const modeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mode ?? 0

/** @param isSignedElsewhere a program holds the signing key, and it is no file */
export function checkKeys(paths: DataPaths, isSignedElsewhere: boolean): Verdict {
  if (!existsSync(paths.database)) return ok('will be made with the log')
  const { signingKey, statementKey, vaultKey } = paths
  const missing = [...(isSignedElsewhere ? [] : [signingKey]), statementKey, vaultKey].filter(
    (path) => !existsSync(path),
  )
  if (missing.length > 0)
    return fail(
      `the log is there, and ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not`,
      'put back what was there from a backup, before a hub starts here (docs/keys.md)',
    )
  const { size } = statSync(vaultKey)
  if (size !== VAULT_KEY_BYTES)
    return fail(
      `${vaultKey} has ${size} bytes, and not ${VAULT_KEY_BYTES}`,
      'put it back from a backup: without it no private value can be read',
    )
  return isSignedElsewhere ? ok('a program holds the signing key; the others are there') : checkPair(paths)
}

/** Whoever verifies is given the public key from the file beside the private one. */
function checkPair({ signingKey, vkey }: DataPaths): Verdict {
  const own = rawOfEd25519(createPublicKey(readFileSync(signingKey)))
  if (!existsSync(vkey)) return warn(`${vkey} is not there`, 'the next start of the hub writes it again')
  const shown = parseVkey(readFileSync(vkey, 'utf8').trim()).publicKey
  return Buffer.from(own).equals(Buffer.from(shown))
    ? ok('they are there, and the public key is that of the private one')
    : fail(
        `${vkey} is not the public key of ${signingKey}`,
        'one of them comes from another hub: put back the folder from a backup',
      )
}
