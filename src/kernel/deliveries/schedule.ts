// When the next attempt is: the schedule of Standard Webhooks, some chance, and what the receiver asks for.

/** Delays before each attempt: Standard Webhooks, "Delivery and retries". Each gets up to 20 % of chance. */
export const SCHEDULE_MS: readonly number[] = [
  0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
]
const JITTER_SHARE = 0.2
/** A receiver that asks for more is asked again all the same. */
const RETRY_AFTER_MAX_MS = 86_400_000

/** The delay before the attempt that follows `tries` failed ones; undefined when there is none any more. */
export function delayAfter(tries: number, random01: number, retryAfterMs = 0): number | undefined {
  const delayMs = SCHEDULE_MS[tries]
  return delayMs === undefined
    ? undefined
    : Math.round(Math.max(delayMs * (1 + JITTER_SHARE * random01), retryAfterMs))
}

/** `Retry-After` (RFC 9110 section 10.2.3), bounded; undefined where it says nothing that can be read. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined || header.length > 64) return undefined
  const waitMs = /^[0-9]{1,10}$/.test(header) ? Number(header) * 1000 : dateOf(header) - nowMs
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, 0), RETRY_AFTER_MAX_MS)
}

/** Only IMF-fixdate (RFC 9110 section 5.6.7): Date.parse reads far too much. */
const dateOf = (text: string): number =>
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)
    ? Date.parse(text)
    : Number.NaN
