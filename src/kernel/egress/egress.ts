// Egress: the one way to speak HTTP with the outside. No private address unless allowed, no redirects, everything bounded.

/** Answers larger than this are cut off with `egress.too-large`. */
export const ANSWER_SIZE_MAX_BYTES = 1024 * 1024
export const TIMEOUT_MS = 30_000

export interface EgressRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS' | 'HEAD'
  /** `http:` or `https:`, without credentials. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** For the whole exchange; default TIMEOUT_MS. */
  readonly timeoutMs?: number
  readonly answerSizeMaxBytes?: number
  readonly signal?: AbortSignal
}

export interface EgressAnswer {
  readonly status: number
  /** Names in small letters; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * Any status is an answer. Throws `egress.invalid` (URL), `egress.refused` (address not allowed, checked after DNS),
 * `egress.redirected` (3xx, with the location as a fact), `egress.unreachable`, `egress.too-large`, `timeout`, `cancelled`.
 */
export interface Egress {
  send(request: EgressRequest): Promise<EgressAnswer>
  close(): Promise<void>
}

export interface EgressSettings {
  /** Networks (CIDR) and host names that are allowed although they are private, loopback or link-local. */
  readonly allow?: readonly string[]
}

export function openEgress(_env: unknown, _settings: EgressSettings = {}): Egress {
  const refuse = () => Promise.reject(new Error('to be built'))
  return { send: refuse, close: async () => undefined }
}
