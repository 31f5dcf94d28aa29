// What a hub may be told about its components and its gateway.

export interface ComponentsOptions {
  /** Networks (CIDR) and addresses where components may live; default: this machine. Link-local and metadata addresses never. */
  readonly allow?: readonly string[]
  /** How long a mass loss is taken for the hub's own fault; default 5 minutes. */
  readonly massLossMs?: number | undefined
  readonly gateway?: GatewayOptions
}

export interface GatewayOptions {
  /** Until a connection stands; default 5 s. */
  readonly connectMs?: number | undefined
  /** From the end of a request until the head of its answer is there; default 60 s. */
  readonly headMs?: number | undefined
  /** Silence in either direction of a body or a WebSocket; default 5 minutes. */
  readonly idleMs?: number | undefined
  /** Largest request body; default 64 MiB. */
  readonly bodySizeMaxBytes?: number | undefined
  /** Requests and WebSockets under way; default 1024. */
  readonly exchangesMax?: number | undefined
}
