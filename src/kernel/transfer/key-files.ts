// The secret files without which a hub is not the one that it was: what they are called, and how they are carried.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { writeSecretFile } from '../log/files.ts'
import { DATA_FILES } from '../log/layout.ts'
import { MASTER_KEY_SIZE_BYTES } from '../vault/vault.ts'

/** `log.key`, `vault.key` and so on. */
export const isKeyFile = (name: string): boolean => /^[a-z][a-z0-9.-]*\.key(\.[a-z]+)?$/.test(name)

/** Names of the key files in a folder. */
export const keyFilesIn = (dir: string): string[] =>
  readdirSync(dir, { withFileTypes: true })
    .flatMap((item) => (item.isFile() && isKeyFile(item.name) ? [item.name] : []))
    .sort()

/** Copies key files, readable by the owner only. */
export function copyKeys(from: string, names: readonly string[], to: string): void {
  for (const name of names.filter(isKeyFile)) writeSecretFile(join(to, name), readFileSync(join(from, name)))
}

/** The vault's key in a folder; undefined where there is none, or a file that can be none. */
export function vaultKeyIn(dir: string): Uint8Array | undefined {
  const path = join(dir, DATA_FILES.vaultKey)
  const stat = statSync(path, { throwIfNoEntry: false })
  // A pipe would never end.
  return stat?.isFile() && stat.size === MASTER_KEY_SIZE_BYTES ? readFileSync(path) : undefined
}

/** What a hub does not start without. */
const NEEDED = [DATA_FILES.signingKey, DATA_FILES.statementKey, DATA_FILES.vaultKey] as const

/** Which of them are not there. */
export const missingKeys = (dir: string): string[] =>
  NEEDED.filter((name) => !existsSync(join(dir, name))).map((name) => basename(name))
