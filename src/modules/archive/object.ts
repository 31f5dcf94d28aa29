// What the copies hold: the content of one version, compressed, then encrypted under a key of its own.

import { Buffer } from 'node:buffer'
import { createCipheriv, createDecipheriv, hash } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { PolityError } from '../../kernel/errors.ts'
import { canonicalText } from '../../kernel/schema/canonical.ts'
import type { Static } from '../../kernel/schema/schema.ts'
import { CONTENT_SIZE_MAX_BYTES, type Form } from './schemas.ts'

export const KEY_SIZE_BYTES = 32
const MAGIC = Buffer.from('polity-scroll/1\n')
const TAG_SIZE_BYTES = 16
/** A key encrypts one object and nothing else, so the nonce may be fixed (NIST SP 800-38D section 8.2). */
const NONCE = Buffer.alloc(12)
const PLAIN = Buffer.from([0])
/** RFC 8878. */
const ZSTD = Buffer.from([1])

export interface Content {
  readonly bytes: Buffer
  readonly form: Static<typeof Form>
  readonly mediaType: string
}

const MEDIA_TYPES = {
  text: 'text/plain; charset=utf-8',
  json: 'application/json',
  base64: 'application/octet-stream',
} as const

/** The bytes of a caller's content. Throws `input.invalid` for what is no base64, `payload.too-large`. */
export function contentOf(content: unknown, encoding?: 'base64', mediaType?: string): Content {
  const form = encoding ?? (typeof content === 'string' ? 'text' : 'json')
  const bytes = form === 'base64' ? decoded(content) : textBytes(content)
  if (bytes.length > CONTENT_SIZE_MAX_BYTES)
    throw new PolityError(
      'payload.too-large',
      `a scroll may have ${CONTENT_SIZE_MAX_BYTES} bytes, this one has ${bytes.length}: store it elsewhere and preserve its digest`,
      { sizeBytes: bytes.length },
    )
  return { bytes, form, mediaType: mediaType ?? MEDIA_TYPES[form] }
}

/** The value that `contentOf` was given. */
export function contentValue(bytes: Buffer, form: Static<typeof Form>): unknown {
  if (form === 'base64') return bytes.toString('base64')
  return form === 'json' ? (JSON.parse(bytes.toString()) as unknown) : bytes.toString()
}

/** Text stays as it is; any other value has one form (RFC 8785), so that its hash can be compared. */
const textBytes = (content: unknown): Buffer => {
  const canonical = canonicalText(content)
  return Buffer.from(typeof content === 'string' ? content : canonical)
}

function decoded(content: unknown): Buffer {
  const bytes = Buffer.from(typeof content === 'string' ? content : '', 'base64')
  if (bytes.toString('base64') !== content)
    throw new PolityError('input.invalid', 'the content is not base64 (RFC 4648 section 4, padded)')
  return bytes
}

export const digestOf = (bytes: Uint8Array): string => `sha256:${hash('sha256', bytes, 'hex')}`
/** `sha256:<hex>` -> the name under which copies hold it. */
export const blobNameOf = (digest: string): string => digest.slice('sha256:'.length)

/** The same content and key are the same object, byte by byte: a step that is taken again stores nothing new. */
export function packObject(content: Uint8Array, key: Uint8Array): Buffer {
  const compressed = zstdCompressSync(content)
  const [form, body] = compressed.length < content.length ? [ZSTD, compressed] : [PLAIN, content]
  const cipher = createCipheriv('aes-256-gcm', key, NONCE).setAAD(Buffer.concat([MAGIC, form]))
  return Buffer.concat([MAGIC, form, cipher.update(body), cipher.final(), cipher.getAuthTag()])
}

/** Throws `blob.corrupt` for what this key does not open, or what is not the content it should be. */
export function openObject(object: Uint8Array, key: Uint8Array, verificationHash: string): Buffer {
  const content = plainOf(Buffer.from(object), key)
  if (digestOf(content) === verificationHash) return content
  throw new PolityError('blob.corrupt', `the object does not hold the content ${verificationHash}`)
}

function plainOf(object: Buffer, key: Uint8Array): Buffer {
  try {
    const head = object.subarray(0, MAGIC.length + 1)
    if (!head.subarray(0, MAGIC.length).equals(MAGIC)) throw new RangeError('it is no scroll')
    const decipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_SIZE_BYTES })
      .setAAD(head)
      .setAuthTag(object.subarray(-TAG_SIZE_BYTES))
    const body = Buffer.concat([
      decipher.update(object.subarray(head.length, -TAG_SIZE_BYTES)),
      decipher.final(),
    ])
    return head.subarray(MAGIC.length).equals(ZSTD)
      ? zstdDecompressSync(body, { maxOutputLength: CONTENT_SIZE_MAX_BYTES })
      : body
  } catch (error) {
    throw new PolityError(
      'blob.corrupt',
      `the object does not open with its key: ${(error as Error).message}`,
      {},
      error,
    )
  }
}
