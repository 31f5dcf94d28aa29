// The body of an HTTP answer, read no further than it may go: what answers may be hostile.

import { Buffer } from 'node:buffer'

/** Rejects with what `refuse` makes once there are more than `sizeMaxBytes`; the rest is then cancelled. */
export async function readBody(
  { body }: Pick<Response, 'body'>,
  sizeMaxBytes: number,
  refuse: () => Error,
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for await (const part of body ?? []) {
    sizeBytes += part.length
    // Leaving the loop cancels the body.
    if (sizeBytes > sizeMaxBytes) throw refuse()
    parts.push(part)
  }
  return Buffer.concat(parts, sizeBytes)
}
