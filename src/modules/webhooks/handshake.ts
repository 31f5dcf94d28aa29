// The handshake of CloudEvents HTTP 1.1 Web Hooks, section 4: asks a receiver for its consent, and finds out whether its address is allowed.

import { asPolityError, type ErrorCode } from '../../kernel/errors.ts'
import type { SendingPorts } from './sending.ts'

const HANDSHAKE_TIMEOUT_MS = 5_000
const ANSWER_SIZE_MAX_BYTES = 16 * 1024
/** What no later attempt could get right: the registration is refused. */
const FINAL: readonly ErrorCode[] = ['egress.invalid', 'egress.refused']

/** "The handshake cannot rely on status codes": only the headers count. Throws `egress.invalid`, `egress.refused`. */
export async function handshake(
  { host, options }: SendingPorts,
  url: string,
  signal: AbortSignal,
): Promise<{ readonly hasConsented: boolean }> {
  try {
    const { headers } = await host.egress.send({
      method: 'OPTIONS',
      url,
      headers: { 'webhook-request-origin': options.origin },
      timeoutMs: HANDSHAKE_TIMEOUT_MS,
      answerSizeMaxBytes: ANSWER_SIZE_MAX_BYTES,
      signal,
    })
    const allowed = headers['webhook-allowed-origin']
    return { hasConsented: allowed === '*' || allowed?.toLowerCase() === options.origin.toLowerCase() }
  } catch (thrown) {
    const error = asPolityError(thrown)
    if (signal.aborted || FINAL.includes(error.code)) throw error
    return { hasConsented: false }
  }
}
