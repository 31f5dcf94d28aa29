// What a hub may be told about its archive.

import type { S3Credentials } from '../../kernel/blobs/s3/s3-client.ts'
import { type CopyPlace, parseCopies } from './copies.ts'

export interface ArchiveOptions {
  /** Where the copies of every version live; default: two folders of the hub's. */
  readonly copies?: readonly CopyPlace[]
  /** For copies in S3. */
  readonly credentials?: S3Credentials
  /** PostgreSQL for the search index; default: a file of the hub's. */
  readonly searchUrl?: string
}

/** As it is said: places as texts (see `parseCopies`), secrets as values. */
export interface ArchiveSettings {
  readonly copies?: readonly string[] | undefined
  readonly searchUrl?: string | undefined
  readonly accessKeyId?: string | undefined
  readonly secretAccessKey?: string | undefined
  readonly sessionToken?: string | undefined
}

/** An empty text is one that is not set; half a key is none. Throws `usage`. */
export function archiveSettings({
  copies = [],
  searchUrl,
  accessKeyId,
  secretAccessKey,
  sessionToken,
}: ArchiveSettings): ArchiveOptions {
  const credentials =
    accessKeyId && secretAccessKey
      ? { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
      : undefined
  return {
    ...(copies.length > 0 ? { copies: parseCopies(copies.join(',')) } : {}),
    ...(searchUrl ? { searchUrl } : {}),
    ...(credentials ? { credentials } : {}),
  }
}
