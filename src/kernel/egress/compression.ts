// Large request bodies travel as gzip.

import { Buffer } from 'node:buffer'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { EgressRequest } from './messages.ts'

const deflate = promisify(gzip)

/** Below this, compressing costs more than it saves. */
const COMPRESS_ABOVE_BYTES = 1024

/** The request with its body as gzip where that is smaller; for those whose other side is known to accept it. */
export async function compressed(
  request: EgressRequest,
  aboveBytes: number = COMPRESS_ABOVE_BYTES,
): Promise<EgressRequest> {
  if (request.body === undefined) return request
  const body = typeof request.body === 'string' ? Buffer.from(request.body) : request.body
  if (body.byteLength <= aboveBytes) return request
  const small = await deflate(body)
  if (small.byteLength >= body.byteLength) return request
  return { ...request, body: small, headers: { ...request.headers, 'content-encoding': 'gzip' } }
}
