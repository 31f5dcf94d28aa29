// What a hub may be told about its counterparts, and how the environment says it.

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

type Variables = Readonly<Record<string, string | undefined>>

/**
 * `<SERVICE>_ENDPOINT` turns a service on; its token is read from `<SERVICE>_API_KEY` when it is sent. A key alone turns
 * nothing on: there is no address that everybody's analyses should go to.
 */
export function counterpartsSettings(env: Variables): CounterpartsOptions {
  const shadowScrolls = serviceOf(env, 'SHADOWSCROLLS')
  const legioCognito = serviceOf(env, 'LEGIO_COGNITO')
  const triumvirateMonitor = serviceOf(env, 'TRIUMVIRATE_MONITOR')
  const swarmEngine = serviceOf(env, 'SWARM_ENGINE')
  return {
    ...(shadowScrolls === undefined ? {} : { shadowScrolls }),
    ...(legioCognito === undefined ? {} : { legioCognito }),
    ...(triumvirateMonitor === undefined ? {} : { triumvirateMonitor }),
    ...(swarmEngine === undefined ? {} : { swarmEngine }),
  }
}

function serviceOf(env: Variables, service: string): ServiceOptions | undefined {
  const url = env[`${service}_ENDPOINT`]
  if (!url) return undefined
  return env[`${service}_API_KEY`] ? { url, token: `env:${service}_API_KEY` } : { url }
}
