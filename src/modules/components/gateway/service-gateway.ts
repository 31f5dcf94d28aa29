// What the module shows the gateway door: which instances there are, which to take, and a breaker for each.

import type { Health } from '../health.ts'

/** One endpoint of one component. */
export interface Instance {
  readonly component: string
  readonly url: string
  readonly health: Health
  readonly isSecure: boolean
  /** Name or address, IPv6 without brackets; the name also for TLS. */
  readonly host: string
  readonly port: number
  /** Without a slash at its end. */
  readonly basePath: string
  /** For the Host header. */
  readonly authority: string
}

export interface Sample {
  readonly component: string
  readonly method: string
  readonly path: string
  /** 101 is an upgrade. */
  readonly status: number
  /** To the head of the answer. */
  readonly latencyMs: number
}

/** Read anew for each exchange: they may be set while the hub runs. */
export interface GatewayLimits {
  readonly connectMs: number
  readonly headMs: number
  readonly idleMs: number
  readonly bodySizeMaxBytes: number
  readonly exchangesMax: number
}

export interface ServiceGateway {
  readonly limits: GatewayLimits
  /**
   * Instances that may be sent to, for the id of a component or `capability:x`. Throws `components.unknown`, and
   * `components.unavailable` where none of them is passing or warning.
   */
  instances(service: string, protocol: 'http' | 'ws'): Promise<readonly Instance[]>
  /**
   * One of them that was not tried: a passing one if there is any, and of two that chance picks the one with fewer
   * requests under way.
   */
  choose(instances: readonly Instance[], tried: ReadonlySet<string>): Instance | undefined
  /** The checked address of an instance. Throws `components.address`, `gateway.unreachable`. */
  addressOf(instance: Instance): Promise<string>
  /** Counts an exchange from here on; to be called when it is over. */
  enter(instance: Instance): () => void
  /**
   * The way to the head of an answer, under the breaker of the instance. `isFailure`: which errors count against it.
   * Throws `target.open`, `target.busy` without having tried, and what the body throws.
   */
  through<T>(instance: Instance, body: () => Promise<T>, isFailure: (error: unknown) => boolean): Promise<T>
  /** An answer broke off after its head: that counts as well. */
  broke(instance: Instance, error: unknown): void
  note(sample: Sample): void
  metrics(): readonly string[]
}
