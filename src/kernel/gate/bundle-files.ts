// Reads the files of a policy bundle from a folder; the only I/O of the gate.

import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileFault } from '../../kit/file-fault.ts'
import { PolityError } from '../errors.ts'

export interface BundleFile {
  /** Ends in `.cedar` (policies) or `.cedarschema` (the schema). */
  readonly name: string
  readonly text: string
}

export const MAX_FILES = 256
export const MAX_FILE_BYTES = 256 * 1024
/**
 * What a running hub is handed at once, as JSON: over HTTP a body has at most 1 MiB, and other fields need room. A folder
 * that a hub starts with may hold as much as its files may have.
 */
const HANDED_SIZE_MAX_BYTES = 1_000_000
const MAX_FOLDER_NAMES = 4096

export const isPolicyFile = (name: string): boolean => name.endsWith('.cedar')
export const isSchemaFile = (name: string): boolean => name.endsWith('.cedarschema')

/**
 * The `.cedar` and `.cedarschema` files directly inside a folder, sorted by name; other files and
 * folders are not looked at.
 *
 * Errors: `gate.bundle.invalid` (unreadable, too many, too large, not UTF-8).
 */
export async function readBundleFiles(dir: string): Promise<BundleFile[]> {
  const names = await readdir(dir).catch((thrown) => refuse(dir, 'cannot be read', thrown))
  if (names.length > MAX_FOLDER_NAMES) refuse(dir, `holds more than ${MAX_FOLDER_NAMES} files`)
  const wanted = names.filter((name) => isPolicyFile(name) || isSchemaFile(name)).sort()
  if (wanted.length > MAX_FILES) refuse(dir, `holds more than ${MAX_FILES} policy files`)
  const files: BundleFile[] = []
  for (const name of wanted) files.push({ name, text: await readText(join(dir, name), name) })
  return files
}

/** Throws `gate.bundle.invalid` for more than a running hub takes: before any of it is sent. */
export function requireHandable(files: readonly BundleFile[]): void {
  let sizeBytes = 0
  for (const { name, text } of files) {
    sizeBytes += Buffer.byteLength(JSON.stringify({ name, text })) + 1
    if (sizeBytes > HANDED_SIZE_MAX_BYTES)
      refuse(
        name,
        `is where the bundle gets larger than the ${HANDED_SIZE_MAX_BYTES} bytes that a running hub takes as JSON: start the hub with the folder (--policy) instead`,
      )
  }
}

async function readText(path: string, name: string): Promise<string> {
  const bytes = await readBounded(path).catch((thrown) => refuse(name, 'cannot be read', thrown))
  if (bytes.length > MAX_FILE_BYTES) refuse(name, `is larger than ${MAX_FILE_BYTES} bytes`)
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (thrown) {
    return refuse(name, 'is not UTF-8', thrown)
  }
}

// Reads at most one byte more than allowed, whatever the file claims to be.
async function readBounded(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    if (!(await file.stat()).isFile()) throw new Error('not a regular file')
    const bytes = Buffer.alloc(MAX_FILE_BYTES + 1)
    let used = 0
    while (used < bytes.length) {
      const { bytesRead } = await file.read(bytes, used, bytes.length - used, used)
      if (bytesRead === 0) break
      used += bytesRead
    }
    return bytes.subarray(0, used)
  } finally {
    await file.close()
  }
}

function refuse(file: string, problem: string, cause?: unknown): never {
  const detail = cause === undefined ? '' : ` (${fileFault(cause)})`
  throw new PolityError(
    'gate.bundle.invalid',
    `${file} ${problem}${detail}`,
    { file, line: 1, column: 1 },
    cause,
  )
}
