// Small files that must be whole or absent: written aside, synced, then renamed into place.

import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import process from 'node:process'

/** Readable by the owner only. */
export const writeSecretFile = (path: string, content: string | Uint8Array): void =>
  writeWholeFile(path, content, 0o600)

export function writeWholeFile(path: string, content: string | Uint8Array, mode = 0o644): void {
  const aside = `${path}.${process.pid}.tmp`
  const file = openSync(aside, 'w', mode)
  try {
    writeFully(file, typeof content === 'string' ? Buffer.from(content) : content, 0)
    fsyncSync(file)
  } catch (error) {
    rmSync(aside, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
  renameSync(aside, path)
  syncFolder(dirname(path))
}

/** A disk that fills up takes a part and says so only in the count (write(2)); the next call names the reason. */
export function writeFully(file: number, bytes: Uint8Array, position: number): void {
  for (let written = 0; written < bytes.length; )
    written += writeSync(file, bytes, written, bytes.length - written, position + written)
}

/** A rename is durable once its folder is synced. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
