// Files that local programs share with the hub: small JSON documents, whole or as they were, never half.

import { Buffer } from 'node:buffer'
import { readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Env } from '../../kernel/env.ts'
import { asPolityError, PolityError } from '../../kernel/errors.ts'
import { writeSecretFile } from '../../kernel/log/files.ts'
import { oneAfterAnother } from '../../kernel/turns.ts'

export const FILE_SIZE_MAX_BYTES = 4 * 1024 * 1024

export const FILES = {
  status: 'current_status.json',
  agentState: 'agent_state.json',
  relationships: 'relationships.json',
  memoryLog: 'swarm_memory_log.json',
} as const
export type FileName = (typeof FILES)[keyof typeof FILES]

export interface SharedFiles {
  /** Reads, changes and writes one file; nobody of this process comes in between. Answers where it is. */
  update<T>(
    file: FileName,
    isValid: (value: unknown) => value is T,
    change: (before: T | undefined) => T,
  ): Promise<string>
}

/**
 * What others have made unreadable is moved aside under a name of its own, and told; it is never overwritten.
 * @param folder asked for when the first file is needed
 */
export function openSharedFiles(
  folder: () => string,
  env: Env,
  onFailure: (error: PolityError) => void,
): SharedFiles {
  const inTurn = oneAfterAnother()
  return {
    update: (file, isValid, change) =>
      inTurn(async () => {
        const path = join(folder(), file)
        const before = await readValue(path, isValid, env, onFailure)
        writeValue(path, change(before))
        return path
      }),
  }
}

async function readValue<T>(
  path: string,
  isValid: (value: unknown) => value is T,
  env: Env,
  onFailure: (error: PolityError) => void,
): Promise<T | undefined> {
  const bytes = await bytesOf(path)
  if (bytes === undefined) return undefined
  const value = jsonOf(bytes)
  if (isValid(value)) return value
  const aside = `${path}.unreadable-${env.id()}`
  await rename(path, aside)
  onFailure(
    new PolityError('input.malformed', `${path} does not hold what it should: it is now ${aside}`, {
      path,
      aside,
    }),
  )
  return undefined
}

/** What is too large to be one of ours is not even read. */
async function bytesOf(path: string): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path)
    return size > FILE_SIZE_MAX_BYTES ? Buffer.alloc(0) : await readFile(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw unwritable(path, error)
  }
}

function jsonOf(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    // Whoever asked finds that it is not valid.
    return undefined
  }
}

function writeValue(path: string, value: unknown): void {
  const text = `${JSON.stringify(value, null, 2)}\n`
  if (Buffer.byteLength(text) > FILE_SIZE_MAX_BYTES)
    throw new PolityError('payload.too-large', `${path} would have more than ${FILE_SIZE_MAX_BYTES} bytes`, {
      path,
    })
  try {
    writeSecretFile(path, text)
  } catch (error) {
    throw unwritable(path, error)
  }
}

const unwritable = (path: string, error: unknown): PolityError =>
  new PolityError(
    'data.unwritable',
    `${path} cannot be kept: ${asPolityError(error).message}`,
    { path },
    error,
  )

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value)
