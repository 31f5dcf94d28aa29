// What webhooks show to the door: the way in for sources, and counters.

import { face } from '../../kernel/catalog/face.ts'
import type { WebhookHeaders } from '../../kit/standard-webhooks.ts'

/** A request as it arrived: nothing in it is believed before its signature is. */
export interface HookRequest {
  readonly source: string
  readonly headers: WebhookHeaders
  readonly body: Uint8Array
  /** Of the query (RFC 6750 section 2.3). */
  readonly accessToken?: string
}

export interface HookReceiver {
  /**
   * Resolves once the event is committed, also when it was known. Throws `not-found`, `webhooks.signature`,
   * `webhooks.timestamp`, `webhooks.event`, `body.media-type`, `limit` (with `retryAfterSeconds`), `log.saturated`.
   */
  receive(request: HookRequest): Promise<void>
  /** The answer to a handshake (CloudEvents HTTP 1.1 Web Hooks, section 4.2); undefined: no consent. */
  consent(
    source: string,
    asked: { readonly origin: string; readonly rate?: string },
  ): Promise<{ readonly origin: string; readonly rate: string } | undefined>
  counts(): readonly HookCount[]
}

export interface HookCount {
  readonly what: 'received' | 'repeated' | 'refused'
  readonly count: number
}

export const hookReceiver = face<HookReceiver>('webhooks.receiver')
