// What of the mesh can be set where the hub is started.

import type { TrustOf } from './admission.ts'

export interface MeshOptions {
  /** Types that nobody declared are refused. Default: anybody may publish them. */
  readonly isStrict?: boolean
  /** Validators are up as soon as the hub is; otherwise whoever starts the hub starts them. Default true. */
  readonly isValidating?: boolean
  /** What is refused to callers of the older bus: `log-only` publishes it and tells. Default `enforce`. */
  readonly legacyMode?: LegacyMode
  /** How far a publisher is trusted. Default: as the hub trusts it with publishing. */
  readonly trustOf?: TrustOf
}

export type LegacyMode = 'log-only' | 'enforce'
