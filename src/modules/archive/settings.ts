// What a hub may be told about its archive, and how the environment says it.

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

/**
 * POLITY_ARCHIVE_COPIES (see `parseCopies`), POLITY_ARCHIVE_SEARCH (`postgres://…`), and the variables in which
 * AWS tools look for keys. An empty variable is one that is not set. Throws `usage`.
 */
export function archiveSettings(env: Readonly<Record<string, string | undefined>>): ArchiveOptions {
  const { POLITY_ARCHIVE_COPIES: copies, POLITY_ARCHIVE_SEARCH: searchUrl } = env
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
  const { AWS_SESSION_TOKEN: sessionToken } = env
  const credentials =
    accessKeyId && secretAccessKey
      ? { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) }
      : undefined
  return {
    ...(copies ? { copies: parseCopies(copies) } : {}),
    ...(searchUrl ? { searchUrl } : {}),
    ...(credentials ? { credentials } : {}),
  }
}
