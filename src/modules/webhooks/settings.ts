// What of webhooks can be set where the hub is started.

export interface WebhooksOptions {
  /** DNS name under which this hub introduces itself in handshakes and deliveries (WebHook-Request-Origin). Default `polity`. */
  readonly origin?: string
  /** An endpoint to which nothing got through for so long is disabled. Default 5 days; 0: never. */
  readonly disableAfterMs?: number
  /** Origins that may ask for consent at /v1/hooks; `*`: all. Default none. */
  readonly allowedOrigins?: readonly string[]
  /** Events that a source may send per minute, for each hub. Default 600. */
  readonly ratePerMinute?: number
}

export const DEFAULTS: Required<WebhooksOptions> = {
  origin: 'polity',
  disableAfterMs: 5 * 86_400_000,
  allowedOrigins: [],
  ratePerMinute: 600,
}
