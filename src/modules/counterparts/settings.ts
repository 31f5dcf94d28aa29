// What a hub may be told about its counterparts.

import type { RetryPolicy } from '../../kernel/targets/retry.ts'
import type { TargetPolicy } from '../../kernel/targets/targets.ts'

export interface ServiceOptions {
  /** `http:` or `https:`; a private address must be allowed for egress. */
  readonly url: string
  /** Reference of the bearer token: `env:NAME`, `file:/path`. */
  readonly token?: string
  readonly timeoutMs?: number
  /** Answers 200 while it is healthy; default `/health`. */
  readonly probePath?: string
}

/** A service that is absent is off: its work is done here, and nothing is sent. */
export interface CounterpartsOptions {
  readonly shadowScrolls?: ServiceOptions
  readonly legioCognito?: ServiceOptions
  readonly triumvirateMonitor?: ServiceOptions
  readonly swarmEngine?: ServiceOptions
  readonly probeIntervalMs?: number
  readonly retry?: RetryPolicy
  readonly breaker?: TargetPolicy
}
