// What goes out and what comes back.

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
