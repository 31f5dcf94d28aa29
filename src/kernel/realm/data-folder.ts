// What every realm keeps in its folder, wherever its log is: the vault's key, and a copy of the last checkpoint.

import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { PolityError } from '../errors.ts'
import { writeSecretFile, writeWholeFile } from '../log/files.ts'
import { type DataPaths, dataPaths } from '../log/layout.ts'
import type { Log } from '../log/log.ts'
import { MASTER_KEY_SIZE_BYTES } from '../vault/vault.ts'
import type { RealmOptions } from './realm.ts'

export function prepareFolder(dir: string): DataPaths {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    return dataPaths(dir)
  } catch (error) {
    throw new PolityError(
      'data.unwritable',
      `the folder ${dir} cannot be used: ${(error as Error).message}`,
      { dir },
      error,
    )
  }
}

/** A schema-less URL, as C2SP tlog-checkpoint recommends; the random part keeps two logs of one name apart. */
export const newOrigin = ({ name, env }: Pick<RealmOptions, 'name' | 'env'>): string =>
  `polity.invalid/${name}/${Buffer.from(env.random(8)).toString('hex')}`

export function establishVaultKey(path: string, isNew: boolean): Uint8Array {
  if (!existsSync(path) && !isNew)
    throw new PolityError(
      'data.unwritable',
      `the vault's key ${path} is missing: without it no private payload opens. Restore it`,
      { path },
    )
  if (!existsSync(path)) writeSecretFile(path, randomBytes(MASTER_KEY_SIZE_BYTES))
  chmodSync(path, 0o600)
  const key = readFileSync(path)
  if (key.length !== MASTER_KEY_SIZE_BYTES)
    throw new PolityError('data.unwritable', `${path} is not a vault key of ${MASTER_KEY_SIZE_BYTES} bytes`, {
      path,
    })
  return key
}

const CHECKPOINT_FILE_INTERVAL_MS = 500

/** A copy of the last checkpoint beside the data, for tools that read files. The anchor is the truth, so this one may lag. */
export function keepCheckpointFile(
  log: Log,
  path: string,
  { onFailure }: Pick<RealmOptions, 'onFailure'>,
): { close(): void } {
  let written = ''
  const write = () => {
    const { checkpoint } = log.head()
    if (checkpoint === written) return
    try {
      writeWholeFile(path, checkpoint)
      written = checkpoint
    } catch (error) {
      onFailure(
        new PolityError(
          'store.full',
          `${path} cannot be written: ${(error as Error).message}`,
          { path },
          error,
        ),
      )
    }
  }
  const timer = setInterval(write, CHECKPOINT_FILE_INTERVAL_MS).unref()
  return {
    close() {
      clearInterval(timer)
      write()
    },
  }
}
