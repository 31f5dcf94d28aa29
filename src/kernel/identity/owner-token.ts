// The owner's token: in a file of the data folder for the owner alone, issued once per log and again when it is lost.

import { chmodSync, existsSync, readFileSync } from 'node:fs'
import type { Caller } from '../catalog/caller.ts'
import { PolityError } from '../errors.ts'
import { writeSecretFile } from '../log/files.ts'
import type { Identity } from './identity.ts'

export interface EstablishedOwner {
  readonly token: string
  readonly caller: Caller
}

/** Without a path the token is in memory only. A lost, revoked or foreign file is answered with a new token, which the log shows. */
export async function establishOwner(
  identity: Pick<Identity, 'bootstrap' | 'byToken'>,
  path: string | undefined,
): Promise<EstablishedOwner> {
  const known = path !== undefined && existsSync(path) ? await readToken(identity, path) : undefined
  if (known) return known
  const token = await identity.bootstrap()
  if (path !== undefined) writeSecretFile(path, `${token}\n`)
  return { token, caller: await identity.byToken(token) }
}

async function readToken(
  identity: Pick<Identity, 'byToken'>,
  path: string,
): Promise<EstablishedOwner | undefined> {
  const token = readFileSync(path, 'utf8').trim()
  try {
    const caller = await identity.byToken(token)
    chmodSync(path, 0o600)
    return { token, caller }
  } catch (error) {
    if (error instanceof PolityError && error.code.startsWith('auth.')) return undefined
    throw error
  }
}
