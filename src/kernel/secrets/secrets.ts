// Secrets by reference: `env:NAME` and `file:/path` are read when a step needs them, never kept and never recorded.

import { Buffer } from 'node:buffer'
import { createReadStream } from 'node:fs'
import process from 'node:process'
import { PolityError } from '../errors.ts'

const SECRET_SIZE_MAX_BYTES = 64 * 1024

/** The value behind a reference, without a line end at its end. Throws `secret.missing`, which names the reference and never the value. */
export async function resolveSecret(reference: string): Promise<string> {
  const [, scheme, rest = ''] = /^(env|file):(.+)$/s.exec(reference) ?? []
  const value =
    scheme === 'env' ? process.env[rest] : scheme === 'file' ? await contentOf(rest, reference) : undefined
  if (value === undefined || value === '') throw missing(reference, 'it is not set')
  return value
}

async function contentOf(path: string, reference: string): Promise<string> {
  try {
    const parts: Buffer[] = []
    // Never more than that and one byte, whatever stands there: a device has no end. `end` is counted in.
    for await (const part of createReadStream(path, { end: SECRET_SIZE_MAX_BYTES }))
      parts.push(part as Buffer)
    const bytes = Buffer.concat(parts)
    if (bytes.length > SECRET_SIZE_MAX_BYTES)
      throw missing(reference, `it has more than ${SECRET_SIZE_MAX_BYTES} bytes`)
    return bytes.toString().replace(/\r?\n$/, '')
  } catch (error) {
    if (error instanceof PolityError) throw error
    throw missing(reference, (error as NodeJS.ErrnoException).code ?? 'it cannot be read')
  }
}

const missing = (reference: string, reason: string): PolityError =>
  new PolityError('secret.missing', `the secret ${reference.slice(0, 256)} cannot be used: ${reason}`, {
    reference: reference.slice(0, 256),
  })
